defmodule Bench.Measure do
  @moduledoc """
  Turns: each measures one thing some times, and is followed by the turn of another.

  Inside the timer is the open and nothing else. The opens of a turn follow each other at once; then
  each socket is checked and closed.
  """

  alias Bench.{Outside, Way}
  alias Linx.Netlink.Port

  @doc "Runs the turns of each round one after the other: their numbers by name, of all rounds."
  def in_turns(rounds, turns) do
    # The first time, files are read, code is loaded, threads are started.
    for {_name, turn} <- turns, do: turn.(0)

    1..rounds
    |> Enum.flat_map(fn round -> for {name, turn} <- turns, do: {name, turn.(round)} end)
    |> Enum.group_by(&elem(&1, 0), &elem(&1, 1))
    |> Map.new(fn {name, numbers} -> {name, List.flatten(numbers)} end)
  end

  @doc "One caller: nanoseconds of each open."
  def one(way, count, netnses) do
    fn round ->
      targets = targets(netnses, round, count)
      measured = for netns <- targets, do: timed(fn -> way.open.(netns.path) end)
      Way.check_and_close(way, Enum.zip(targets, Enum.map(measured, &elem(&1, 1))))
      Enum.map(measured, &elem(&1, 0))
    end
  end

  @doc "Sockets in one namespace, by one request: nanoseconds for all of them."
  def many(size, netnses) do
    fn round ->
      targets = same_target(netnses, round, size)
      entries = Enum.map(targets, &{&1.path, 0})
      {nanoseconds, {:ok, results}} = timed(fn -> Port.open_many(entries) end)
      Way.check_and_close(Way.port(), Enum.zip(targets, results))
      nanoseconds
    end
  end

  @doc """
  The same, until the server has closed the descriptors that the sockets are duplicates of. It is
  nothing that a caller waits for, but somebody has to do it.
  """
  def many_settled(size, netnses) do
    fn round ->
      targets = same_target(netnses, round, size)
      entries = Enum.map(targets, &{&1.path, 0})

      {nanoseconds, {:ok, results}} =
        timed(fn ->
          opened = Port.open_many(entries)
          Way.settle()
          opened
        end)

      Way.check_and_close(Way.port(), Enum.zip(targets, results))
      nanoseconds
    end
  end

  @doc "Sockets in one namespace, one after the other: nanoseconds for all of them."
  def loop(way, size, netnses) do
    fn round ->
      targets = same_target(netnses, round, size)
      {nanoseconds, results} = timed(fn -> for netns <- targets, do: way.open.(netns.path) end)
      Way.check_and_close(way, Enum.zip(targets, results))
      nanoseconds
    end
  end

  @doc "Callers at the same time: nanoseconds from the first open to the last, for `total` opens."
  def callers(way, callers, total, netnses) do
    fn round ->
      shares = netnses |> targets(round, total) |> Enum.chunk_every(div(total, callers))
      pids = Enum.map(shares, &start_caller(way, &1))
      {nanoseconds, opened} = timed(fn -> pids |> go() |> Enum.map(&await_caller/1) end)
      Enum.each(pids, &finish_caller/1)
      true = Enum.sum(opened) == total
      nanoseconds
    end
  end

  @doc "What a program outside measures."
  def outside(port, command), do: fn _round -> Outside.ask(port, command) end

  # A namespace is not asked twice in a row, where there are several.
  defp targets(netnses, round, count) do
    netnses |> Stream.cycle() |> Stream.drop(rem(round, length(netnses))) |> Enum.take(count)
  end

  defp same_target(netnses, round, size) do
    netnses |> Enum.at(rem(round, length(netnses))) |> List.duplicate(size)
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
