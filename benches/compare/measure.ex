defmodule Bench.Measure do
  @moduledoc """
  Turns: each measures one thing some times, as a block, and is followed by the turn of another.

  Inside the timer is the open and nothing else. The opens of a block follow each other at once, or
  after a pause; then each socket is checked and closed.
  """

  alias Bench.{Nif, Outside, Way}
  alias Linx.Netlink.Port

  @unmeasured 3

  @typedoc "Nanoseconds of each call; of processor time for one of them, where that was measured."
  @type block() :: %{nanoseconds: [number()], processor: number() | nil}

  @doc """
  Runs the turns so often, one after the other and then in the opposite order: the blocks of each, by
  name. Each round is told before it begins.
  """
  @spec in_turns(pos_integer(), [{name, (integer() -> block())}], (pos_integer() -> any())) ::
          %{name => [block()]}
        when name: term()
  def in_turns(rounds, turns, tell) do
    # The first time, files are read, code is loaded, threads are started.
    for {_name, turn} <- turns, do: turn.(0)

    1..rounds
    |> Enum.flat_map(fn round ->
      tell.(round)
      for {name, turn} <- in_order(turns, round), do: {name, turn.(round)}
    end)
    |> Enum.group_by(&elem(&1, 0), &elem(&1, 1))
  end

  defp in_order(turns, round), do: if(rem(round, 2) == 1, do: turns, else: Enum.reverse(turns))

  @doc "One caller, with a pause of so many milliseconds before each call."
  def one(way, pause, count, netnses) do
    fn round ->
      before = Nif.descriptors()
      # What was measured before has left its traces in the caches, and threads asleep.
      targets = targets(netnses, round, if(round == 0, do: 1, else: count) + @unmeasured)
      {first, targets} = Enum.split(targets, @unmeasured)
      unmeasured = for netns <- first, do: call(way, pause, netns)

      start = processor_time(way)
      measured = for netns <- targets, do: call(way, pause, netns)
      Way.settle(before + way.keeps * (length(targets) + @unmeasured))
      processor = (processor_time(way) - start) / length(targets)

      opened = for {netns, _taken, result} <- unmeasured ++ measured, do: {netns, result}
      close_all(way, opened, before)
      %{nanoseconds: for({_netns, taken, _result} <- measured, do: taken), processor: processor}
    end
  end

  defp call(way, pause, netns) do
    wait(pause)
    {taken, result} = timed(fn -> way.open.(netns.path) end)
    {netns, taken, result}
  end

  defp wait(0), do: :ok
  defp wait(milliseconds), do: Process.sleep(milliseconds)

  # Of the BEAM, and of the process that works for it.
  defp processor_time(%{os_pid: nil}), do: beam_time()
  defp processor_time(%{os_pid: os_pid}), do: beam_time() + Nif.processor_time(os_pid)
  defp beam_time, do: System.pid() |> String.to_integer() |> Nif.processor_time()

  @doc "Sockets in one namespace, by one request: the time for all of them."
  def many(size, netnses) do
    fn round ->
      before = Nif.descriptors()
      targets = same_target(netnses, round, size)
      {taken, {:ok, results}} = timed(fn -> open_many(targets) end)
      close_all(Way.open(), Enum.zip(targets, results), before)
      %{nanoseconds: [taken], processor: nil}
    end
  end

  @doc "Sockets in one namespace, one after the other: the time for all of them."
  def loop(way, size, netnses) do
    fn round ->
      before = Nif.descriptors()
      targets = same_target(netnses, round, size)
      {taken, results} = timed(fn -> open_each(way, targets) end)
      close_all(way, Enum.zip(targets, results), before)
      %{nanoseconds: [taken], processor: nil}
    end
  end

  @doc "The same two, until everything is closed again that was open for it."
  def many_closed(size, netnses) do
    closed(size, netnses, fn targets ->
      {:ok, results} = open_many(targets)
      results
    end)
  end

  def loop_closed(way, size, netnses), do: closed(size, netnses, &open_each(way, &1))

  defp closed(size, netnses, open) do
    fn round ->
      before = Nif.descriptors()
      targets = same_target(netnses, round, size)

      {taken, :ok} =
        timed(fn ->
          targets |> open.() |> Enum.each(fn {:ok, socket} -> :ok = :socket.close(socket) end)
          Way.settle(before)
        end)

      %{nanoseconds: [taken], processor: nil}
    end
  end

  defp open_many(targets), do: targets |> Enum.map(&{&1.path, 0}) |> Port.open_many()
  defp open_each(way, targets), do: for(netns <- targets, do: way.open.(netns.path))

  @doc "Callers at the same time: from the first open to the last, for `total` opens."
  def callers(way, callers, total, netnses) do
    fn round ->
      before = Nif.descriptors()
      shares = netnses |> targets(round, total) |> Enum.chunk_every(div(total, callers))
      pids = Enum.map(shares, &start_caller(way, &1))
      {taken, opened} = timed(fn -> pids |> go() |> Enum.map(&await_caller/1) end)
      Enum.each(pids, &finish_caller/1)
      Way.settle(before)
      true = Enum.sum(opened) == total
      %{nanoseconds: [taken], processor: nil}
    end
  end

  @doc "What a program outside measures."
  def outside(port, command) do
    fn _round -> %{nanoseconds: Outside.ask(port, command), processor: nil} end
  end

  # A namespace is not asked twice in a row, where there are several.
  defp targets(netnses, round, count) do
    netnses |> Stream.cycle() |> Stream.drop(rem(round, length(netnses))) |> Enum.take(count)
  end

  defp same_target(netnses, round, size) do
    netnses |> Enum.at(rem(round, length(netnses))) |> List.duplicate(size)
  end

  defp close_all(way, opened, before) do
    Way.check_and_close(way, opened)
    Way.settle(before)
  end

  defp timed(fun) do
    start = :erlang.monotonic_time(:nanosecond)
    result = fun.()
    {:erlang.monotonic_time(:nanosecond) - start, result}
  end

  # A socket is closed with its owner, so the callers live until their sockets have been checked.
  defp start_caller(way, targets) do
    bench = self()

    spawn_link(fn ->
      receive do: (:go -> :ok)
      opened = for netns <- targets, do: {netns, way.open.(netns.path)}
      send(bench, {:opened, self(), length(opened)})
      receive do: (:finish -> :ok)
      Way.check_and_close(way, opened)
      send(bench, {:finished, self()})
    end)
  end

  defp go(pids), do: Enum.each(pids, &send(&1, :go)) && pids

  defp await_caller(pid) do
    receive do: ({:opened, ^pid, count} -> count)
  end

  defp finish_caller(pid) do
    send(pid, :finish)
    receive do: ({:finished, ^pid} -> :ok)
  end
end
