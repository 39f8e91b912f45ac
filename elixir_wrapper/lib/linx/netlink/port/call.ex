defmodule Linx.Netlink.Port.Call do
  @moduledoc "What a caller does, in its own process: asks a server, and waits."

  alias Linx.Netlink.Port.{Closer, Outcome, Requests, Wire}

  @epipe 32

  @typedoc """
  What a caller is told: what it asked for, with the id to acknowledge it by and to whom; the port
  program's `info` and the server's; or why there is none.
  """
  @type answer() ::
          {:ok, Outcome.opened(), Wire.id(), Closer.t()}
          | {:ok, map(), map(), Closer.t()}
          | {:error, {atom(), pos_integer()}}

  @doc """
  Asks for something and waits for the answer, which comes by the deadline (`deadline/1`).

  There is always an answer: a server that is not there, or goes away, is `{:port, EPIPE}`.

  ## Example

      iex> alias Linx.Netlink.Port.{Call, Wire}
      iex> {:ok, program, _server, _closer} = Call.request(Linx.Netlink.Port, :info, Wire.info(), nil)
      iex> program.protocol
      1
      iex> Call.request(:nobody, :info, Wire.info(), nil)
      {:error, {:port, 32}}
  """
  @spec request(GenServer.server(), Requests.expectation(), Wire.command(), integer() | nil) ::
          answer()
  def request(server, expect, command, deadline) do
    GenServer.call(server, {expect, command, deadline}, :infinity)
  catch
    :exit, _reason -> {:error, {:port, @epipe}}
  end

  @doc """
  The deadline of a call that may take so many milliseconds from now; `nil` leaves it to the server.

  The clock is the node's, so the time in the server's queue counts too.
  """
  @spec deadline(pos_integer() | nil) :: integer() | nil
  def deadline(nil), do: nil
  def deadline(timeout), do: System.monotonic_time(:millisecond) + timeout
end
