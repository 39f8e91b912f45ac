defmodule Linx.Netlink.Port.Test.Namespace do
  @moduledoc """
  Real network namespaces, made and removed with `ip`, and how to prove that a socket is in one: over
  it, the bridge is listed that was made in there by somebody else.
  """

  import ExUnit.Assertions
  import ExUnit.Callbacks, only: [on_exit: 1]

  alias Linx.Netlink.Port.Test.Rtnetlink

  defstruct [:name, :path, :bridge]

  @doc "Makes a namespace with one bridge in it, both named like nothing else. Removed with the test."
  def create do
    number = System.unique_integer([:positive])
    name = "lnp-#{System.pid()}-#{number}"
    bridge = "br#{number}"
    ip(["netns", "add", name])
    on_exit(fn -> remove(name) end)
    ip(["-n", name, "link", "add", bridge, "type", "bridge"])
    %__MODULE__{name: name, path: "/run/netns/#{name}", bridge: bridge}
  end

  @doc "Fails unless the socket is in the namespace."
  def assert_inside(socket, namespace) do
    names = socket |> Rtnetlink.links() |> Map.keys()
    assert namespace.bridge in names
    assert "lo" in names
    assert length(names) == 2
    refute cookie(socket) == host_cookie()
    socket
  end

  @doc "The kernel's number for the network namespace of a socket (SO_NETNS_COOKIE)."
  def cookie(socket) do
    {:ok, <<cookie::native-64>>} = :socket.getopt_native(socket, {1, 71}, 8)
    cookie
  end

  @doc "The same for the BEAM's own."
  def host_cookie do
    {:ok, socket} = :socket.open(16, :raw, 0)
    cookie = cookie(socket)
    :ok = :socket.close(socket)
    cookie
  end

  def ip(args) do
    {output, status} = System.cmd("ip", args, stderr_to_stdout: true)
    assert status == 0, "ip #{Enum.join(args, " ")}: #{output}"
    output
  end

  defp remove(name), do: System.cmd("ip", ["netns", "del", name], stderr_to_stdout: true)
end
