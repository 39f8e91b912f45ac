defmodule Bench.Report do
  @moduledoc "What was measured, as text."

  @names %{
    floor: "the system calls alone, in C",
    otp: "OTP's netns option",
    echo: "an echo behind a GenServer",
    nif: "NIF",
    drop_in: "drop-in",
    nif_adopted: "NIF, :socket.open and its close_fd",
    open: "Linx.Netlink.Port.open/3",
    linx_nif: "Linx's Socket.open on the NIF",
    linx_drop_in: "Linx's Socket.open on the drop-in",
    wire: "the port program, without a BEAM",
    exec: "ip netns exec NS true",
    pyroute2: "pyroute2: netns.create_socket",
    open_many: "Linx.Netlink.Port.open_many/2",
    nif_closed: "NIF and close_fd, all closed again",
    open_many_closed: "open_many/2, all closed again",
    otp_closed: "OTP's netns option, all closed again",
    wire_one: "one by one, without a BEAM",
    wire_many: "by open_many, without a BEAM",
    wire_spread: "  in as many namespaces as there are",
    by_setns: "by setns, with CAP_SYS_ADMIN",
    by_child: "through a child, with no privilege"
  }
  @ways ~w(floor otp echo nif drop_in nif_adopted open linx_nif linx_drop_in wire exec pyroute2)a
  @many ~w(nif_adopted open_many nif_closed open_many_closed otp_closed wire_one wire_many wire_spread)a
  @columns ["p50 µs", "of blocks", "p99 µs", "opens/s", "CPU µs"]

  @doc "Prints what there is."
  def print(measured) do
    for {group, words} <- [pauses: "ms before each call", busy: "ms, on a busy machine"],
        {pause, ways} <- Enum.sort(measured[group] || %{}) do
      table("#{pause} #{words}", @ways, ways)
    end

    if many = measured[:many], do: table("64 sockets, each", @many, many)
    if callers = measured[:callers], do: curves("Callers, and opens/s", callers)
    if namespaces = measured[:namespaces], do: curves("Namespaces, and p50 µs", namespaces)

    if rootless = measured[:rootless],
      do: table("A user's namespace, without a BEAM", [:by_setns, :by_child], rootless)

    if program = measured[:program], do: program(program)
    machine(measured)
    ratios(measured.ratios)
  end

  defp table(title, names, summaries) do
    heading(title, @columns)
    for name <- names, summary = summaries[name], do: row(@names[name], summary)
  end

  defp row(name, summary) do
    cells = [summary.p99, summary.per_second, summary.processor]
    line(name, [middle(summary), range(summary.spread) | cells])
    two_regimes(summary)
  end

  defp curves(title, curves) do
    heading(title, for([x, _y] <- curves.nif, do: x))
    for name <- [:nif, :drop_in], do: line(@names[name], for([_x, y] <- curves[name], do: y))
  end

  defp program(program) do
    IO.puts("""

    The port program
      resident after #{program.opens} opens   #{program.resident_kib} KiB (at most #{program.resident_most_kib} KiB)
      from its start to the first socket      #{program.first_socket_ms} ms
      size of the binary                      #{program.binary_kib} KiB
      processor time in #{program.idle_ms} idle ms     #{program.idle_processor_ns} ns
    """)
  end

  defp machine(%{machine: machine, load: load}) do
    IO.puts("")
    for {key, value} <- machine, do: IO.puts("#{key}: #{value}")

    IO.puts(
      "load: #{load.average_before} before, #{load.average_after} after; " <>
        "others used #{load.others_percent}% of one processor"
    )
  end

  defp ratios([]), do: :ok

  defp ratios(ratios) do
    heading("Ratios", ["ms", "seen", "of blocks", "floor", "aim", "reaches"])

    for ratio <- ratios do
      cells = [ratio.floor, ratio.aim, ratio.reaches]
      line(ratio.name, [ratio.pause, middle(ratio), range(ratio.spread) | cells])
      two_regimes(ratio)
    end
  end

  # Where there are two groups of blocks, what lies between them was never seen.
  defp middle(%{levels: levels}),
    do: Enum.map_join(levels, " | ", fn [value, _blocks] -> short(value) end)

  defp range([same, same]), do: nil
  defp range([lowest, highest]), do: "#{short(lowest)}-#{short(highest)}"

  defp two_regimes(%{levels: [_one]}), do: :ok

  defp two_regimes(%{levels: [[low, some], [high, others]]}),
    do: IO.puts("  two regimes: #{short(low)} in #{some} blocks, #{short(high)} in #{others}")

  defp heading(title, columns), do: IO.puts(["\n", left(title), Enum.map(columns, &right/1)])
  defp line(name, cells), do: IO.puts([left(name), Enum.map(cells, &right/1)])
  defp left(text), do: String.pad_trailing(text, 38)
  defp right(cell), do: cell |> to_string() |> String.pad_leading(13)

  defp short(number) when number >= 100, do: "#{round(number)}"
  defp short(number) when number >= 10, do: "#{Float.round(number / 1, 1)}"
  defp short(number), do: "#{Float.round(number / 1, 2)}"
end
