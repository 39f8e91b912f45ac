defmodule Bench.Ratios do
  @moduledoc """
  What is compared with what, and how it should come out: the floor, which it must reach, and the aim.

  Of ways that were measured next to each other, each block is compared with its neighbour; the ratio is
  the median of these. Where they fall into two groups, it has two levels, and the worse one is judged.
  """

  alias Bench.Stats

  # What, over what; after which pauses; floor and aim.
  @p50 [
    {:drop_in, :nif, [0, 2, 20], 1.3, 1.0},
    {:open, :nif_adopted, [0, 2, 20], 1.3, 1.0},
    {:linx_drop_in, :linx_nif, [0, 2, 20], 1.3, 1.0},
    {:drop_in, :echo, [2, 20], 3, 2},
    {:drop_in, :otp, [0, 2, 20], nil, 2}
  ]
  @p50_busy [{:drop_in, :nif, [0, 2], nil, nil}]

  @doc "The ratios of what was measured, in the order in which they are told."
  def all(measured) do
    Enum.concat([
      p50(measured[:pauses], @p50),
      each_pause(measured[:pauses], :p99, {1.5, 1.0}),
      each_pause(measured[:pauses], :processor, {2, 1.5}),
      p50(measured[:busy], @p50_busy, ", busy"),
      each_pause(measured[:busy], :p99, {nil, nil}, ", busy"),
      callers(measured[:callers]),
      many(measured[:many]),
      others(measured[:pauses][0]),
      namespaces(measured[:namespaces]),
      program(measured[:program])
    ])
  end

  defp p50(pauses, compared, where \\ "")
  defp p50(nil, _compared, _where), do: []

  defp p50(pauses, compared, where) do
    for {over, under, at, floor, aim} <- compared,
        pause <- at,
        %{^over => %{blocks: over_blocks}, ^under => %{blocks: under_blocks}} <- [pauses[pause]] do
      over_blocks
      |> Stats.quotients(under_blocks)
      |> ratio("#{over}/#{under} p50#{where}", pause, :low, floor, aim)
    end
  end

  # These are of all blocks together: few calls of a block are slow.
  defp each_pause(pauses, figure, bounds, where \\ "")
  defp each_pause(nil, _figure, _bounds, _where), do: []

  defp each_pause(pauses, figure, {floor, aim}, where) do
    for {pause, %{drop_in: over, nif: under}} <- Enum.sort(pauses) do
      over[figure]
      |> single(under[figure])
      |> ratio("drop_in/nif #{figure}#{where}", pause, :low, floor, aim)
    end
  end

  defp callers(nil), do: []

  defp callers(%{of_eight: quotients}),
    do: [ratio(quotients, "drop_in/nif opens/s of 8 callers", nil, :high, 1.0, 1.5)]

  defp many(nil), do: []

  defp many(many) do
    faster = fn over, under -> Stats.quotients(many[under].blocks, many[over].blocks) end

    [
      ratio(
        faster.(:open_many_closed, :nif_closed),
        "open_many/nif, 64, closed",
        nil,
        :high,
        2,
        4
      ),
      ratio(
        faster.(:open_many_closed, :otp_closed),
        "open_many/otp, 64, closed",
        nil,
        :high,
        1.0,
        1.5
      ),
      ratio(faster.(:wire_many, :wire_one), "open_many/one by one, no BEAM", nil, :high, nil, nil)
    ]
  end

  defp others(%{exec: exec, pyroute2: pyroute2, drop_in: drop_in}) do
    for {over, name} <- [{exec, "ip netns exec"}, {pyroute2, "pyroute2"}] do
      over.blocks
      |> Stats.quotients(drop_in.blocks)
      |> ratio("#{name}/drop_in p50", 0, :high, nil, nil)
    end
  end

  defp others(_none), do: []

  defp namespaces(nil), do: []

  defp namespaces(%{drop_in: [[fewest, first] | _curve] = curve}) do
    [most, last] = List.last(curve)
    [ratio(single(last, first), "drop_in in #{most}/#{fewest} namespaces p50", 0, :low, nil, nil)]
  end

  # No ratios, but bounds like theirs.
  defp program(nil), do: []

  defp program(program) do
    for {name, value, floor} <- [
          {"resident KiB", program.resident_most_kib, 4096},
          {"ms to the first socket", program.first_socket_ms, 20},
          {"KiB of the binary", program.binary_kib, 1024},
          {"ns of processor time when idle", program.idle_processor_ns, 0}
        ],
        do: value |> single(1) |> ratio(name, nil, :low, floor, nil)
  end

  defp single(over, under) do
    value = Float.round(over / under, 3)
    %{value: value, spread: [value, value], levels: [[value, 1]]}
  end

  defp ratio(quotients, name, pause, better, floor, aim) do
    %{name: name, pause: pause, better: better, floor: floor, aim: aim}
    |> Map.merge(quotients)
    |> then(&Map.put(&1, :reaches, reaches(&1)))
  end

  defp reaches(ratio) do
    values = for [value, _blocks] <- ratio.levels, do: value
    worst = if ratio.better == :low, do: Enum.max(values), else: Enum.min(values)

    cond do
      ratio.aim && good?(ratio.better, worst, ratio.aim) -> :aim
      ratio.floor && good?(ratio.better, worst, ratio.floor) -> :floor
      ratio.floor -> :nothing
      ratio.aim -> :told
      true -> nil
    end
  end

  defp good?(:low, value, bound), do: value <= bound
  defp good?(:high, value, bound), do: value >= bound
end
