defmodule Linx.Netlink.Port.Server.Backoff do
  @moduledoc """
  How soon a port program that failed is started again.

  A good one may die at any moment, its successors too: the first few failures in a row are forgiven,
  and calls wait for the next start. After that it is started later and later, up to a second, and in
  between calls fail at once, with the error of the last failure. An answered request is what tells a
  good one, and forgets the failures.

  Times are in monotonic milliseconds.
  """

  alias Linx.Netlink.Port.Errno

  defstruct failures: 0, until: nil, code: nil

  @typedoc """
  How many failures there were in a row; until when, in monotonic milliseconds, it isn't started; and the
  error number of the last one.
  """
  @type t() :: %__MODULE__{
          failures: non_neg_integer(),
          until: integer() | nil,
          code: Errno.reason() | nil
        }

  # In a row.
  @forgiven 3
  # In milliseconds.
  @first_delay 50
  @longest_delay 1_000

  @doc """
  Notes a failure at a time, in monotonic milliseconds, and its error number.

      iex> alias Linx.Netlink.Port.Server.Backoff
      iex> failed = fn backoff, times -> Enum.reduce(1..times, backoff, fn _, b -> Backoff.failed(b, 0, 32) end) end
      iex> forgiven = failed.(%Backoff{}, 3)
      iex> {Backoff.forgiven?(forgiven), Backoff.check(forgiven, 0)}
      {true, :ok}
      iex> once_more = failed.(forgiven, 1)
      iex> {Backoff.forgiven?(once_more), Backoff.check(once_more, 49), Backoff.check(once_more, 50)}
      {false, {:error, 32}, :ok}
      iex> often = failed.(forgiven, 100)
      iex> {Backoff.check(often, 999), Backoff.check(often, 1_000)}
      {{:error, 32}, :ok}
  """
  @spec failed(t(), integer(), Errno.reason()) :: t()
  def failed(%__MODULE__{failures: failures}, now, code) do
    failures = failures + 1
    %__MODULE__{failures: failures, until: now + delay(failures), code: code}
  end

  @doc """
  Whether it may be started at this time, in monotonic milliseconds; if not, why it failed last: an error
  number.
  """
  @spec check(t(), integer()) :: :ok | {:error, Errno.reason()}
  def check(%__MODULE__{until: until, code: code}, now) do
    if until == nil or now >= until, do: :ok, else: {:error, code}
  end

  @doc "Whether it is started again at once, so that calls may wait for it."
  @spec forgiven?(t()) :: boolean()
  def forgiven?(%__MODULE__{failures: failures}), do: failures <= @forgiven

  defp delay(failures) when failures <= @forgiven, do: 0

  # Bounded before it is shifted: the failures of a week would make a number of megabytes.
  defp delay(failures) do
    min(Bitwise.bsl(@first_delay, min(failures - @forgiven - 1, 16)), @longest_delay)
  end
end
