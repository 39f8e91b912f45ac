defmodule Bench.Stats do
  @moduledoc """
  What blocks of many nanoseconds come to.

  A block's figure is its median, a way's is the median of its blocks. Where the blocks fall into two
  groups with nothing in between, there is no middle: `levels/1` tells both.
  """

  @quantiles Enum.map(0..98, &(&1 / 100)) ++ [0.985, 0.99, 0.993, 0.995, 0.997, 0.999, 1.0]

  # Two groups: so far apart, and none of them smaller than this share of the blocks.
  @gap 1.4
  @share 1 / 6

  @typedoc "The median of a group, and how many are in it."
  @type level() :: [number()]

  @doc """
  Microseconds of one open: the median of the blocks' medians, the lowest and the highest of these, their
  levels; the slow ones and the way from the fastest to the slowest, of all calls.
  """
  def summary(blocks) do
    nanoseconds = Enum.flat_map(blocks, & &1.nanoseconds)
    sorted = sort(nanoseconds)
    medians = Enum.map(medians(blocks), &microseconds/1)
    mean = Enum.sum(nanoseconds) / length(nanoseconds)

    %{
      count: length(nanoseconds),
      p50: median(medians),
      blocks: medians,
      spread: [Enum.min(medians), Enum.max(medians)],
      levels: levels(medians),
      p99: microseconds(quantile(sorted, 0.99)),
      per_second: round(1.0e9 / mean),
      processor: processor(blocks),
      quantiles: for(q <- @quantiles, do: [q, microseconds(quantile(sorted, q))])
    }
  end

  @doc "The same of blocks in which each time is that of `size` opens, told for one of them."
  def summary(blocks, size) do
    blocks
    |> Enum.map(fn block -> %{block | nanoseconds: Enum.map(block.nanoseconds, &(&1 / size))} end)
    |> summary()
    |> Map.delete(:quantiles)
  end

  @doc "Opens a second: of the block in the middle, so that one that was disturbed does not count."
  def rate(blocks, opens), do: round(opens * 1.0e9 / median(medians(blocks)))

  @doc "The median of each block."
  def medians(blocks), do: Enum.map(blocks, &median(&1.nanoseconds))

  @doc """
  The figures of two ways, block by block: each is compared with the one next to which it was measured.
  """
  def quotients(over, under) do
    quotients = Enum.zip_with(over, under, &Float.round(&1 / &2, 3))

    %{
      value: median(quotients),
      spread: [Enum.min(quotients), Enum.max(quotients)],
      levels: levels(quotients)
    }
  end

  @doc "One level, or two if there are two groups."
  @spec levels([number()]) :: [level()]
  def levels(numbers) do
    sorted = Enum.sort(numbers)
    count = length(sorted)
    smallest = max(2, ceil(count * @share))

    {gap, at} =
      Enum.zip([sorted, tl(sorted), 1..count])
      |> Enum.filter(fn {_low, _high, at} -> at >= smallest and count - at >= smallest end)
      |> Enum.map(fn {low, high, at} -> {high / max(low, 0.001), at} end)
      |> Enum.max(fn -> {1, count} end)

    groups = if gap >= @gap, do: sorted |> Enum.split(at) |> Tuple.to_list(), else: [sorted]
    for group <- groups, do: [median(group), length(group)]
  end

  @doc "The one in the middle."
  def median(numbers), do: numbers |> sort() |> quantile(0.5)

  # Microseconds of processor time for one open.
  defp processor([%{processor: nil} | _blocks]), do: nil
  defp processor(blocks), do: blocks |> Enum.map(& &1.processor) |> median() |> microseconds()

  defp sort(numbers), do: numbers |> Enum.sort() |> List.to_tuple()

  defp quantile(sorted, q),
    do: elem(sorted, min(floor(q * tuple_size(sorted)), tuple_size(sorted) - 1))

  defp microseconds(nanoseconds), do: Float.round(nanoseconds / 1000, 2)
end
