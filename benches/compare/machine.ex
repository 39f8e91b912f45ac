defmodule Bench.Machine do
  @moduledoc "On what was measured, with which versions, and what else the machine had to do."

  alias Bench.Outside

  # Until it is told to end, or the bench is gone. The shell would tell of the end of what it has started.
  @restless "exec 2>/dev/null; while :; do :; done & echo 1; read _end; kill $!; wait $!; exit 0"

  def describe do
    %{
      processor: processor(),
      schedulers: "#{System.schedulers_online()}",
      kernel: "Linux " <> read("/proc/sys/kernel/osrelease"),
      otp: System.otp_release(),
      elixir: System.version(),
      rust: version("rustc", ["--version"]),
      gcc: version("gcc", ["-dumpfullversion"]),
      iproute2: version("ip", ["-Version"]),
      linx_netlink_port: to_string(Application.spec(:linx_netlink_port, :vsn)),
      pyroute2: System.fetch_env!("PYROUTE2_VERSION"),
      date: Date.to_iso8601(Date.utc_today())
    }
  end

  @doc "Calls a function beside as many processes that never rest as there are processors."
  def beside_others(fun) do
    shell = System.find_executable("sh")

    others =
      for _processor <- 1..System.schedulers_online(),
          do: Outside.start(shell, ["-c", @restless])

    Enum.each(others, &Outside.hear/1)
    result = fun.()
    Enum.each(others, &Port.command(&1, "end\n"))
    for port <- others, do: receive(do: ({^port, {:exit_status, 0}} -> :ok))
    result
  end

  @doc "What `load/1` compares with."
  def look do
    %{
      average: average(),
      machine: machine_ticks(),
      own: own_ticks(),
      time: System.monotonic_time()
    }
  end

  @doc """
  The load since then: the load averages of one minute, and how much of its processors the machine
  used for anything but this, in percent of one processor. The kernel's own work is among it, and what a
  hypervisor has taken away. The averages have in them what was measured, with the processes that never rested.
  """
  def load(before) do
    now = look()
    seconds = System.convert_time_unit(now.time - before.time, :native, :millisecond) / 1000
    others = now.machine - before.machine - (now.own - before.own)

    %{
      average_before: before.average,
      average_after: now.average,
      others_percent: round(max(others, 0) / max(seconds, 0.001))
    }
  end

  defp average, do: "/proc/loadavg" |> read() |> String.split() |> hd() |> String.to_float()

  # A hundred of them are a second. All but idle, waiting for a disk, and what guests have (counted twice).
  defp machine_ticks do
    [line | _processors] = "/proc/stat" |> read() |> String.split("\n")

    ["cpu", user, nice, system, _idle, _iowait, irq, softirq, steal | _guests] =
      String.split(line)

    [user, nice, system, irq, softirq, steal] |> Enum.map(&String.to_integer/1) |> Enum.sum()
  end

  # Of all processes in this pid namespace, and of those that they have waited for.
  defp own_ticks do
    for file <- Path.wildcard("/proc/[0-9]*/stat"), {:ok, stat} <- [File.read(file)], reduce: 0 do
      sum ->
        [_name, fields] = String.split(stat, ~r/\) (?!.*\) )/s, parts: 2)
        times = fields |> String.split() |> Enum.slice(11, 4)
        sum + (times |> Enum.map(&String.to_integer/1) |> Enum.sum())
    end
  end

  defp processor do
    [_line, name] = Regex.run(~r/^model name\s*: (.*)$/m, File.read!("/proc/cpuinfo"))
    name
  end

  defp read(path), do: path |> File.read!() |> String.trim()

  defp version(command, args) do
    {output, 0} = System.cmd(command, args, stderr_to_stdout: true)
    String.trim(output)
  end
end
