defmodule Linx.Netlink.Port.Test.App do
  @moduledoc "What an application does with sockets: in the test's own BEAM, or called in another one."

  alias Linx.Netlink.Port
  alias Linx.Netlink.Port.Test.{Namespace, Resident, Rtnetlink}

  @sol_netlink 270
  @add_membership 1
  @patience 10_000

  @doc "What there is to be seen in a network namespace."
  def look(netns) do
    with_socket(netns, :route, fn socket ->
      %{
        cookie: Namespace.cookie(socket),
        links: Rtnetlink.links(socket),
        addresses: Rtnetlink.addresses(socket)
      }
    end)
  end

  @doc "Which network namespaces the sockets are in that are opened in these, all at once."
  def cookies(netnses) do
    {:ok, results} = netnses |> Enum.map(&{&1, :route}) |> Port.open_many()

    for {:ok, socket} <- results do
      cookie = Namespace.cookie(socket)
      :ok = :socket.close(socket)
      cookie
    end
  end

  @doc "Makes a bridge with an address: `:ok`, or the kernel's error number."
  def change(netns, bridge, address) do
    with_socket(netns, :route, fn socket ->
      with :ok <- Rtnetlink.create_bridge(socket, bridge) do
        Rtnetlink.add_address(socket, Rtnetlink.links(socket)[bridge], address)
      end
    end)
  end

  @doc "Opens a socket, and joins a group only when it is there."
  def join_later(netns, protocol, group) do
    with_socket(netns, protocol, fn socket ->
      :socket.setopt_native(socket, {@sol_netlink, @add_membership}, <<group::native-32>>)
    end)
  end

  @doc "Opens a socket only."
  def open(netns, protocol), do: with_socket(netns, protocol, fn _socket -> :ok end)

  @doc "Starts a port program, opens a socket, and ends the port program."
  def open_anew(netns, protocol) do
    {:ok, server} = Port.start_link(name: nil)
    result = with_socket(netns, protocol, [server: server], fn _socket -> :ok end)
    :ok = GenServer.stop(server)
    result
  end

  @doc "Opens a socket that has joined groups, and keeps it under a name."
  def listen(name, netns, protocol, groups) do
    {:ok, _pid} =
      Agent.start(
        fn ->
          {:ok, socket} = Port.open(netns, protocol, memberships: groups)
          socket
        end,
        name: name
      )

    :ok
  end

  @doc "The next message that the socket of this name hears: its type and what follows its header."
  def hear(name) do
    Agent.get(
      name,
      fn socket ->
        {:ok, bytes} = :socket.recv(socket, 0, [], @patience)
        <<_length::32, type::native-16, _::80, body::binary>> = bytes
        {type, body}
      end,
      2 * @patience
    )
  end

  @doc "Has a process stay where a command puts it, and tells its number."
  def settle(command) do
    {:ok, agent} = Agent.start(fn -> Resident.start(command) end)
    Agent.get(agent, & &1.pid)
  end

  @doc "What the port program holds."
  def capabilities do
    {:ok, %{program: %{capabilities: capabilities}}} = Port.info()
    capabilities
  end

  defp with_socket(netns, protocol, options \\ [], use) do
    case Port.open(netns, protocol, options) do
      {:ok, socket} ->
        result = use.(socket)
        :ok = :socket.close(socket)
        result

      {:error, error} ->
        {:error, {error.stage, error.errno}}
    end
  end
end
