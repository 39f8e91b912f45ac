defmodule Linx.Netlink.Port.Backoff do
  @moduledoc """
  How soon a port program that failed is started again.

  After the first failure at once; if the next one fails too, later and later, up to a second. An
  answered request is what tells a good one, and forgets the failures. In between calls fail at once,
  with the error of the last failure.
  """

  defstruct failures: 0, until: nil, code: nil

  @type t() :: %__MODULE__{
          failures: non_neg_integer(),
          until: integer() | nil,
          code: pos_integer() | nil
        }

  @first_delay 50
  @longest_delay 1_000

  @doc """
  Notes a failure at a time, in milliseconds.

      iex> alias Linx.Netlink.Port.Backoff
      iex> once = Backoff.failed(%Backoff{}, 0, 32)
      iex> Backoff.check(once, 0)
      :ok
      iex> twice = Backoff.failed(once, 0, 32)
      iex> {Backoff.check(twice, 49), Backoff.check(twice, 50)}
      {{:error, 32}, :ok}
      iex> often = Enum.reduce(1..100, twice, fn _, backoff -> Backoff.failed(backoff, 0, 32) end)
      iex> {Backoff.check(often, 999), Backoff.check(often, 1_000)}
      {{:error, 32}, :ok}
  """
  @spec failed(t(), integer(), pos_integer()) :: t()
  def failed(%__MODULE__{failures: failures}, now, code) do
    failures = failures + 1
    %__MODULE__{failures: failures, until: now + delay(failures), code: code}
  end

  @doc "Whether it may be started now; if not, why it failed last."
  @spec check(t(), integer()) :: :ok | {:error, pos_integer()}
  def check(%__MODULE__{until: until, code: code}, now) do
    if until == nil or now >= until, do: :ok, else: {:error, code}
  end

  defp delay(1), do: 0

  # Bounded before it is shifted: the failures of a week would make a number of megabytes.
  defp delay(failures) do
    min(Bitwise.bsl(@first_delay, min(failures - 2, 16)), @longest_delay)
  end
end
