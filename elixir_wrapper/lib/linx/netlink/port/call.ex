defmodule Linx.Netlink.Port.Call do
  @moduledoc "What a caller does, in its own process: asks a server, and waits."

  alias Linx.Netlink.Port.{Errno, Lane, Wire}
  alias Linx.Netlink.Port.Descriptor.Closer
  alias Linx.Netlink.Port.Server.{Outcome, Requests}

  @epipe 32
  @enotconn 107

  @typedoc """
  What a caller is told: what it asked for, with the id to acknowledge it by and to whom; the port
  program's `info` and the server's; or why there is none.
  """
  @type answer() ::
          {:ok, Outcome.opened(), Wire.id(), Closer.t()}
          | {:ok, map(), map(), Closer.t()}
          | {:error, {atom(), Errno.reason()}}

  @typedoc "When a call began, in monotonic milliseconds, and how many it may take."
  @type time() :: {integer(), pos_integer() | nil}

  @doc """
  Asks for something and waits for the answer, which comes in time (`time/1`).

  There is always an answer: a server that is not there is `{:port, :no_server}`, one that goes away
  meanwhile `{:port, EPIPE}`; where the application isn't started, it is `{:port, ENOTCONN}`.

  ## Example

      iex> alias Linx.Netlink.Port.{Call, Wire}
      iex> {:ok, program, _server, _closer} = Call.request(Linx.Netlink.Port, :info, Wire.info(), Call.time(nil))
      iex> program.protocol
      1
      iex> Call.request(:nobody, :info, Wire.info(), Call.time(1_000))
      {:error, {:port, :no_server}}
  """
  @spec request(GenServer.server(), Requests.expectation(), Wire.command(), time()) :: answer()
  def request(server, expect, command, time) do
    request = {expect, command, time}

    case Lane.request(server, expect, command) do
      :closed -> ask(server, request)
      {:late, lane, flight} -> hand_over(lane, flight, request)
      answer -> answer
    end
  end

  # To the server whose lane it was: by now another may have its name.
  defp hand_over(lane, flight, request) do
    with {:error, reason} <- ask(lane.server, {:handed_over, flight, request}) do
      # One that is gone has not heard of it.
      Closer.claimed(lane.closer, flight)
      {:error, if(reason == {:port, :no_server}, do: {:port, @epipe}, else: reason)}
    end
  end

  defp ask(server, request) do
    GenServer.call(server, request, :infinity)
  catch
    :exit, reason -> {:error, {:port, lost(reason)}}
  end

  defp lost(reason) do
    cond do
      not started?() -> @enotconn
      match?({:noproc, _call}, reason) -> :no_server
      true -> @epipe
    end
  end

  # The application's controller may be busy with starting or stopping others, and is not to be waited for.
  defp started?, do: Process.whereis(Linx.Netlink.Port.Application.Supervisor) != nil

  @doc """
  The time of a call that begins now and may take so many milliseconds, the server's number of them if it
  is `nil`.

  The clock is the node's, so the time in the server's queue counts too.

  ## Example

      iex> {asked_at, 1_000} = Linx.Netlink.Port.Call.time(1_000)
      iex> asked_at <= System.monotonic_time(:millisecond)
      true
  """
  @spec time(pos_integer() | nil) :: time()
  def time(timeout), do: {System.monotonic_time(:millisecond), timeout}
end
