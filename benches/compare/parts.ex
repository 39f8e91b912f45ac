defmodule Bench.Parts do
  @moduledoc """
  The parts of a run, each with what it takes: which of them, in which order, how large.

  A part is a name, words, how many rounds it has, how many seconds it takes about, and a function that
  measures. That gets the bench (`Bench.Stage`), and whom to tell of each round.
  """

  alias Bench.{Machine, Measure, Netnses, Outside, Stats, Way}
  alias Linx.Netlink.Port

  @many 64
  @callers [1, 2, 4, 8, 16, 32, 64]
  @opens_of_callers 512

  @full %{
    rounds: 15,
    calls: %{0 => 400, 2 => 120, 20 => 40},
    calls_beside_others: %{0 => 100, 2 => 40},
    slow_calls: 10,
    many_rounds: 60,
    curve_rounds: 30,
    curve_calls: 100,
    namespaces: [1, 3, 10, 30, 100, 300, 1000],
    memory: 100_000,
    starts: 50,
    idle: 5_000
  }
  # To compare two or four ways, while the program is being changed.
  @only %{@full | rounds: 9}
  @quick %{
    rounds: 3,
    calls: %{0 => 20, 2 => 5, 20 => 3},
    calls_beside_others: %{0 => 10, 2 => 3},
    slow_calls: 1,
    many_rounds: 3,
    curve_rounds: 3,
    curve_calls: 20,
    namespaces: [1, 10, 100],
    memory: 5_000,
    starts: 5,
    idle: 300
  }

  @pauses [0, 2, 20]
  @slow [:floor, :wire, :exec, :pyroute2]
  # What `--only` selects.
  @compared %{
    drop_in: [:otp, :echo, :nif, :drop_in],
    open: [:nif_adopted, :open],
    linx: [:linx_nif, :linx_drop_in]
  }
  @in_pauses [:otp, :echo, :nif, :drop_in, :nif_adopted, :open, :linx_nif, :linx_drop_in]

  @doc """
  The size and the parts of a run: all of them, or of one comparison (`only`), or of one pause.
  """
  def choose(mode, only, pause) do
    size = size(mode, only || pause)
    pauses = if pause, do: [pause], else: @pauses

    parts =
      cond do
        ways = @compared[only] -> for pause <- pauses, do: pause(size, pause, ways)
        only == :busy -> busy(size)
        only -> Enum.filter(others(size), &(&1.name == only))
        pause -> [pause(size, pause, @in_pauses)]
        true -> Enum.map(pauses, &pause(size, &1, all_ways(&1))) ++ others(size)
      end

    {size, parts}
  end

  @doc "How many namespaces the parts want."
  def netnses(size, parts) do
    if Enum.any?(parts, &(&1.name == :namespaces)), do: Enum.max(size.namespaces), else: 8
  end

  defp size("quick", _some), do: @quick
  defp size("full", nil), do: @full
  defp size("full", _some), do: @only

  defp all_ways(0), do: @in_pauses ++ @slow
  defp all_ways(_pause), do: @in_pauses

  ## Before each call, a pause

  defp pause(size, pause, ways) do
    calls = size.calls[pause]

    %{
      name: {:pauses, pause},
      words: "a pause of #{pause} ms before each call",
      rounds: size.rounds,
      seconds: size.rounds * length(ways) * (0.03 + calls * (0.1 + pause * 1.05) / 1000),
      run: fn bench, tell ->
        turns = for way <- ways, do: {way, turn(way, size, pause, bench)}
        blocks = Measure.in_turns(size.rounds, turns, tell)
        Way.all_at_home!(bench.home)
        Map.new(blocks, fn {way, blocks} -> {way, Stats.summary(blocks)} end)
      end
    }
  end

  defp turn(:floor, size, 0, bench),
    do: Measure.outside(bench.outside.floor, "open #{size.calls[0]}")

  defp turn(:wire, size, 0, bench),
    do: Measure.outside(bench.outside.wire, "one #{size.calls[0]}")

  defp turn(:exec, size, 0, bench),
    do: Measure.outside(bench.outside.floor, "exec #{size.slow_calls}")

  defp turn(:pyroute2, size, 0, bench),
    do: Measure.outside(bench.outside.pyroute2, "open #{size.slow_calls}")

  defp turn(way, size, pause, bench),
    do: Measure.one(way(way, bench), pause, size.calls[pause], bench.few)

  defp way(:echo, bench), do: Way.echo(bench.echo)
  defp way(name, _bench), do: apply(Way, name, [])

  ## The other parts

  defp others(size) do
    busy(size) ++
      [
        part(:many, "#{@many} sockets", size.many_rounds, 0.035, &many(size, &1, &2)),
        part(:callers, "several callers", size.curve_rounds, 0.5, &callers(size, &1, &2)),
        part(:namespaces, "many namespaces", size.curve_rounds, 0.15, &namespaces(size, &1, &2)),
        part(:rootless, "a user's namespace", size.many_rounds, 0.05, &rootless(size, &1, &2)),
        part(:program, "the port program alone", 1, program_seconds(size), &program(size, &1, &2))
      ]
  end

  defp part(name, words, rounds, seconds, run),
    do: %{name: name, words: words, rounds: rounds, seconds: rounds * seconds, run: run}

  defp busy(size),
    do: for({pause, _calls} <- Enum.sort(size.calls_beside_others), do: busy(size, pause))

  defp busy(size, pause) do
    part = pause(%{size | calls: size.calls_beside_others}, pause, @compared.drop_in)

    %{
      part
      | name: {:busy, pause},
        words: part.words <> ", on a busy machine",
        # A thread that is started waits for its turn.
        seconds: part.seconds + size.rounds * size.calls_beside_others[pause] * 0.005,
        run: fn bench, tell -> Machine.beside_others(fn -> part.run.(bench, tell) end) end
    }
  end

  defp many(size, bench, tell) do
    turns = [
      nif_adopted: Measure.loop(Way.nif_adopted(), @many, bench.few),
      open_many: Measure.many(@many, bench.few),
      nif_closed: Measure.loop_closed(Way.nif_adopted(), @many, bench.few),
      open_many_closed: Measure.many_closed(@many, bench.few),
      otp_closed: Measure.loop_closed(Way.otp(), @many, bench.few),
      wire_one: Measure.outside(bench.outside.wire, "one #{@many}"),
      wire_many: Measure.outside(bench.outside.wire, "many 1 #{@many}"),
      wire_spread: Measure.outside(bench.outside.wire, "spread 1 #{@many}")
    ]

    blocks = Measure.in_turns(size.many_rounds, turns, tell)
    Way.all_at_home!(bench.home)

    Map.new(blocks, fn
      {:wire_one, blocks} -> {:wire_one, Stats.summary(blocks, 1)}
      {name, blocks} -> {name, Stats.summary(blocks, @many)}
    end)
  end

  defp callers(size, bench, tell) do
    turns =
      for count <- @callers, {name, way} <- [nif: Way.nif(), drop_in: Way.drop_in()] do
        {{name, count}, Measure.callers(way, count, @opens_of_callers, bench.few)}
      end

    blocks = Measure.in_turns(size.curve_rounds, turns, tell)
    rates = fn name -> for block <- blocks[{name, 8}], do: 1 / hd(block.nanoseconds) end

    blocks
    |> curves(&Stats.rate(&1, @opens_of_callers))
    |> Map.put(:of_eight, Stats.quotients(rates.(:drop_in), rates.(:nif)))
  end

  defp namespaces(size, bench, tell) do
    turns =
      for count <- size.namespaces, {name, way} <- [nif: Way.nif(), drop_in: Way.drop_in()] do
        {{name, count}, Measure.one(way, 0, size.curve_calls, Enum.take(bench.netnses, count))}
      end

    size.curve_rounds |> Measure.in_turns(turns, tell) |> curves(&Stats.summary(&1).p50)
  end

  # %{{name, x} => blocks} becomes %{name => [[x, y]]}.
  defp curves(blocks, fun) do
    blocks
    |> Enum.map(fn {{name, x}, blocks} -> {name, [x, fun.(blocks)]} end)
    |> Enum.sort()
    |> Enum.group_by(&elem(&1, 0), &elem(&1, 1))
  end

  # The two differ in what the port program may do, and in nothing else.
  defp rootless(size, bench, tell) do
    {path, holder} = Netnses.rootless()
    [wire | rest] = words = bench.wire ++ [path]
    setpriv = System.find_executable("setpriv")

    programs = [
      by_setns: Outside.start(wire, rest),
      by_child: Outside.start(setpriv, ["--bounding-set=-all", "--inh-caps=-all" | words])
    ]

    turns =
      for {name, port} <- programs, do: {name, Measure.outside(port, "one #{size.curve_calls}")}

    blocks = Measure.in_turns(size.many_rounds, turns, tell)
    for port <- [holder | Keyword.values(programs)], do: Elixir.Port.close(port)
    Map.new(blocks, fn {name, blocks} -> {name, Stats.summary(blocks)} end)
  end

  defp program_seconds(size), do: size.memory * 0.00004 + size.starts * 0.01 + size.idle / 1000

  defp program(size, bench, tell) do
    tell.(1)
    [rss, peak] = Outside.ask(bench.outside.wire, "memory #{size.memory}")
    starts = Outside.ask(bench.outside.wire, "start #{size.starts}")
    [busy] = Outside.ask(bench.outside.wire, "idle #{size.idle}")
    {:ok, info} = Port.info()

    %{
      opens: size.memory,
      resident_kib: rss,
      resident_most_kib: peak,
      first_socket_ms: Float.round(Stats.median(starts) / 1.0e6, 2),
      binary_kib: Float.round(File.stat!(info.server.executable).size / 1024, 1),
      idle_ms: size.idle,
      idle_processor_ns: busy
    }
  end
end
