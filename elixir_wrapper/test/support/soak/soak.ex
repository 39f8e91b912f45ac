defmodule Linx.Netlink.Port.Test.Soak do
  @moduledoc """
  Opens sockets at random while everything that can go wrong does, at random, and then looks at what is
  left. `script/soak` runs it.

  In the last fifth of the time all is calm, so that a port program lives long enough to show what it
  leaks, and everybody has to be served again.
  """

  import Linx.Netlink.Port.Test.Helpers

  alias Linx.Netlink.Port
  alias Linx.Netlink.Port.Test.Soak.{Caller, Chaos, Report, Tally, World}

  @callers 32
  @usage "usage: script/soak [MINUTES] [--seconds SECONDS] [--seed SEED]"

  @doc "Runs it, and ends the BEAM: with status 0 if all promises were kept."
  def main(args) do
    {seconds, seed} = options(args)

    IO.puts(
      "A soak of #{seconds} seconds; the same again: script/soak --seconds #{seconds} --seed #{seed}"
    )

    Logger.configure(level: :emergency)
    Application.put_env(:linx_netlink_port, :start, false)
    Application.put_env(:linx_netlink_port, :timeout, 1_500)
    {:ok, _apps} = Application.ensure_all_started(:linx_netlink_port)
    # A server that is killed again and again is no reason to give up.
    {:ok, _pid} = Supervisor.start_link([Port], strategy: :one_for_one, max_restarts: 1_000_000)
    Tally.start()
    soak(World.new(seed), seconds)
  end

  defp options(args) do
    case OptionParser.parse(args, strict: [seconds: :integer, seed: :integer]) do
      {options, [], []} -> {options[:seconds] || 60, options[:seed] || new_seed()}
      {options, [minutes], []} -> {60 * String.to_integer(minutes), options[:seed] || new_seed()}
      _other -> usage()
    end
  rescue
    ArgumentError -> usage()
  end

  defp usage do
    IO.puts(:stderr, @usage)
    System.halt(2)
  end

  defp new_seed, do: :rand.uniform(1_000_000)

  defp soak(world, seconds) do
    warm_up(world)
    start = Report.measure()
    begin = System.monotonic_time(:millisecond)
    chaos = spawn_monitor(fn -> Chaos.run(world) end)
    callers = for number <- 1..@callers, do: spawn_monitor(fn -> Caller.run(world, number) end)

    progress(begin, begin + seconds * 800, seconds)
    World.calm_down(world)
    await_end([chaos])
    # Whatever was stuck has been let go.
    progress(begin, begin + seconds * 1_000, seconds)
    World.finish(world)
    await_end(callers)
    finish = wind_up(start)

    World.remove(world)
    Report.print(start, finish)
    verdict(Tally.broken())
  end

  # What is loaded and allocated the first time.
  defp warm_up(world) do
    warm = %{world | flags: :atomics.new(2, [])}
    World.calm_down(warm)
    callers = for number <- 1..@callers, do: spawn_monitor(fn -> Caller.run(warm, number) end)
    eventually("some calls were made", fn -> Tally.of(:calls) > 5_000 end)
    World.finish(warm)
    await_end(callers)
  end

  # It may take a moment to heal: that all is well then is the first promise.
  defp wind_up(start) do
    await_in_flight(Port, 0)
    {:ok, info} = Port.info()
    Tally.count(:starts, info.server.starts)
    Report.compare(start)
  end

  defp await_end(processes) do
    for {pid, monitor} <- processes do
      receive do
        {:DOWN, ^monitor, :process, ^pid, :normal} ->
          :ok

        {:DOWN, ^monitor, :process, ^pid, reason} ->
          Tally.broken("somebody died: #{inspect(reason)}")
      end
    end
  end

  # A line every second for a person, every ten for a file.
  defp progress(begin, finish, seconds) do
    now = System.monotonic_time(:millisecond)

    if now < finish do
      say(div(now - begin, 1_000), seconds)

      receive do
      after
        min(1_000, finish - now) -> progress(begin, finish, seconds)
      end
    end
  end

  defp say(second, seconds) do
    faults = Enum.sum(for {_name, count} <- Tally.all(:fault), do: count)
    errors = Enum.sum(for {_name, count} <- Tally.all(:error), do: count)

    line =
      "#{second} of #{seconds} s: #{Tally.of(:calls)} calls, #{errors} errors, #{faults} faults, " <>
        "#{Tally.of(:broken)} promises broken"

    cond do
      terminal?() -> IO.write("\r" <> line <> "\e[K")
      rem(second, 10) == 0 -> IO.puts(line)
      true -> :ok
    end
  end

  defp terminal?, do: match?({:ok, _columns}, :io.columns())

  defp verdict([]) do
    IO.puts("Nothing is lost, and nothing is left.")
    System.halt(0)
  end

  defp verdict(broken) do
    IO.puts("#{Tally.of(:broken)} promises were broken:")
    for text <- broken, do: IO.puts("  " <> text)
    System.halt(1)
  end
end
