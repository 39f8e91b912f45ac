defmodule Bench.Stats do
  @moduledoc "What many nanoseconds come to."

  @quantiles Enum.map(0..198, &(&1 / 200)) ++ [0.991, 0.993, 0.995, 0.997, 0.999, 1.0]

  @doc "Microseconds of one open: the middle, the slow ones, the way from the fastest to the slowest."
  def summary(nanoseconds) do
    sorted = nanoseconds |> Enum.sort() |> List.to_tuple()
    mean = Enum.sum(nanoseconds) / length(nanoseconds)

    %{
      count: length(nanoseconds),
      p50: microseconds(quantile(sorted, 0.5)),
      p99: microseconds(quantile(sorted, 0.99)),
      per_second: round(1.0e9 / mean),
      quantiles: for(q <- @quantiles, do: [q, microseconds(quantile(sorted, q))])
    }
  end

  @doc "The same of requests for `size` sockets, told for one of them."
  def summary(nanoseconds, size), do: nanoseconds |> Enum.map(&(&1 / size)) |> summary()

  @doc "Opens a second: of the turn in the middle, so that one that was disturbed does not count."
  def rate(nanoseconds, opens) do
    sorted = nanoseconds |> Enum.sort() |> List.to_tuple()
    round(opens * 1.0e9 / quantile(sorted, 0.5))
  end

  defp quantile(sorted, q),
    do: elem(sorted, min(floor(q * tuple_size(sorted)), tuple_size(sorted) - 1))

  defp microseconds(nanoseconds), do: Float.round(nanoseconds / 1000, 2)
end
