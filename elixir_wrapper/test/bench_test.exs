defmodule Linx.Netlink.Port.BenchTest do
  @moduledoc "script/bench: what it is asked for, and how it ends."

  use Linx.Netlink.Port.Test.Case, async: false

  @repository Path.expand("../..", __DIR__)
  @script Path.join(@repository, "script/bench")
  # What a run to its end replaces.
  @results Enum.map(
             ~w(benches/results.json docs/latency.svg docs/cost.svg),
             &Path.join(@repository, &1)
           )
  @at_once 10_000

  test "--help says what it does and how long it takes, and does nothing else" do
    {output, 0} = System.cmd(@script, ["--help"])
    assert output =~ "    script/bench [--quick]"
    assert output =~ ~r/takes about \d+ minutes/
    # It holds for each of its words.
    assert {^output, 0} = System.cmd(@script, ["--quick", "--help"])
  end

  for arguments <-
        [~w(--quik), ~w(full), ~w(--only all), ~w(--only), ~w(--pause 3), ~w(--pause)] ++
          [~w(--only many --pause 2), ~w(--quick more)] do
    test "refuses #{Enum.join(arguments, " ")} with status 2, and says where to look" do
      {output, status} = System.cmd(@script, unquote(arguments), stderr_to_stdout: true)
      assert {status, output} == {2, output}
      assert output =~ "(see --help)\n"
    end
  end

  # A full run: who is forgotten goes on for minutes.
  for {signal, status} <- [INT: 130, TERM: 143] do
    # The first time, it builds what is compared.
    @tag timeout: 600_000
    @tag :bench
    test "ends at once by SIG#{signal}, with all that it has started, and replaces nothing" do
      before = Enum.map(@results, &File.stat!/1)
      port = Port.open({:spawn_executable, @script}, [:binary, :exit_status, :stderr_to_stdout])
      {:os_pid, os_pid} = Port.info(port, :os_pid)
      await_output(port, "left: a pause of 0 ms before each call")
      started = os_pid |> to_string() |> descendants()
      assert Enum.any?(started, &measuring?/1)

      signal(os_pid, unquote(signal))
      assert_receive {^port, {:exit_status, unquote(status)}}, @at_once
      Enum.each(started, &await_gone/1)
      assert Enum.map(@results, &File.stat!/1) == before
    end
  end

  # The BEAM of the run.
  defp measuring?(os_pid) do
    case File.read("/proc/#{os_pid}/cmdline") do
      {:ok, command} -> command =~ "compare.exs"
      {:error, _reason} -> false
    end
  end
end
