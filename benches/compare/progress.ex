defmodule Bench.Progress do
  @moduledoc "Tells on stderr what is being measured, and how long the rest takes, about."

  @every 5_000

  @doc """
  A function that is told of each round of a part before it begins. `seconds` is what the part takes
  about, `later` what comes after it.
  """
  def teller(words, rounds, seconds, later) do
    last = :atomics.new(1, [])
    :atomics.put(last, 1, now() - @every)

    fn round ->
      if now() - :atomics.get(last, 1) >= @every do
        :atomics.put(last, 1, now())
        left = later + seconds * (rounds - round + 1) / rounds
        IO.puts(:stderr, "about #{clock(left)} left: #{words}, round #{round} of #{rounds}")
      end
    end
  end

  defp now, do: System.monotonic_time(:millisecond)

  defp clock(seconds) do
    seconds = round(seconds)
    "#{div(seconds, 60)}:#{seconds |> rem(60) |> to_string() |> String.pad_leading(2, "0")}"
  end
end
