defmodule Linx.Netlink.Port.Server.State do
  @moduledoc """
  What a server knows, and what it tells of itself.

  Only the server's own process has it: its alarm goes off there.
  """

  alias Linx.Netlink.Port.{Errno, Lane, Program, Settings, Wire}
  alias Linx.Netlink.Port.Descriptor.Closer
  alias Linx.Netlink.Port.Program.Executable
  alias Linx.Netlink.Port.Server.{Alarm, Backoff, Delivery, Health, Requests, Strays}

  @enforce_keys [:settings, :closer, :lane]
  defstruct [
    :settings,
    :closer,
    # How a caller gets past the server, and what came of it.
    :lane,
    strays: %Strays{},
    # Who was in the lane when it was closed, and may still be.
    in_lane: %{},
    # The port program, if there is one, and how it is doing.
    program: nil,
    health: nil,
    requests: %Requests{},
    backoff: %Backoff{},
    # Whether others waited when the last answer came: then they are better served together than in the lane.
    crowded?: false,
    # Whether there are requests that nobody has tried to send yet.
    unsent?: false,
    alarm: %Alarm{},
    starts: 0
  ]

  @type t() :: %__MODULE__{
          settings: Settings.t(),
          closer: Closer.t(),
          program: Program.t() | nil,
          health: Health.t() | nil,
          requests: Requests.t(),
          lane: Lane.t(),
          strays: Strays.t(),
          in_lane: %{optional(Wire.id()) => true},
          backoff: Backoff.t(),
          crowded?: boolean(),
          unsent?: boolean(),
          alarm: Alarm.t(),
          starts: non_neg_integer()
        }

  @doc "Whether there is a port program that takes requests."
  @spec up?(t()) :: boolean()
  def up?(%__MODULE__{health: health}), do: Health.up?(health)

  @doc "Takes a request, to be sent as soon as nobody has anything more to say."
  @spec take(t(), Requests.waiting(), Requests.expectation(), integer(), Wire.command()) ::
          {Wire.id(), t()}
  def take(state, from, expect, deadline, command) do
    {id, requests} = Requests.add(state.requests, from, expect, deadline, command)
    {id, %{state | requests: requests, unsent?: true}}
  end

  @doc "Whether an answer of the port program is still to come."
  @spec expecting?(t()) :: boolean()
  def expecting?(state),
    do: Requests.under_way?(state.requests) or Strays.awaited?(state.strays)

  @doc "Whether nobody waits for the server to do something."
  @spec idle?(t()) :: boolean()
  def idle?(state) do
    not state.unsent? and Requests.count(state.requests) == 0 and
      not Strays.early?(state.strays) and Health.due(state.health) == nil
  end

  @doc "Closes the lane, and remembers who is in it."
  @spec close_lane(t()) :: t()
  def close_lane(state) do
    case Lane.close(state.lane) do
      nil -> state
      flight -> %{state | in_lane: Map.put(state.in_lane, flight, true)}
    end
  end

  @doc "The one who sent this flight is not in the lane any more. It is closed."
  @spec left_lane(t(), Wire.id()) :: t()
  def left_lane(state, flight) do
    state = close_lane(state)
    %{state | in_lane: Map.delete(state.in_lane, flight)}
  end

  @doc "Tells all who wait that the port program can't be used, and why."
  @spec fail_all(t(), Errno.reason()) :: t()
  def fail_all(state, code), do: state.requests |> Requests.clear() |> failed(state, code)

  @doc "Lines up again what a port program that died has not answered. What was sent twice has failed."
  @spec resend(t(), pos_integer()) :: t()
  def resend(state, code), do: state.requests |> Requests.resend() |> failed(state, code)

  defp failed({failed, requests}, state, code) do
    Enum.each(failed, &Delivery.fail(&1, code))
    %{state | requests: requests}
  end

  @doc "Has the server woken at this time, in monotonic milliseconds, if not before; `nil` is never."
  @spec wake_at(t(), integer() | nil) :: t()
  def wake_at(state, time), do: %{state | alarm: Alarm.set(state.alarm, time)}

  @doc "The time that all of this is told in."
  @spec now() :: integer()
  def now, do: System.monotonic_time(:millisecond)

  @doc "In whose name a reply is delivered."
  @spec sender(t()) :: Delivery.sender()
  def sender(state) do
    %{closer: state.closer, program: state.program, info: fn -> info(state) end}
  end

  defp info(state) do
    %{
      in_flight: Requests.count(state.requests),
      starts: state.starts,
      executable: Executable.path(state.settings)
    }
  end

  @doc "What is said with each event of its port program."
  @spec metadata(t(), map()) :: map()
  def metadata(state, more) do
    Map.merge(%{server: self(), executable: Executable.path(state.settings)}, more)
  end
end
