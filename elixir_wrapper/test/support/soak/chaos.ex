defmodule Linx.Netlink.Port.Test.Soak.Chaos do
  @moduledoc "What goes wrong, at random."

  import Linx.Netlink.Port.Test.Helpers

  alias Linx.Netlink.Port
  alias Linx.Netlink.Port.Test.{DoomedBeam, Fixture, Hanging, Soak.Tally, Soak.World}

  @doc "Lets things go wrong until the world is calm."
  def run(world) do
    World.seed(world, 0)
    loop(world, mount(world))
  end

  defp loop(world, hanging) do
    if World.calm?(world) do
      Hanging.release(hanging)
    else
      pause(:rand.uniform(200))
      loop(world, strike(:rand.uniform(100), world, hanging))
    end
  end

  # Not to wait for anything: this is how often things go wrong.
  defp pause(milliseconds) do
    receive do
    after
      milliseconds -> :ok
    end
  end

  defp strike(dice, _world, hanging) when dice <= 30, do: hit("SIGKILL", [:KILL], hanging)
  defp strike(dice, _world, hanging) when dice <= 50, do: hit("SIGSEGV", [:SEGV], hanging)
  defp strike(dice, _world, hanging) when dice <= 60, do: hit("SIGSTOP", [:STOP], hanging)

  defp strike(dice, _world, hanging) when dice <= 75,
    do: hit("SIGSTOP, SIGCONT", [:STOP, :CONT], hanging)

  defp strike(dice, _world, hanging) when dice <= 83, do: kill_server(hanging)
  defp strike(dice, _world, hanging) when dice <= 90, do: take_descriptors(hanging)
  defp strike(dice, world, hanging) when dice <= 97, do: release(world, hanging)
  defp strike(_dice, world, hanging), do: kill_beam(world, hanging)

  defp hit(name, signals, hanging) do
    with %{program: %{process: %{pid: os_pid}}} <- state() do
      Tally.count({:fault, name})

      for signal <- signals do
        System.cmd("/bin/sh", ["-c", "kill -#{signal} #{os_pid}"], stderr_to_stdout: true)
        pause(:rand.uniform(100))
      end
    end

    hanging
  end

  defp kill_server(hanging) do
    with %{starts: starts} <- state(), pid when is_pid(pid) <- Process.whereis(Port) do
      Tally.count({:fault, "server killed"})
      Tally.count(:starts, starts)
      monitor = Process.monitor(pid)
      Process.exit(pid, :kill)
      receive do: ({:DOWN, ^monitor, :process, ^pid, _reason} -> :ok)
      eventually("the server is there again", fn -> Process.whereis(Port) not in [nil, pid] end)
    end

    hanging
  end

  defp take_descriptors(hanging) do
    Tally.count({:fault, "no descriptor left"})
    taken = take([])
    pause(:rand.uniform(200))
    Enum.each(taken, &:socket.close/1)
    hanging
  end

  defp take(taken) do
    case :socket.open(16, :raw, 0) do
      {:ok, socket} -> take([socket | taken])
      {:error, _no_more} -> taken
    end
  end

  defp release(world, hanging) do
    Tally.count({:fault, "hanging files let go"})
    Hanging.release(hanging)
    mount(world)
  end

  defp mount(world) do
    hanging = Hanging.mount(world.directory)
    hanging |> Hanging.path() |> World.hangs_at()
    hanging
  end

  defp kill_beam(world, hanging) do
    Tally.count({:fault, "BEAM killed"})
    directory = Fixture.make_directory()
    paths = for number <- 1..8, do: Hanging.path(hanging, number)

    time =
      try do
        world
        |> World.random_namespace()
        |> DoomedBeam.start(paths, directory)
        |> DoomedBeam.finish()
      after
        File.rm_rf!(directory)
      end

    Tally.keep(:outlived, time)
    # A busy machine may take longer than the promised 100 ms.
    if time > 1_000_000, do: Tally.broken("a port program outlived its BEAM by #{time} µs")
    hanging
  end

  defp state do
    :sys.get_state(Port)
  catch
    :exit, _reason -> nil
  end
end
