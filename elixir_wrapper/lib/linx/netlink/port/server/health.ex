defmodule Linx.Netlink.Port.Server.Health do
  @moduledoc """
  What is held against a port program, and until when it may go on.

    * One that starts must say hello in time.
    * One that has closed what it is talked to by is about to end, and may have to be helped.
    * A newer one may say things that are not known here. One that says nothing else is none.
    * When a request runs out of time, a *probe* asks the port program for its `info`: one that is stopped,
      or caught in a loop, doesn't answer that either.

  Times are in monotonic milliseconds.

  ## Example

      iex> alias Linx.Netlink.Port.Server.Health
      iex> health = Health.starting(1_000, 5_000)
      iex> {Health.up?(health), Health.due(health), Health.verdict(health, 5_999)}
      {false, 6_000, nil}
      iex> Health.verdict(health, 6_000)
      {110, "did not say hello within 5000 ms; is it the right file?"}
      iex> health = Health.up(health)
      iex> {Health.up?(health), Health.due(health)}
      {true, nil}
      iex> health = health |> Health.condemn(9_000, 32, "has ended") |> Health.condemn(9_500, 71, "is late")
      iex> Health.verdict(health, 9_500)
      {32, "has ended"}
  """

  alias Linx.Netlink.Port.Wire

  @etimedout 110
  @eproto 71
  @most_strange 16
  @most_told 4

  @enforce_keys [:up?, :end]
  defstruct [:up?, :end, strange: 0, probe: nil]

  @typedoc """
  Whether it has said hello; when it is ended, if nothing changes, with which error number and words; how much
  of what it said was not understood; and the id of the probe that it has not answered.
  """
  @type t() :: %__MODULE__{
          up?: boolean(),
          end: {integer(), pos_integer(), String.t()} | nil,
          strange: non_neg_integer(),
          probe: Wire.id() | nil
        }

  @doc "One that has just been started, and has so many milliseconds to say hello."
  @spec starting(integer(), pos_integer()) :: t()
  def starting(now, timeout) do
    words = "did not say hello within #{timeout} ms; is it the right file?"
    %__MODULE__{up?: false, end: {now + timeout, @etimedout, words}}
  end

  @doc "It has said hello."
  @spec up(t()) :: t()
  def up(%__MODULE__{} = health), do: %{health | up?: true, end: nil}

  @doc "Whether it takes requests; `nil` is where there is none."
  @spec up?(t() | nil) :: boolean()
  def up?(health), do: health != nil and health.up?

  @doc "Has it end at a time, with an error number and words, unless it is to end before."
  @spec condemn(t(), integer(), pos_integer(), String.t()) :: t()
  def condemn(%__MODULE__{end: {earlier, _code, _words}} = health, time, _, _)
      when earlier <= time,
      do: health

  def condemn(%__MODULE__{} = health, time, code, words),
    do: %{health | end: {time, code, words}}

  @doc """
  It has said something that was not understood. It is forgiven, and the first times are worth telling of; or it
  has said enough of that, and is to end.

  ## Example

      iex> alias Linx.Netlink.Port.Server.Health
      iex> health = Health.up(Health.starting(0, 5_000))
      iex> again = fn {_outcome, health} -> Health.strange(health, 1) end
      iex> outcomes = health |> Health.strange(1) |> Stream.iterate(again) |> Enum.take(17)
      iex> for {outcome, times} <- outcomes |> Enum.map(&elem(&1, 0)) |> Enum.frequencies() |> Enum.sort(), do: {outcome, times}
      [condemned: 1, forgiven: 12, told: 4]
  """
  @spec strange(t(), integer()) :: {:told | :forgiven | :condemned, t()}
  def strange(%__MODULE__{strange: @most_strange} = health, now) do
    # Not at once: there may be more of its, and descriptors with them.
    words = "sends what can't be understood, again and again; it is replaced"
    {:condemned, condemn(health, now, @eproto, words)}
  end

  def strange(%__MODULE__{strange: strange} = health, _now),
    do: {if(strange < @most_told, do: :told, else: :forgiven), %{health | strange: strange + 1}}

  @doc """
  The request of this id probes it. `probe?/1` says whether there is a need: it is up, and not probed yet.

  ## Example

      iex> alias Linx.Netlink.Port.Server.Health
      iex> health = 0 |> Health.starting(5_000) |> Health.up()
      iex> probed = Health.probe(health, 7)
      iex> {Health.probe?(health), Health.probe?(probed), Health.hung?(probed, 7)}
      {true, false, true}
      iex> probed |> Health.answered([6, 7]) |> Health.hung?(7)
      false
  """
  @spec probe(t(), Wire.id()) :: t()
  def probe(%__MODULE__{} = health, id), do: %{health | probe: id}

  @doc "Whether it may be probed: it is up, and no probe is under way. `nil` is where there is none."
  @spec probe?(t() | nil) :: boolean()
  def probe?(health), do: up?(health) and health.probe == nil

  @doc "It has answered these requests."
  @spec answered(t(), [Wire.id()]) :: t()
  def answered(%__MODULE__{probe: nil} = health, _ids), do: health

  def answered(%__MODULE__{probe: probe} = health, ids),
    do: if(probe in ids, do: %{health | probe: nil}, else: health)

  @doc "Whether it still owes the answer to this probe. `nil` is where there is none."
  @spec hung?(t() | nil, Wire.id()) :: boolean()
  def hung?(health, id), do: health != nil and health.probe == id

  @doc "When it is to end; `nil` if it isn't."
  @spec due(t() | nil) :: integer() | nil
  def due(%__MODULE__{end: {time, _code, _words}}), do: time
  def due(_none), do: nil

  @doc "With which error number and words it is to end, if it is time."
  @spec verdict(t() | nil, integer()) :: {pos_integer(), String.t()} | nil
  def verdict(%__MODULE__{end: {time, code, words}}, now) when time <= now, do: {code, words}
  def verdict(_none_or_not_yet, _now), do: nil
end
