defmodule Linx.Netlink.Port.Test.Lab do
  @moduledoc """
  A network of the calling process: two namespaces, and a cable between them. It takes no privilege, and
  goes with the process.
  """

  alias Linx.Netlink.Port
  alias Linx.Netlink.Port.Test.Rtnetlink

  @red {192, 0, 2, 1}
  @blue {192, 0, 2, 2}
  @patience 10_000

  @doc "Builds it. The addresses of its ends are in it."
  def build(options \\ []) do
    {:ok, red} = Port.new_netns(options)
    {:ok, blue} = Port.new_netns(options)

    with_route(red, fn route ->
      :ok = Rtnetlink.create_veth(route, "cable", "cable", blue.fd)
    end)

    for {netns, address} <- [{red, @red}, {blue, @blue}] do
      with_route(netns, fn route ->
        links = Rtnetlink.links(route)
        :ok = Rtnetlink.add_address(route, links["cable"], address)
        for name <- ["lo", "cable"], do: :ok = Rtnetlink.set_up(route, links[name])
      end)
    end

    %{red: red, blue: blue, at: @red, from: @blue}
  end

  @doc "Says a word over TCP, from one end to port 80 of the other, and returns what arrives."
  def talk(lab, word) do
    at = %{family: :inet, addr: lab.at, port: 80}
    {:ok, listener} = Port.open(lab.red, {:inet, :stream, :tcp}, bind: at, listen: 5)
    {:ok, client} = Port.open(lab.blue, {:inet, :stream, :tcp})
    :ok = :socket.connect(client, at, @patience)
    {:ok, server} = :socket.accept(listener, @patience)
    :ok = :socket.send(client, word)
    {:ok, heard} = :socket.recv(server, byte_size(word), @patience)
    {:ok, %{addr: from}} = :socket.peername(server)
    Enum.each([listener, client, server], &:socket.close/1)
    {from, heard}
  end

  @doc "Both, and which namespaces these were (`SO_NETNS_COOKIE`)."
  def build_and_talk(word) do
    lab = build()

    cookies =
      for netns <- [lab.red, lab.blue] do
        with_route(netns, fn route ->
          {:ok, <<cookie::native-64>>} = :socket.getopt_native(route, {1, 71}, 8)
          cookie
        end)
      end

    %{said: talk(lab, word), cookies: cookies}
  end

  @doc """
  Builds one in a process of its own, which keeps it with a connection open, and returns that process, and
  what it has open.
  """
  def keep do
    caller = self()

    keeper =
      spawn(fn ->
        lab = build()
        at = %{family: :inet, addr: lab.at, port: 80}
        {:ok, listener} = Port.open(lab.red, {:inet, :stream, :tcp}, bind: at, listen: 5)
        {:ok, client} = Port.open(lab.blue, {:inet, :stream, :tcp})
        :ok = :socket.connect(client, at, @patience)
        send(caller, {self(), [lab.red.fd, lab.blue.fd]})
        # It has them as long as it lives.
        receive do: ({:never, ^listener, ^client} -> :ok)
      end)

    receive do
      {^keeper, fds} -> {keeper, fds}
    after
      @patience -> raise "there is no lab"
    end
  end

  @doc "What becomes of a link between namespaces of two port programs, by how the request is sent."
  def link_between_programs do
    [{:ok, near}, {:ok, far}] =
      for _time <- 1..2 do
        {:ok, server} = Port.start_link(name: nil)
        Port.new_netns(server: server)
      end

    with_route(near, fn route ->
      %{
        plain: Rtnetlink.create_veth(route, "plain", "plain", far.fd),
        addressed: Rtnetlink.create_veth(route, "addressed", "addressed", far.fd, &to_kernel/2)
      }
    end)
  end

  defp to_kernel(socket, bytes),
    do: :socket.sendto(socket, bytes, %{family: 16, addr: <<0::80>>})

  @doc "Makes namespaces until there can be no more. How many there were, and the error's message."
  def make_all(made \\ 0) do
    case Port.new_netns() do
      {:ok, _netns} -> make_all(made + 1)
      {:error, error} -> {made, Exception.message(error)}
    end
  end

  defp with_route(netns, use) do
    {:ok, route} = Port.open(netns, :route)
    result = use.(route)
    :ok = :socket.close(route)
    result
  end
end
