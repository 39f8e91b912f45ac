defmodule Linx.Netlink.Port.FaultTest do
  @moduledoc "What dies, hangs or gives up, in the middle of things."

  use Linx.Netlink.Port.Test.Case

  import ExUnit.CaptureLog

  alias Linx.Netlink.Port
  alias Linx.Netlink.Port.Error

  # In milliseconds, where each call may take seconds.
  @of_a_busy_machine 300_000
  @patience 20_000

  setup do
    %{namespace: Namespace.create()}
  end

  describe "when the port program is killed" do
    test "the next call starts another, and sockets opened before stay usable", context do
      server = start_server()
      {:ok, before} = Port.open(context.namespace.path, :route, server: server)
      os_pid = os_pid(server)
      log = capture_log(fn -> kill_program(server) end)
      assert [line] = log_lines(log)
      assert line =~ "status 137"
      assert line =~ Port.Program.Executable.default()

      assert open_inside(server, context.namespace) == :ok
      assert os_pid(server) != os_pid
      Namespace.assert_inside(before, context.namespace)
      assert {:ok, %{server: %{starts: 2}}} = Port.info(server)
    end

    test "requests in flight are sent once more", context do
      {server, os_pid} = start_stopped_server()
      callers = start_waiting_callers(16, server, context.namespace)
      signal(os_pid, :KILL)
      assert Enum.all?(results(callers), &(&1 == :ok))
      assert os_pid(server) != os_pid
    end
  end

  describe "when the port program is stopped" do
    test "for less than the deadline, calls only take longer", context do
      {server, os_pid} = start_stopped_server()
      callers = start_waiting_callers(8, server, context.namespace)
      signal(os_pid, :CONT)
      assert Enum.all?(results(callers), &(&1 == :ok))
      assert os_pid(server) == os_pid
    end

    test "for longer, calls time out in time, and it is ended and replaced", context do
      {server, os_pid} = start_stopped_server()

      log =
        capture_log(fn ->
          {time, result} =
            timed(fn ->
              Port.open(context.namespace.path, :route, server: server, timeout: 200)
            end)

          assert {:error, %Error{stage: :port, errno: :etimedout}} = result
          # The server's own time is 5,000.
          assert time in 195..4_500

          # This one is in flight when the first one's time is up. It gets its socket from the next one.
          assert open_inside(server, context.namespace) == :ok
        end)

      assert log =~ "does not answer any more"
      assert log =~ Port.Program.Executable.default()
      await_gone(os_pid)
      assert os_pid(server) != os_pid
    end

    test "until a deadline has passed, what comes late is closed, and it is kept", context do
      server = start_server()
      os_pid = os_pid(server)
      before = Descriptors.count()
      stop(os_pid)

      callers = start_callers(8, server, context.namespace, timeout: 50)
      assert Enum.all?(results(callers), &(&1 == {:error, :etimedout}))
      signal(os_pid, :CONT)
      assert os_pid(server) == os_pid
      Descriptors.await(before)
    end

    test "and its input is full, the server is not held up, and nothing is lost", context do
      {server, os_pid} = start_stopped_server()
      # Half a megabyte each: more than a pipe takes.
      path = String.duplicate("/", 2_000) <> context.namespace.path
      entries = List.duplicate({path, :route}, 253)

      callers =
        for _number <- 1..4 do
          spawn_caller(fn ->
            {:ok, results} = Port.open_many(entries, server: server, timeout: 15_000)
            for {:ok, socket} <- results, do: :socket.close(socket)
            length(results)
          end)
        end

      await_in_flight(server, 4)

      {time, result} =
        timed(fn -> Port.open(context.namespace.path, :route, server: server, timeout: 100) end)

      assert {:error, %Error{errno: :etimedout}} = result
      # The others have 15,000.
      assert time < 14_000
      signal(os_pid, :CONT)
      assert [253, 253, 253, 253] = results(callers)
      assert os_pid(server) == os_pid
    end
  end

  describe "when the port program is killed while large requests are written to it" do
    test "the log says that it ended, and the requests are sent once more", context do
      {server, os_pid} = start_stopped_server()
      # Half a megabyte each: more than a pipe takes.
      path = String.duplicate("/", 2_000) <> context.namespace.path
      entries = List.duplicate({path, :route}, 253)

      log =
        capture_log(fn ->
          callers =
            for _number <- 1..2 do
              spawn_caller(fn ->
                {:ok, results} = Port.open_many(entries, server: server, timeout: 15_000)
                for {:ok, socket} <- results, do: :socket.close(socket)
              end)
            end

          await_in_flight(server, 2)
          signal(os_pid, :KILL)
          for closed <- results(callers), do: assert(closed == List.duplicate(:ok, 253))
        end)

      assert [line] = log_lines(log)

      assert line =~
               ~r/status 137|ended, or closed its stdin, before it had read what was sent to it/

      assert line =~ "(2 requests in flight)"
    end

    test "one request in flight is told as one", context do
      {server, os_pid} = start_stopped_server()
      [caller] = start_waiting_callers(1, server, context.namespace)

      log =
        capture_log(fn ->
          signal(os_pid, :KILL)
          assert results([caller]) == [:ok]
        end)

      assert log =~ "(1 request in flight)"
    end
  end

  describe "when a caller dies" do
    test "with its request in flight, what was opened for it is closed", context do
      server = start_server()
      os_pid = os_pid(server)
      before = Descriptors.count_both(server)
      stop(os_pid)
      callers = start_waiting_callers(32, server, context.namespace)

      kill_all(callers)
      signal(os_pid, :CONT)
      await_in_flight(server, 0)
      Descriptors.await_both(server, before)
    end

    test "at any moment, 10,000 times, nothing is left", context do
      server = start_server()
      before = Descriptors.count_both(server)

      for _round <- 1..100 do
        callers =
          for number <- 1..100 do
            caller = {pid, _monitor} = spawn_monitor(fn -> open(server, context.namespace) end)
            # Spread over the time that a call takes.
            if rem(number, 4) == 0, do: :erlang.yield()
            Process.exit(pid, :kill)
            caller
          end

        for {pid, monitor} <- callers do
          assert_receive {:DOWN, ^monitor, :process, ^pid, _reason}, @patience
        end
      end

      await_in_flight(server, 0)
      Descriptors.await_both(server, before)
    end

    test "before its request was sent, nothing is opened for it", context do
      fifo = Path.join(Fixture.directory(), "go")
      {_output, 0} = System.cmd("mkfifo", [fifo])

      path =
        Fixture.script("read go < #{fifo}\nexec #{Port.Program.Executable.default()} \"$@\"\n")

      server = start_server(executable: path)
      callers = start_waiting_callers(8, server, context.namespace)
      kill_all(callers)
      File.write!(fifo, "go\n")
      assert %{program: %{requests: %{ok: 0, error: 0}}} = info(server)
    end

    test "with its descriptor on its way, that is closed", context do
      {server, os_pid} = start_stopped_server()
      callers = start_waiting_callers(8, server, context.namespace)
      # They don't get to say that they have it.
      for {pid, _monitor} <- callers, do: true = :erlang.suspend_process(pid)
      signal(os_pid, :CONT)
      await_in_flight(server, 0)
      assert Descriptors.settle(server) == 8
      kill_all(callers)
      eventually("nothing is watched", fn -> Descriptors.settle(server) == 0 end)
    end

    defp kill_all(callers) do
      for {pid, monitor} <- callers do
        Process.exit(pid, :kill)
        assert_receive {:DOWN, ^monitor, :process, ^pid, :killed}, @patience
      end
    end

    defp open(server, namespace) do
      Port.open(namespace.path, :route, server: server)
      open(server, namespace)
    end
  end

  describe "when a deadline passes" do
    @tag timeout: 2 * @of_a_busy_machine
    test "at any moment, 10,000 times, nothing is left", context do
      server = start_server()
      os_pid = os_pid(server)
      before = Descriptors.count_both(server)

      callers =
        for _number <- 1..100, do: spawn_caller(fn -> hurry(server, context.namespace) end)

      outcomes =
        callers
        |> results(@of_a_busy_machine)
        |> Enum.reduce(&Map.merge(&1, &2, fn _key, a, b -> a + b end))

      # Some were quick enough, and some not. Those who gave up count on, until they are answered.
      assert %{ok: ok, etimedout: late} = outcomes
      assert ok + late + Map.get(outcomes, :eagain, 0) == 10_000
      await_in_flight(server, 0)
      assert os_pid(server) == os_pid
      Descriptors.await_both(server, before)
    end

    defp hurry(server, namespace) do
      {outcomes, _timeout} = Enum.map_reduce(1..100, 1, &hurry(server, namespace, &1, &2))
      Enum.frequencies(outcomes)
    end

    # As little time as may just be enough.
    defp hurry(server, namespace, _number, timeout) do
      case Port.open(namespace.path, :route, server: server, timeout: timeout) do
        {:ok, socket} -> {:socket.close(socket), 1}
        {:error, %Error{errno: errno}} -> {errno, min(2 * timeout, 4_096)}
      end
    end
  end

  describe "when the server" do
    test "is killed, callers get an error, nothing is left, and its port program goes", context do
      {server, os_pid} = start_stopped_server()
      callers = start_waiting_callers(16, server, context.namespace)
      pid = Process.whereis(server)
      monitor = Process.monitor(pid)
      Process.exit(pid, :kill)
      assert_receive {:DOWN, ^monitor, :process, ^pid, :killed}, @patience
      assert Enum.all?(results(callers), &(&1 == {:error, :epipe}))
      # Although it doesn't see the end of its input.
      await_gone(os_pid)
    end

    test "is stopped, callers get an error, and nothing is left", context do
      {server, os_pid} = start_stopped_server()
      callers = start_waiting_callers(16, server, context.namespace)
      :ok = stop_supervised(server)
      assert Enum.all?(results(callers), &(&1 == {:error, :epipe}))
      # Although it doesn't see the end of its input.
      await_gone(os_pid)
    end
  end

  test "a port program at its limit refuses at once, and goes on", context do
    {server, os_pid} = start_stopped_server(args: ["--max-in-flight", "1"])
    callers = start_waiting_callers(64, server, context.namespace)
    signal(os_pid, :CONT)
    assert Enum.all?(results(callers), &(&1 in [:ok, {:error, :eagain}]))
    assert open_inside(server, context.namespace) == :ok
  end

  test "the ordinary is not worth a line in the log", context do
    log =
      capture_log(fn ->
        server = start_server()
        {:ok, _socket} = Port.open(context.namespace.path, :route, server: server)
        {:error, _none} = Port.open("/there/is/none", :route, server: server)
        {:error, _no_namespace} = Port.open("/etc/passwd", :route, server: server)
        {:error, _unknown} = Port.open(context.namespace.path, 99, server: server)
        {:ok, _results} = Port.open_many([{context.namespace.path, :route}], server: server)
        {:ok, _info} = Port.info(server)
        :ok = stop_supervised(server)
      end)

    assert log == ""
  end
end
