# Measures ways to open a netlink socket in another network namespace, side by side. Started by
# script/bench, which builds what is compared and makes a place for the namespaces.

for file <- ~w(nif outside way measure stats json machine) do
  Code.require_file("compare/#{file}.ex", __DIR__)
end

defmodule Bench do
  @moduledoc "What is compared, and how it is told."

  alias Bench.{Json, Machine, Measure, Nif, Outside, Stats, Way}
  alias Linx.Netlink.Port

  @latency_netnses 8
  @many 64
  @callers [1, 2, 4, 8, 16, 32, 64]
  @opens_of_callers 512

  @full %{
    rounds: 200,
    opens: 100,
    namespaces: [1, 3, 10, 30, 100, 300, 1000],
    curve_rounds: 40,
    memory: 100_000,
    starts: 50,
    idle: 5_000
  }
  @quick %{
    rounds: 10,
    opens: 20,
    namespaces: [1, 10, 100],
    curve_rounds: 5,
    memory: 5_000,
    starts: 5,
    idle: 300
  }

  @doc """
  Measures, writes the figures to the file `results`, and prints them. `built` is the folder with the
  programs to compare with, `python` the one that has pyroute2.
  """
  def run([built, python, results, mode]) do
    size = if mode == "quick", do: @quick, else: @full
    Nif.load!(Path.join(built, "nif.so"))
    {:ok, _info} = Port.info()

    netnses = netnses(Enum.max(size.namespaces), Path.join(built, "floor"))
    few = Enum.take(netnses, @latency_netnses)
    outside = start_outside(built, python, Enum.map(few, & &1.path))
    container = start_container()
    before = descriptors(outside)

    one = one_caller(size, few, outside)
    together = together(size, few, outside)
    rootless = rootless(size, built, container)
    callers = callers(size, few)
    namespaces = namespaces(size, netnses)
    program = program(size, outside)
    flat!(before, outside)

    ratios = ratios(one, together, callers, namespaces)

    measured = %{
      machine: Machine.describe(),
      one_caller: one,
      together: together,
      rootless: rootless,
      callers: callers,
      namespaces: namespaces,
      program: program,
      ratios: Map.new(ratios)
    }

    File.write!(results, Json.encode(measured))
    print(measured, ratios)
  end

  ## What is measured

  # Nobody else is asked which namespace is which than a program that knows nothing of the others.
  defp netnses(count, floor) do
    names = for number <- 1..count, do: "bench-#{number}"
    batch = Path.join(System.tmp_dir!(), "namespaces-#{System.pid()}")
    File.write!(batch, Enum.map(names, &"netns add #{&1}\n"))
    {_output, 0} = System.cmd("ip", ["-batch", batch])
    File.rm!(batch)
    paths = Enum.map(names, &"/run/netns/#{&1}")
    cookies = floor |> Outside.start(paths) |> Outside.ask("cookies")
    ^count = cookies |> Enum.uniq() |> length()
    for {path, cookie} <- Enum.zip(paths, cookies), do: %{path: path, cookie: cookie}
  end

  defp start_outside(built, python, paths) do
    {:ok, info} = Port.info()

    %{
      floor: Outside.start(Path.join(built, "floor"), paths),
      pyroute2: Outside.start(python, [Path.join(__DIR__, "compare/pyroute2_open.py") | paths]),
      wire: Outside.start(Path.join(built, "wire"), [info.server.executable | paths])
    }
  end

  # It lives as long as its port.
  defp start_container do
    unshare = System.find_executable("unshare")
    port = Outside.start(unshare, ["--user", "--net", "sh", "-c", "echo $$; exec cat"])
    [os_pid] = Outside.hear(port)
    %{port: port, path: "/proc/#{os_pid}/ns/net"}
  end

  # The two differ in what the port program may do, and in nothing else.
  defp rootless(size, built, container) do
    {:ok, info} = Port.info()
    wire = [Path.join(built, "wire"), info.server.executable, container.path]
    setpriv = System.find_executable("setpriv")
    no_privilege = ["--bounding-set=-all", "--inh-caps=-all" | wire]

    programs = %{
      by_setns: Outside.start(hd(wire), tl(wire)),
      by_child: Outside.start(setpriv, no_privilege)
    }

    turns = for {name, port} <- programs, do: {name, Measure.outside(port, "one #{size.opens}")}
    numbers = Measure.in_turns(size.rounds, turns)
    for {_name, port} <- programs, do: Elixir.Port.close(port)
    summaries(numbers)
  end

  defp one_caller(size, netnses, outside) do
    few = max(div(size.rounds, 100), 1)

    size.rounds
    |> Measure.in_turns(%{
      floor: Measure.outside(outside.floor, "open #{size.opens}"),
      nif: Measure.one(Way.nif(), size.opens, netnses),
      drop_in: Measure.one(Way.drop_in(), size.opens, netnses),
      open: Measure.one(Way.port(), size.opens, netnses),
      wire: Measure.outside(outside.wire, "one #{size.opens}"),
      exec: Measure.outside(outside.floor, "exec #{few}"),
      pyroute2: Measure.outside(outside.pyroute2, "open #{few}")
    })
    |> summaries()
  end

  defp summaries(numbers) do
    Map.new(numbers, fn {name, nanoseconds} -> {name, Stats.summary(nanoseconds)} end)
  end

  defp together(size, netnses, outside) do
    size.rounds
    |> Measure.in_turns(%{
      nif_adopted: Measure.loop(Way.nif_adopted(), @many, netnses),
      open_many: Measure.many(@many, netnses),
      open_many_settled: Measure.many_settled(@many, netnses),
      wire_one: Measure.outside(outside.wire, "one #{@many}"),
      wire_many: Measure.outside(outside.wire, "many 1 #{@many}"),
      wire_spread: Measure.outside(outside.wire, "spread 1 #{@many}")
    })
    |> Map.new(fn
      {:wire_one, nanoseconds} -> {:wire_one, Stats.summary(nanoseconds)}
      {name, nanoseconds} -> {name, Stats.summary(nanoseconds, @many)}
    end)
    |> Map.new(fn {name, summary} -> {name, Map.delete(summary, :quantiles)} end)
  end

  defp callers(size, netnses) do
    turns =
      for count <- @callers, {name, way} <- [nif: Way.nif(), drop_in: Way.drop_in()] do
        {{name, count}, Measure.callers(way, count, @opens_of_callers, netnses)}
      end

    size.curve_rounds
    |> Measure.in_turns(turns)
    |> curves(&Stats.rate(&1, @opens_of_callers))
  end

  defp namespaces(size, netnses) do
    turns =
      for count <- size.namespaces, {name, way} <- [nif: Way.nif(), drop_in: Way.drop_in()] do
        {{name, count}, Measure.one(way, size.opens, Enum.take(netnses, count))}
      end

    size.curve_rounds |> Measure.in_turns(turns) |> curves(&Stats.summary(&1).p50)
  end

  defp program(size, outside) do
    [rss, peak] = Outside.ask(outside.wire, "memory #{size.memory}")
    starts = Outside.ask(outside.wire, "start #{size.starts}")
    [busy] = Outside.ask(outside.wire, "idle #{size.idle}")
    {:ok, info} = Port.info()

    %{
      opens: size.memory,
      resident_kib: rss,
      resident_most_kib: peak,
      first_socket_ms: Float.round(Stats.summary(starts).p50 / 1000, 2),
      binary_kib: Float.round(File.stat!(info.server.executable).size / 1024, 1),
      idle_ms: size.idle,
      idle_processor_ns: busy
    }
  end

  # %{{name, x} => numbers} becomes %{name => [[x, y]]}.
  defp curves(numbers, fun) do
    numbers
    |> Enum.map(fn {{name, x}, nanoseconds} -> {name, [x, fun.(nanoseconds)]} end)
    |> Enum.sort()
    |> Enum.group_by(&elem(&1, 0), &elem(&1, 1))
  end

  ## What must not change

  defp descriptors(outside) do
    {:ok, info} = Port.info()
    Way.settle()
    # It waits a moment: a thread that has answered may not have closed everything yet.
    [client, program] = Outside.ask(outside.wire, "descriptors")

    %{
      beam: count("self"),
      program: count(info.program.os_pid),
      wire_client: client,
      wire_program: program
    }
  end

  defp count(os_pid), do: length(File.ls!("/proc/#{os_pid}/fd"))

  defp flat!(before, outside) do
    case descriptors(outside) do
      ^before -> :ok
      now -> raise "descriptors leaked: #{inspect(before)} became #{inspect(now)}"
    end
  end

  ## What comes out

  defp ratios(one, together, callers, namespaces) do
    [
      open_p50: one.drop_in.p50 / one.nif.p50,
      open_p99: one.drop_in.p99 / one.nif.p99,
      callers8: at(callers.drop_in, 8) / at(callers.nif, 8),
      many64: together.open_many.per_second / together.nif_adopted.per_second,
      wire64: together.wire_many.per_second / together.wire_one.per_second,
      exec: one.exec.p50 / one.drop_in.p50,
      pyroute2: one.pyroute2.p50 / one.drop_in.p50,
      namespaces: last(namespaces.drop_in) / at(namespaces.drop_in, 1)
    ]
  end

  defp at(curve, x), do: Enum.find_value(curve, fn [at, y] -> if at == x, do: y end)
  defp last(curve), do: curve |> List.last() |> List.last()

  @names [
    floor: "the system calls alone, in C",
    nif: "NIF",
    drop_in: "drop-in: Native.open_in_netns/2",
    open: "Linx.Netlink.Port.open/3",
    wire: "the port program, without a BEAM",
    exec: "ip netns exec NS true",
    pyroute2: "pyroute2: netns.create_socket",
    nif_adopted: "NIF, :socket.open and its close_fd",
    open_many: "Linx.Netlink.Port.open_many/2",
    open_many_settled: "  until the server has tidied up too",
    wire_one: "one by one, without a BEAM",
    wire_many: "by open_many, without a BEAM",
    wire_spread: "  in as many namespaces as there are",
    by_setns: "by setns, with CAP_SYS_ADMIN",
    by_child: "through a child, with no privilege"
  ]

  defp print(results, ratios) do
    heading("One caller, one socket at a time", ["p50 µs", "p99 µs", "opens/s", "to NIF"])
    rows(~w(floor nif drop_in open wire exec pyroute2)a, results.one_caller, :nif)
    heading("#{@many} sockets, each", ["p50 µs", "p99 µs", "opens/s", "to NIF"])

    rows(
      ~w(nif_adopted open_many open_many_settled wire_one wire_many wire_spread)a,
      results.together,
      :nif_adopted
    )

    heading("A user's namespace, without a BEAM", ["p50 µs", "p99 µs", "opens/s", "to setns"])
    rows(~w(by_setns by_child)a, results.rootless, :by_setns)
    curves_table("Callers, and opens/s", results.callers)
    curves_table("Namespaces, and p50 µs", results.namespaces)
    program_table(results.program)

    IO.puts(
      "\n" <> Enum.map_join(results.machine, "\n", fn {key, value} -> "#{key}: #{value}" end)
    )

    IO.puts("")
    for {name, value} <- ratios, do: IO.puts("ratio #{name} #{Float.round(value / 1, 2)}")
  end

  defp heading(title, columns) do
    IO.puts("\n" <> String.pad_trailing(title, 38) <> Enum.map_join(columns, &right/1))
  end

  defp rows(names, summaries, base) do
    for name <- names do
      summary = summaries[name]
      ratio = Float.round(summary.p50 / summaries[base].p50, 2)
      cells = [summary.p50, summary.p99, summary.per_second, ratio]
      IO.puts(String.pad_trailing(@names[name], 38) <> Enum.map_join(cells, &right/1))
    end
  end

  defp curves_table(title, curves) do
    heading(title, for([x, _y] <- curves.nif, do: x))

    for name <- [:nif, :drop_in] do
      cells = for [_x, y] <- curves[name], do: y
      IO.puts(String.pad_trailing(@names[name], 38) <> Enum.map_join(cells, &right/1))
    end
  end

  defp program_table(program) do
    IO.puts("""

    The port program
      resident after #{program.opens} opens   #{program.resident_kib} KiB (at most #{program.resident_most_kib} KiB)
      from its start to the first socket      #{program.first_socket_ms} ms
      size of the binary                      #{program.binary_kib} KiB
      processor time in #{program.idle_ms} idle ms     #{program.idle_processor_ns} ns
    """)
  end

  defp right(cell), do: cell |> to_string() |> String.pad_leading(10)
end

Bench.run(System.argv())
