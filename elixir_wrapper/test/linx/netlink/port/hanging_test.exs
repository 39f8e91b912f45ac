defmodule Linx.Netlink.Port.HangingTest do
  @moduledoc "Namespace files that hang, as those of a dead file server do."

  use Linx.Netlink.Port.Test.Case

  import ExUnit.CaptureLog

  alias Linx.Netlink.Port
  alias Linx.Netlink.Port.{Call, Descriptor, Error, Lane, Wire}
  alias Linx.Netlink.Port.Descriptor.Closer

  @timeout 60_000

  # It may take longer than a test may.
  setup_all do
    %{hanging_netns: Hanging.build()}
  end

  setup do
    %{namespace: Namespace.create(), hanging: Hanging.mount(Fixture.directory())}
  end

  defp hang(count, server, hanging) do
    callers =
      for number <- 1..count do
        path = Hanging.path(hanging, number)
        spawn_caller(fn -> Port.open(path, :route, server: server, timeout: @timeout) end)
      end

    await_in_flight(server, count)
    Hanging.await_threads(os_pid(server), count)
    callers
  end

  # A thread that has answered may not have put that down yet.
  defp await_program_in_flight(server, count) do
    eventually("the port program has #{count} in flight", fn ->
      info(server).program.requests.in_flight == count
    end)
  end

  test "callers get past the server while a request hangs that nobody waits for", context do
    server = start_server()
    path = Hanging.path(context.hanging, 1)

    assert {:error, %Error{errno: :etimedout}} =
             Port.open(path, :route, server: server, timeout: 100)

    {:ok, command} = Wire.open(context.namespace.path, 0, %{})

    eventually("one gets past it", fn ->
      case Lane.request(server, :one, command) do
        {:ok, fd, id, closer} ->
          Closer.claimed(closer, id)
          Descriptor.close(fd) == :ok

        {:late, _lane, flight} ->
          request = {:one, command, Call.time(nil)}
          {:ok, fd, id, closer} = GenServer.call(server, {:handed_over, flight, request})
          Closer.claimed(closer, id)
          Descriptor.close(fd) != :ok

        # It still asks whether the port program answers at all.
        :closed ->
          info(server) && false
      end
    end)

    Hanging.release(context.hanging)
  end

  test "200 requests stuck hold up nobody else, and are answered when it lets them go", context do
    server = start_server()
    callers = hang(200, server, context.hanging)
    before = Descriptors.count_both(server)

    for _number <- 1..1_000 do
      {:ok, socket} = Port.open(context.namespace.path, :route, server: server)
      :ok = :socket.close(socket)
    end

    {:ok, socket} = Port.open(context.namespace.path, :route, server: server)
    Namespace.assert_inside(socket, context.namespace)
    :ok = :socket.close(socket)
    Descriptors.await_both(server, before)

    await_program_in_flight(server, 200)
    Hanging.release(context.hanging)

    for result <- results(callers) do
      assert {:error, %Error{stage: :open, errno: errno}} = result
      # Those that came late to the lookup find the mount dead, or gone.
      assert errno in [:econnaborted, :enotconn, :enoent]
    end

    await_program_in_flight(server, 0)
    assert %{server: %{starts: 1}} = info(server)
  end

  test "what is open already is opened in at once, also in a call that asks for a file that hangs",
       context do
    server = start_server()
    {:ok, netns} = Port.open_netns(context.namespace.path, server: server)
    [caller] = hang(1, server, context.hanging)
    hanging = Hanging.path(context.hanging, 1)
    test = self()

    many =
      spawn_caller(fn ->
        entries = [
          {hanging, :route},
          {netns, :route},
          {:host, :route},
          {netns, {:inet, :dgram, :udp}}
        ]

        {:ok, results} = Port.open_many(entries, server: server, timeout: 2_000)
        for {:ok, socket} <- results, do: send(test, {:in, Namespace.cookie(socket)})
        {:error, %Error{errno: errno}} = hd(results)
        errno
      end)

    {:ok, socket} = Port.open(netns, :route, server: server)
    Namespace.assert_inside(socket, context.namespace)
    cookie = Namespace.cookie(socket)
    :ok = :socket.close(socket)
    assert results([many]) == [:etimedout]
    here = Namespace.host_cookie()
    for expected <- [cookie, here, cookie], do: assert_received({:in, ^expected})
    Hanging.release(context.hanging)
    assert [{:error, %Error{stage: :open}}] = results([caller])
    :ok = Port.close_netns(netns)
  end

  test "the time of a call begins when it is made, be it its own or the server's", context do
    server = start_server(timeout: @timeout)
    {:ok, command} = Wire.open(Hanging.path(context.hanging), 0, %{})
    {asked_at, nil} = Call.time(nil)
    long_ago = asked_at - 30_000

    for timeout <- [nil, 40_000],
        do: spawn_caller(fn -> Call.request(server, :one, command, {long_ago, timeout}) end)

    await_in_flight(server, 2)
    deadlines = for {_id, it} <- :sys.get_state(server).requests.table, do: it.deadline
    assert Enum.sort(deadlines) == [long_ago + 40_000, long_ago + @timeout]
    Hanging.release(context.hanging)
  end

  test "a file that begins to hang holds up nobody else, and a few threads at most", context do
    server = start_server()
    directory = Fixture.directory()
    turning = Path.join(directory, "turning")
    File.ln_s!(context.namespace.path, turning)
    paths = [turning | for(_number <- 1..3, do: Namespace.create().path)]
    open = fn path -> Port.open(path, :route, server: server, timeout: @timeout) end
    # Callers who ask for what is opened quickly share requests from here on.
    for path <- paths, do: assert({:ok, _socket} = open.(path))

    hung = Path.join(directory, "hung")
    File.ln_s!(Hanging.path(context.hanging), hung)
    File.rename!(hung, turning)
    stuck = for _number <- 1..4, do: spawn_caller(fn -> open.(turning) end)

    others =
      for first <- 0..15 do
        spawn_caller(fn ->
          for number <- 1..50, path = Enum.at(tl(paths), rem(first + number, 3)), uniq: true do
            with {:ok, socket} <- open.(path), do: :socket.close(socket)
          end
        end)
      end

    assert Enum.all?(results(others), &(&1 == [:ok]))
    assert %{server: %{in_flight: 4}} = info(server)

    eventually("they hold up three threads at most", fn ->
      info(server).program.requests.in_flight in 1..3
    end)

    Hanging.release(context.hanging)
    assert Enum.all?(results(stuck), &match?({:error, %Error{stage: :open}}, &1))
    File.rm!(turning)
    File.ln_s!(context.namespace.path, turning)
    {:ok, socket} = open.(turning)
    Namespace.assert_inside(socket, context.namespace)
  end

  test "a request that is stuck times out, and the port program is not blamed for it", context do
    server = start_server()
    os_pid = os_pid(server)
    stuck = [server: server, timeout: 100]

    log =
      capture_log(fn ->
        for _number <- 1..3 do
          path = Hanging.path(context.hanging)
          {time, result} = timed(fn -> Port.open(path, :route, stuck) end)
          assert {:error, %Error{stage: :port, errno: :etimedout}} = result
          # The server's own time is 5,000.
          assert time in 99..4_500
          # The port program has been asked whether it is still there, which comes before this.
          assert %{program: %{os_pid: ^os_pid}} = info(server)
          assert :sys.get_state(server).health.probe == nil
        end
      end)

    assert log == ""
    assert %{server: %{starts: 1}} = info(server)
  end

  test "above the limit, requests are refused at once with EAGAIN", context do
    server = start_server()
    limit = info(server).program.max_in_flight
    callers = hang(limit, server, context.hanging)

    for _number <- 1..100 do
      {time, result} =
        timed(fn ->
          Port.open(context.namespace.path, :route, server: server, timeout: @timeout)
        end)

      assert {:error, %Error{stage: :thread, errno: :eagain}} = result
      assert time < div(@timeout, 2)
    end

    Hanging.release(context.hanging)
    results(callers)
    {:ok, socket} = Port.open(context.namespace.path, :route, server: server)
    Namespace.assert_inside(socket, context.namespace)
  end

  test "a port program that is killed while requests are stuck is replaced", context do
    server = start_server()
    callers = hang(20, server, context.hanging)
    server |> os_pid() |> strike(:KILL)
    # They have been sent once more, to the next one.
    Hanging.await_threads(os_pid(server), 20)
    {:ok, socket} = Port.open(context.namespace.path, :route, server: server)
    Namespace.assert_inside(socket, context.namespace)
    Hanging.release(context.hanging)
    assert Enum.all?(results(callers), &match?({:error, %Error{stage: :open}}, &1))
  end
end
