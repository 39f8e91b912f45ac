defmodule Linx.Netlink.Port.Server.Sending do
  @moduledoc """
  When the server sends what is lined up: when nobody has anything more to say to it, after a reply, and
  again when the port program was behind with reading.
  """

  alias Linx.Netlink.Port.{Program, Wire}
  alias Linx.Netlink.Port.Server.{Health, Requests, State}

  # How soon to try again when the port program is behind with reading. Its every reply is a try too.
  @busy_delay 2

  @doc "Sends what nobody has tried to send yet."
  @spec send_unsent(State.t()) :: State.t()
  def send_unsent(%{unsent?: true} = state), do: flush(%{state | unsent?: false})
  def send_unsent(state), do: state

  @doc "Sends what may be sent now, and wakes the server when those who wait should not wait any longer."
  @spec flush(State.t()) :: State.t()
  def flush(state) do
    state = send_ready(state)
    State.wake_at(state, Requests.patience(state.requests))
  end

  defp send_ready(state) do
    if sendable?(state) do
      requests = Requests.flush(state.requests, State.now(), &send_request(state.program, &1, &2))
      retry_soon(%{state | requests: requests})
    else
      state
    end
  end

  # The descriptors first: the port program looks for them when it has read the request.
  defp send_request(program, id, commands) do
    {carried, commands} = commands |> Enum.map(&Wire.unload/1) |> Enum.unzip()

    with :ok <- Program.send_netnses(program, Enum.concat(carried)),
         do: Program.send_frame(program.port, Wire.frame(id, commands))
  end

  # One that is to end is sent nothing more: the next one gets it.
  defp sendable?(state) do
    State.up?(state) and Health.due(state.health) == nil and Requests.queued?(state.requests)
  end

  defp retry_soon(state) do
    if sendable?(state) do
      State.wake_at(state, State.now() + @busy_delay)
    else
      state
    end
  end
end
