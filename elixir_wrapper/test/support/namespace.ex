defmodule Linx.Netlink.Port.Test.Namespace do
  @moduledoc """
  Real network namespaces, made and removed with `ip`, and how to prove that a socket is in one: over
  it, the bridge is listed that was made in there by somebody else.
  """

  import ExUnit.Assertions
  import ExUnit.Callbacks, only: [on_exit: 1]

  alias Linx.Netlink.Port.Test.{Helpers, Rtnetlink}

  defstruct [:name, :path, :bridge]

  @doc "Makes a namespace with one bridge in it, both named like nothing else. Removed with the test."
  def create do
    namespace = add()
    on_exit(fn -> remove(namespace) end)
    namespace
  end

  @doc "The same for whoever removes it himself."
  def add do
    number = System.unique_integer([:positive])
    namespace = %__MODULE__{name: "lnp-#{System.pid()}-#{number}", bridge: "br#{number}"}
    ip(["netns", "add", namespace.name])
    ip(["-n", namespace.name, "link", "add", namespace.bridge, "type", "bridge"])
    %{namespace | path: "/run/netns/#{namespace.name}"}
  end

  @doc "Removes one. It is no error if it is gone already."
  def remove(namespace) do
    System.cmd("ip", ["netns", "del", namespace.name], stderr_to_stdout: true)
  end

  @doc """
  Ties an interface of the BEAM's namespace to the namespace, and returns its name: it is there for as
  long as anything keeps the namespace alive.
  """
  def tie(namespace) do
    name = "v#{System.pid()}x#{rem(System.unique_integer([:positive]), 1000)}"
    ip(["link", "add", name, "type", "veth", "peer", "name", "tie0", "netns", namespace.name])
    name
  end

  @doc "The same for the namespace that a process has open as a descriptor."
  def tie_descriptor(fd, os_pid \\ System.pid()) do
    name = "t#{os_pid}x#{fd}"
    place = "/proc/#{os_pid}/fd/#{fd}"
    ip(["link", "add", name, "type", "veth", "peer", "name", "tie0", "netns", place])
    name
  end

  @doc "Waits until a namespace is gone that was tied to, which the kernel does in its own time."
  def await_gone(tie) do
    Helpers.eventually("the namespace is gone", fn ->
      not File.exists?("/sys/class/net/#{tie}")
    end)
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
end
