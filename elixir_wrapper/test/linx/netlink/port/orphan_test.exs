defmodule Linx.Netlink.Port.OrphanTest do
  @moduledoc "What is left when a BEAM is killed, or ends otherwise: nothing."

  use Linx.Netlink.Port.Test.Case

  # It takes some milliseconds, which `script/soak` shows. A busy machine may be busy with something else.
  @at_once 5_000_000

  # It may take longer than a test may.
  setup_all do
    %{hanging_netns: Hanging.build()}
  end

  setup do
    %{namespace: Namespace.create(), directory: Fixture.directory()}
  end

  test "its port program is gone at once, and nothing is left", context do
    times = for _number <- 1..3, do: kill_beam(context, [])
    assert Enum.min(times) < @at_once, "it took #{inspect(times)} µs"
    assert_nothing_left(context)
  end

  test "its port program is gone at once although its threads hang, and nothing is left",
       context do
    hanging = Hanging.mount(Fixture.directory())
    paths = for number <- 1..20, do: Hanging.path(hanging, number)
    times = for _number <- 1..3, do: kill_beam(context, paths)
    assert Enum.min(times) < @at_once, "it took #{inspect(times)} µs"
    assert_nothing_left(context)
    Hanging.release(hanging)
  end

  for ending <- [:kill, :halt, :stop, :init_stop] do
    test "its port program is gone at once although it is stopped, by #{ending}", context do
      beam = DoomedBeam.start(context.namespace, [], context.directory)
      stop(beam.program)
      time = DoomedBeam.finish(beam, unquote(ending))
      assert time < @at_once, "it took #{time} µs"
      assert_nothing_left(context)
    end
  end

  # In microseconds, how long its port program outlives it.
  defp kill_beam(context, paths) do
    context.namespace |> DoomedBeam.start(paths, context.directory) |> DoomedBeam.finish()
  end

  # A socket of a BEAM that is gone keeps no namespace.
  defp assert_nothing_left(context) do
    tie = Namespace.tie(context.namespace)
    assert File.exists?("/sys/class/net/#{tie}")
    Namespace.remove(context.namespace)
    Namespace.await_gone(tie)
  end
end
