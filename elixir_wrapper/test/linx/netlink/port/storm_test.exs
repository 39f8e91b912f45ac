defmodule Linx.Netlink.Port.StormTest do
  @moduledoc "The port program dies again and again, while everybody wants something of it."

  use Linx.Netlink.Port.Test.Case

  alias Linx.Netlink.Port
  alias Linx.Netlink.Port.Error

  @patience 20_000
  @timeout 200
  # What a busy machine may take to wake a caller.
  @grace 20_000

  # A stop costs its callers their deadline, and then the probe its own.
  @round [:STOP] ++ List.duplicate(:KILL, 10) ++ List.duplicate(:SEGV, 9)
  @rounds 10

  setup do
    %{namespace: Namespace.create()}
  end

  test "200 deaths under 64 callers: each call has its answer in time, and nothing is lost",
       context do
    server = start_server(timeout: @timeout)
    pid = Process.whereis(server)
    old = for _number <- 1..8, do: open!(server, context.namespace)
    cookie = old |> hd() |> Namespace.cookie()
    {:ok, _info} = Port.info(server)
    Descriptors.settle(server)
    before = Descriptors.count()

    test = self()
    goal = fn -> caller(server, context.namespace, cookie, test, %{slowest: 0}) end
    callers = for _number <- 1..64, do: spawn_caller(goal)

    for signals <- List.duplicate(@round, @rounds) do
      for signal <- Enum.shuffle(signals), do: serve_and_strike(server, signal)
      # At whatever there is now, which is likely to be starting.
      with %{program: %{process: %{pid: os_pid}}} <- :sys.get_state(server),
           do: strike(os_pid, :KILL)

      Namespace.assert_inside(Enum.random(old), context.namespace)
    end

    for {caller, _monitor} <- callers, do: send(caller, :enough)
    outcomes = results(callers)
    flush()

    for outcome <- outcomes do
      assert outcome.slowest <= @timeout + @grace
      assert outcome.ok > 0
      assert Enum.sort(Map.keys(outcome) -- [:slowest, :ok, :epipe, :etimedout]) == []
    end

    assert Process.whereis(server) == pid
    # Now and then a strike meets one that is dying already.
    assert :sys.get_state(server).starts > 0.9 * length(@round) * @rounds
    for socket <- old, do: Namespace.assert_inside(socket, context.namespace)
    server |> open!(context.namespace) |> :socket.close()
    Descriptors.settle(server)
    Descriptors.await(before)
  end

  # Once some have been served by the port program that there is now.
  defp serve_and_strike(server, signal) do
    flush()
    for _number <- 1..64, do: assert_receive(:opened, @patience)

    case :sys.get_state(server) do
      %{program: %{process: %{pid: os_pid}}} -> strike(os_pid, signal)
      _it_just_died_of_its_stop -> serve_and_strike(server, signal)
    end
  end

  defp caller(server, namespace, cookie, test, outcomes) do
    receive do
      :enough -> outcomes
    after
      0 ->
        {time, result} = timed(fn -> Port.open(namespace.path, :route, server: server) end)
        outcome = outcome(result, cookie, test)
        outcomes = Map.update(outcomes, outcome, 1, &(&1 + 1))

        caller(server, namespace, cookie, test, %{outcomes | slowest: max(outcomes.slowest, time)})
    end
  end

  defp outcome({:ok, socket}, cookie, test) do
    assert Namespace.cookie(socket) == cookie
    :ok = :socket.close(socket)
    send(test, :opened)
    :ok
  end

  defp outcome({:error, %Error{stage: :port, errno: errno}}, _cookie, _test), do: errno

  defp flush do
    receive do
      :opened -> flush()
    after
      0 -> :ok
    end
  end

  defp open!(server, namespace) do
    {:ok, socket} = Port.open(namespace.path, :route, server: server, timeout: @patience)
    socket
  end

  # Only SIGKILL is sure to come before the port program reads on.
  for {signal, served} <- [KILL: [1], SEGV: [0, 1]] do
    test "a request in flight when the port program gets a SIG#{signal} is sent to the next one",
         context do
      {server, os_pid} = start_stopped_server()
      callers = start_waiting_callers(1, server, context.namespace)
      # A signal that isn't SIGKILL acts when the process goes on.
      signal(os_pid, unquote(signal))
      strike(os_pid, :CONT)
      assert [:ok] = results(callers)
      assert %{program: program, server: %{starts: 2}} = info(server)
      assert program.requests.ok in unquote(served)
    end
  end
end
