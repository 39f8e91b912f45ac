defmodule Linx.Netlink.Port.Server.Alarm do
  @moduledoc """
  The one timer of a server: it fires, as the message `:wake`, for whatever is due first.

  Times are in monotonic milliseconds.

  ## Example

      iex> alias Linx.Netlink.Port.Server.Alarm
      iex> now = System.monotonic_time(:millisecond)
      iex> alarm = %Alarm{} |> Alarm.set(now + 60_000) |> Alarm.set(nil) |> Alarm.set(now)
      iex> receive do: (:wake -> Alarm.set(alarm, now + 1) == alarm)
      true
      iex> Alarm.fired(alarm)
      %Alarm{}
  """

  defstruct [:at, :timer]

  @typedoc "When it fires, if it is set."
  @type t() :: %__MODULE__{at: integer() | nil, timer: reference() | nil}

  @doc "Has it fire at this time, if not before; `nil` is never."
  @spec set(t(), integer() | nil) :: t()
  def set(%__MODULE__{} = alarm, nil), do: alarm
  def set(%__MODULE__{at: at} = alarm, time) when at != nil and at <= time, do: alarm

  def set(%__MODULE__{timer: timer}, time) do
    _ = if timer, do: Process.cancel_timer(timer)
    %__MODULE__{at: time, timer: Process.send_after(self(), :wake, time, abs: true)}
  end

  @doc "It has fired, or another has that was set before it, and whose message was on its way already."
  @spec fired(t()) :: t()
  def fired(%__MODULE__{timer: timer}) do
    _ = if timer, do: Process.cancel_timer(timer)
    %__MODULE__{}
  end
end
