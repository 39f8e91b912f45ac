defmodule Linx.Netlink.Port.OrphanTest do
  @moduledoc "What is left when a BEAM is killed: nothing."

  use Linx.Netlink.Port.Test.Case

  @fixture Path.expand("../../../fixtures/orphan.exs", __DIR__)
  @patience 60_000

  setup do
    %{namespace: Namespace.create(), directory: Fixture.directory()}
  end

  test "its port program is gone within 100 ms, and nothing is left", context do
    # A machine may be busy with something else, but hardly each time.
    times = for _number <- 1..3, do: kill_beam(context, [])
    assert Enum.min(times) < 100_000, "it took #{inspect(times)} µs"
    assert_nothing_left(context)
  end

  test "its port program is gone within 100 ms although its threads hang, and nothing is left",
       context do
    hanging = Hanging.mount(Fixture.directory())
    paths = for number <- 1..20, do: Hanging.path(hanging, number)
    times = for _number <- 1..3, do: kill_beam(context, paths)
    assert Enum.min(times) < 100_000, "it took #{inspect(times)} µs"
    assert_nothing_left(context)
    Hanging.release(hanging)
  end

  # In microseconds, how long its port program outlives it.
  defp kill_beam(context, paths) do
    {port, beam, program} = start_beam(context, paths)
    Hanging.await_threads(program, length(paths))
    descendants = descendants(beam)
    assert program in descendants
    start = System.monotonic_time(:microsecond)
    signal(beam, :KILL)
    await_gone(program)
    time = System.monotonic_time(:microsecond) - start

    assert_receive {^port, {:exit_status, 137}}, @patience
    Enum.each(descendants, &await_gone/1)
    # Where it would have put files.
    assert File.ls!(context.directory) == []
    assert System.tmp_dir!() |> File.ls!() |> Enum.filter(&(&1 =~ ~r/#{beam}|#{program}/)) == []
    time
  end

  defp start_beam(context, paths) do
    ebin = Application.app_dir(:linx_netlink_port, "ebin")

    port =
      Port.open({:spawn_executable, System.find_executable("elixir")}, [
        :binary,
        :exit_status,
        line: 1_000,
        env: [{'TMPDIR', to_charlist(context.directory)}],
        args: ["-pa", ebin, @fixture, context.namespace.path | paths]
      ])

    assert_receive {^port, {:data, {:eol, line}}}, @patience
    [beam, program] = String.split(line)
    {port, beam, program}
  end

  # A socket of a BEAM that is gone keeps no namespace.
  defp assert_nothing_left(context) do
    tie = Namespace.tie(context.namespace)
    assert File.exists?("/sys/class/net/#{tie}")
    Namespace.remove(context.namespace)
    Namespace.await_gone(tie)
  end
end
