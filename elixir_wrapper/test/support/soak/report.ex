defmodule Linx.Netlink.Port.Test.Soak.Report do
  @moduledoc "What both processes hold, and what came of it all."

  import Linx.Netlink.Port.Test.Helpers

  alias Linx.Netlink.Port.Test.{Descriptors, Soak.Tally}

  # What a process may grow by. The BEAM and the C library keep some of what they once had.
  @beam_growth 32 * 1024
  @program_growth 8 * 1024

  @doc "What there is, once everything is done that has to be done."
  def measure do
    Descriptors.settle()
    os_pid = os_pid(Linx.Netlink.Port)
    Enum.each(Process.list(), &:erlang.garbage_collect/1)

    %{
      descriptors: Descriptors.count(),
      memory: resident("self"),
      processes: length(Process.list()),
      programs: length(port_programs()),
      program_descriptors: Descriptors.count(os_pid),
      program_memory: resident(os_pid)
    }
  end

  @doc "Waits until both have as many descriptors as at the start, and notes what they have too many."
  def compare(start) do
    os_pid = os_pid(Linx.Netlink.Port)
    leaks("the BEAM", fn -> Descriptors.await(start.descriptors) end)
    leaks("the port program", fn -> Descriptors.await(os_pid, start.program_descriptors) end)
    leaks("the BEAM", fn -> eventually("others end", fn -> all_ended?(start) end) end)
    finish = measure()

    if finish.memory > start.memory + @beam_growth, do: Tally.broken("the BEAM has grown")

    if finish.program_memory > start.program_memory + @program_growth,
      do: Tally.broken("the port program has grown")

    finish
  end

  defp all_ended?(start) do
    length(Process.list()) <= start.processes and length(port_programs()) <= start.programs
  end

  defp leaks(who, fun) do
    fun.()
  rescue
    error -> Tally.broken("#{who} leaks: #{Exception.message(error)}")
  end

  @doc "The table at the end."
  def print(start, finish) do
    IO.puts("")
    row("calls", Tally.of(:calls))
    row("sockets looked at", Tally.of(:checked))
    row("callers killed", Tally.of(:dead_callers))
    row("port programs started", Tally.of(:starts))
    IO.puts("\nfaults")
    for {name, count} <- Tally.all(:fault), do: row("  " <> name, count)
    IO.puts("\nerrors")
    for {{stage, errno}, count} <- Tally.all(:error), do: row("  #{stage} #{errno}", count)

    with [_time | _times] = times <- Tally.kept(:outlived) do
      row("\nport program outlived its BEAM", "at least", "at most")
      row("  by, in ms", div(Enum.min(times), 1_000), div(Enum.max(times), 1_000))
    end

    row("\nat the start and at the end", "start", "end")
    row("  BEAM: descriptors", start.descriptors, finish.descriptors)
    row("  BEAM: memory, KiB", start.memory, finish.memory)
    row("  BEAM: processes", start.processes, finish.processes)
    row("  port programs", start.programs, finish.programs)
    row("  port program: descriptors", start.program_descriptors, finish.program_descriptors)
    row("  port program: memory, KiB", start.program_memory, finish.program_memory)
    IO.puts("")
  end

  defp row(name, first, second \\ "") do
    [name, first, second]
    |> Enum.zip_with([30, -12, -12], &pad("#{&1}", &2))
    |> Enum.join()
    |> String.trim_trailing()
    |> IO.puts()
  end

  defp pad(text, width) when width < 0, do: String.pad_leading(text, -width)
  defp pad(text, width), do: String.pad_trailing(text, width)

  defp resident(os_pid) do
    status = File.read!("/proc/#{os_pid}/status")
    [_line, kilobytes] = Regex.run(~r/^VmRSS:\s*(\d+) kB$/m, status)
    String.to_integer(kilobytes)
  end
end
