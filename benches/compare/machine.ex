defmodule Bench.Machine do
  @moduledoc "On what was measured, and with which versions."

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
