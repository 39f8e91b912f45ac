defmodule Linx.Netlink.Port.Test.Soak.Caller do
  @moduledoc "Opens sockets at random, in all ways that there are, and looks closely at what it gets."

  import Linx.Netlink.Port.Test.Helpers

  alias Linx.Netlink.Port
  alias Linx.Netlink.Port.Error
  alias Linx.Netlink.Port.Test.Rtnetlink
  alias Linx.Netlink.Port.Test.Soak.{Tally, World}
  alias Linx.Netlink.Port.Native

  # What a busy machine may take to wake a caller.
  @grace 3_000
  @most_held 8

  # What may happen to anybody when things die. The drop-in says as the NIF does that the BEAM has no descriptor
  # left: `{:socket, 24}`.
  @faults [port: :epipe, port: :etimedout, port: :emfile, socket: :emfile, thread: :eagain]

  @doc "Goes on until the world is over. The sockets that it holds then are closed with it."
  def run(world, number) do
    World.seed(world, number)
    loop(world, [])
  end

  defp loop(world, held) do
    if World.over?(world) do
      Enum.each(held, &check/1)
      Tally.count(:ended_well)
    else
      loop(world, act(:rand.uniform(100), world, held))
    end
  end

  defp act(dice, world, held) when dice <= 45, do: open(world, [], held)
  defp act(dice, world, held) when dice <= 55, do: open(world, options(), held)
  defp act(dice, world, held) when dice <= 65, do: open_many(world, held)
  defp act(dice, world, held) when dice <= 73, do: drop_in(world, held)
  defp act(dice, _world, held) when dice <= 81, do: ask_for_nonsense(held)
  defp act(dice, world, held) when dice <= 87, do: hurry(world, held)
  defp act(dice, world, held) when dice <= 93, do: die(world, held)
  defp act(dice, _world, held) when dice <= 95, do: ask(held)
  defp act(dice, world, held) when dice <= 97, do: hang(world, held)
  defp act(_dice, _world, []), do: []

  defp act(_dice, _world, [{socket, namespace} | held]) do
    if namespace.bridge not in Map.keys(Rtnetlink.links(socket)),
      do: Tally.broken("a socket shows another namespace")

    :ok = :socket.close(socket)
    held
  end

  defp open(world, options, held) do
    namespace = World.random_namespace(world)
    timeout = 500 + :rand.uniform(1_500)
    options = [timeout: timeout] ++ options

    case call(timeout, fn -> Port.open(namespace.path, :route, options) end, []) do
      {:ok, socket} -> hold(socket, namespace, held)
      {:error, _fault} -> held
    end
  end

  defp options do
    Enum.take_random([ext_ack: true, strict_check: true, groups: 1, rcvbuf: 100_000], 2)
  end

  defp open_many(world, held) do
    namespaces = for _number <- 1..:rand.uniform(24), do: World.random_namespace(world)
    entries = Enum.map(namespaces, &{&1.path, :route}) ++ [{"/there/is/none", :route}]

    {:ok, results} = call(2_000, fn -> Port.open_many(entries, timeout: 2_000) end, [])
    {results, [nonsense]} = Enum.split(results, -1)
    expect(nonsense, open: :enoent)

    for {result, namespace} <- Enum.zip(results, namespaces) do
      with {:ok, socket} <- expect(result, []) do
        check({socket, namespace})
        :ok = :socket.close(socket)
      end
    end

    held
  end

  defp drop_in(world, held) do
    namespace = World.random_namespace(world)

    case call(timeout(), fn -> native(namespace.path) end, []) do
      {:ok, fd} -> adopt(fd, namespace, held)
      {:error, _fault} -> held
    end
  end

  defp adopt(fd, namespace, held) do
    # No descriptor may be left for the duplicate.
    with :ok <- Native.bind_netlink(fd, 0),
         {:ok, socket} <- :socket.open(fd) do
      :ok = Native.close_fd(fd)
      hold(socket, namespace, held)
    else
      {:error, _no_descriptor} ->
        :ok = Native.close_fd(fd)
        held
    end
  end

  defp native(path) do
    with {:error, {stage, code}} <- Native.open_in_netns(path, 0),
         do: {:error, Error.new(stage, code)}
  end

  defp ask_for_nonsense(held) do
    {path, protocol, error} =
      Enum.random([
        {"/there/is/none", 0, {:open, :enoent}},
        {"/etc/passwd", 0, {:setns, :einval}},
        {"/proc/self/ns/net", 99, {:socket, :eprotonosupport}}
      ])

    {:error, _} = call(1_000, fn -> Port.open(path, protocol, timeout: 1_000) end, [error])
    held
  end

  # Some are quick enough.
  defp hurry(world, held) do
    namespace = World.random_namespace(world)
    timeout = :rand.uniform(4)

    case call(timeout, fn -> Port.open(namespace.path, :route, timeout: timeout) end, []) do
      {:ok, socket} -> hold(socket, namespace, held)
      {:error, _late} -> held
    end
  end

  # Somebody who doesn't live to see the answer.
  defp die(world, held) do
    namespace = World.random_namespace(world)
    {pid, monitor} = spawn_monitor(fn -> Port.open(namespace.path, :route) end)
    for _number <- 1..:rand.uniform(200), do: :erlang.yield()
    Process.exit(pid, :kill)
    receive do: ({:DOWN, ^monitor, :process, ^pid, _reason} -> Tally.count(:dead_callers))
    held
  end

  defp ask(held) do
    call(timeout(), fn -> Port.info() end, [])
    held
  end

  # When all is calm, those who are stuck would never come free.
  defp hang(world, held) do
    unless World.calm?(world) do
      timeout = 50 + :rand.uniform(200)
      path = World.hanging_path(world)
      gone = [open: :enoent, open: :econnaborted, open: :enotconn]
      call(timeout, fn -> Port.open(path, :route, timeout: timeout) end, gone)
    end

    held
  end

  defp timeout, do: Application.fetch_env!(:linx_netlink_port, :timeout)

  # Whatever it is, it must be in time, and an answer to this question.
  defp call(timeout, fun, errors) do
    {time, result} = timed(fun)
    if time > timeout + @grace, do: Tally.broken("a call took #{time} ms, and had #{timeout}")
    expect(result, errors)
  end

  defp expect({:ok, _opened} = result, _errors) do
    Tally.count(:calls)
    result
  end

  defp expect({:error, %Error{stage: stage, errno: errno}} = result, errors) do
    Tally.count(:calls)
    Tally.count({:error, {stage, errno}})

    unless {stage, errno} in @faults or {stage, errno} in errors do
      Tally.broken("#{stage} #{errno} where that can't be")
    end

    result
  end

  defp hold(socket, namespace, held) do
    check({socket, namespace})
    {held, closed} = Enum.split([{socket, namespace} | held], @most_held)

    for held <- closed do
      check(held)
      {socket, _namespace} = held
      :ok = :socket.close(socket)
    end

    held
  end

  defp check({socket, namespace}) do
    Tally.count(:checked)

    case :socket.getopt_native(socket, {1, 71}, 8) do
      {:ok, <<cookie::native-64>>} -> check_cookie(cookie, namespace)
      error -> Tally.broken("a socket is of no use: #{inspect(error)}")
    end
  end

  # A namespace has the number that its first socket tells.
  defp check_cookie(cookie, namespace) do
    key = {:cookie, namespace.name}

    case Tally.once(key, cookie) do
      ^cookie -> :ok
      _other -> Tally.broken("a socket is in the wrong namespace")
    end
  end
end
