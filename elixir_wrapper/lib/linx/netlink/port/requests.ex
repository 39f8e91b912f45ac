defmodule Linx.Netlink.Port.Requests do
  @moduledoc """
  The requests that a server has taken and not yet answered.

  Each caller's request has an id. Ids grow and are never used again. So whatever comes for an id that
  isn't in here is late, and belongs to nobody; nothing has to be remembered to know that.

  A request is lined up, sent, and answered. What is on its way to the port program is a *flight*, with
  the id of the first request in it. Callers who ask for the same thing while it is under way share the
  next flight: they would wait for the same namespace file anyway. So they cost the port program one
  thread instead of one each, and where that file hangs, it holds up one thread for all of them.

  ## Example

      iex> alias Linx.Netlink.Port.{Requests, Wire}
      iex> deadline = System.monotonic_time(:millisecond) + 5_000
      iex> {id, requests} = Requests.add(%Requests{}, :probe, :info, deadline, Wire.info())
      iex> {id, Requests.count(requests), Requests.queued?(requests)}
      {1, 1, true}
      iex> requests = Requests.flush(requests, fn 1, _command, 1 -> :ok end)
      iex> {[{1, %{from: :probe, sends: 1}}], requests} = Requests.land(requests, 1)
      iex> {Requests.count(requests), Requests.known?(requests, 1), Requests.known?(requests, 2)}
      {0, true, false}
  """

  alias Linx.Netlink.Port.Wire

  defstruct next_id: 1, table: %{}, queue: :queue.new(), flights: %{}, under_way: %{}

  @typedoc "What a good reply brings: one descriptor, one for each of so many entries, or a map."
  @type expectation() :: :one | {:many, pos_integer()} | :info

  @typedoc "Who waits: a caller, or the server itself, which probes whether anybody answers."
  @type waiting() :: GenServer.from() | :probe

  @typedoc """
  A request: who waits, for what, how long (in monotonic milliseconds), what was asked, how often it was
  sent, and the flight that it is in.
  """
  @type request() :: %{
          from: waiting(),
          expect: expectation(),
          deadline: integer(),
          command: Wire.command(),
          sends: non_neg_integer(),
          flight: Wire.id() | nil
        }

  @typedoc "Sends the command of so many requests as one, by the id of the first: `:ok`, or not now."
  @type send() :: (Wire.id(), Wire.command(), pos_integer() -> :ok | term())

  @typedoc """
  The requests by id; those that are lined up, with those that share a flight together; the requests in
  each flight; and for what can be shared and is under way, the flight, and who waits for the next, the
  last one first.
  """
  @type t() :: %__MODULE__{
          next_id: Wire.id(),
          table: %{optional(Wire.id()) => request()},
          queue: :queue.queue([Wire.id(), ...]),
          flights: %{optional(Wire.id()) => {Wire.command(), [Wire.id(), ...]}},
          under_way: %{optional(Wire.command()) => {Wire.id(), [Wire.id()]}}
        }

  @doc "Takes a request and lines it up."
  @spec add(t(), waiting(), expectation(), integer(), Wire.command()) :: {Wire.id(), t()}
  def add(%__MODULE__{next_id: id, table: table} = requests, from, expect, deadline, command) do
    request = %{
      from: from,
      expect: expect,
      deadline: deadline,
      command: command,
      sends: 0,
      flight: nil
    }

    requests = %{requests | next_id: id + 1, table: Map.put(table, id, request)}
    {id, line_up(requests, [id])}
  end

  @doc "How many wait for an answer."
  @spec count(t()) :: non_neg_integer()
  def count(%__MODULE__{table: table}), do: map_size(table)

  @doc "Whether an id was ever given out."
  @spec known?(t(), Wire.id()) :: boolean()
  def known?(%__MODULE__{next_id: next_id}, id), do: id in 1..(next_id - 1)//1

  @doc "Whether requests wait to be sent."
  @spec queued?(t()) :: boolean()
  def queued?(%__MODULE__{queue: queue}), do: not :queue.is_empty(queue)

  @doc """
  Sends the requests that are lined up, as far as `send` takes them.

  Those whose time was up in the meantime, or whose caller is gone, are left out. Those that ask for what
  is under way already wait until it has landed.
  """
  @spec flush(t(), send()) :: t()
  def flush(%__MODULE__{} = requests, send) do
    case :queue.out(requests.queue) do
      {:empty, _queue} ->
        requests

      {{:value, ids}, queue} ->
        {wanted, unwanted} = Enum.split_with(ids, &wanted?(requests.table[&1]))
        rest = %{requests | queue: queue, table: Map.drop(requests.table, unwanted)}

        case launch(rest, wanted, send) do
          {:ok, requests} -> flush(requests, send)
          :not_now -> %{rest | queue: :queue.in_r(wanted, queue)}
        end
    end
  end

  @doc """
  Ends the flight that has been answered, and takes out the requests in it, with their ids. It is `nil`
  for those whose time was up. If there is no such flight, or none of it is left, there are none.
  """
  @spec land(t(), Wire.id()) :: {[{Wire.id(), request() | nil}], t()}
  def land(%__MODULE__{flights: flights, table: table} = requests, flight) do
    case Map.pop(flights, flight) do
      {nil, _flights} ->
        {[], requests}

      {{command, ids}, flights} ->
        landed = Enum.map(ids, &{&1, table[&1]})
        requests = %{requests | flights: flights, table: Map.drop(table, ids)}
        {landed, clear_way(requests, command, flight)}
    end
  end

  @doc "Takes out the requests whose time is up."
  @spec expire(t(), integer()) :: {[request()], t()}
  def expire(%__MODULE__{} = requests, now) do
    {expired, rest} = Enum.split_with(requests.table, fn {_id, it} -> it.deadline <= now end)
    expired = Enum.map(expired, &elem(&1, 1))
    {expired, Enum.reduce(expired, %{requests | table: Map.new(rest)}, &leave_flight/2)}
  end

  @doc "Takes out all requests."
  @spec clear(t()) :: {[request()], t()}
  def clear(%__MODULE__{table: table, next_id: next_id}) do
    {Map.values(table), %__MODULE__{next_id: next_id}}
  end

  @doc """
  What becomes of the requests when the port program dies: each is sent once more, to the next one.
  Takes out those that have been sent twice, and lines up all others again, oldest first.
  """
  @spec resend(t()) :: {[request()], t()}
  def resend(%__MODULE__{table: table, next_id: next_id}) do
    {failed, rest} =
      table
      |> Enum.sort()
      |> Enum.split_with(fn {_id, it} -> it.sends >= 2 or it.from == :probe end)

    requests =
      Enum.reduce(rest, %__MODULE__{next_id: next_id}, fn {id, request}, requests ->
        line_up(put_in(requests.table[id], %{request | flight: nil}), [id])
      end)

    {Enum.map(failed, &elem(&1, 1)), requests}
  end

  @doc "When the first of them runs out of time; `nil` if there is none."
  @spec next_deadline(t()) :: integer() | nil
  def next_deadline(%__MODULE__{table: table}) when table == %{}, do: nil

  def next_deadline(%__MODULE__{table: table}) do
    table |> Enum.map(fn {_id, request} -> request.deadline end) |> Enum.min()
  end

  defp line_up(requests, ids), do: %{requests | queue: :queue.in(ids, requests.queue)}

  defp wanted?(nil), do: false
  defp wanted?(%{from: :probe}), do: true
  defp wanted?(%{from: {pid, _tag}}), do: Process.alive?(pid)

  defp launch(requests, [], _send), do: {:ok, requests}

  defp launch(%{under_way: under_way} = requests, [id | _more] = ids, send) do
    %{^id => %{command: command}} = requests.table

    case under_way do
      %{^command => {flight, waiting}} ->
        {:ok,
         %{requests | under_way: %{under_way | command => {flight, Enum.reverse(ids, waiting)}}}}

      _nothing_like_it ->
        if send.(id, command, length(ids)) == :ok,
          do: {:ok, take_off(requests, command, ids)},
          else: :not_now
    end
  end

  defp take_off(requests, command, [flight | _more] = ids) do
    table =
      Enum.reduce(ids, requests.table, fn id, table ->
        Map.update!(table, id, &%{&1 | sends: &1.sends + 1, flight: flight})
      end)

    requests = %{
      requests
      | table: table,
        flights: Map.put(requests.flights, flight, {command, ids})
    }

    if Wire.shareable?(command),
      do: put_in(requests.under_way[command], {flight, []}),
      else: requests
  end

  # Whoever waited for this flight to land is next, all at once if one flight can hold them.
  defp clear_way(%{under_way: under_way} = requests, command, flight) do
    case under_way do
      %{^command => {^flight, waiting}} ->
        waiting
        |> Enum.reverse()
        |> Enum.chunk_every(Wire.most_shared(command))
        |> Enum.reduce(%{requests | under_way: Map.delete(under_way, command)}, &line_up(&2, &1))

      _another_or_none ->
        requests
    end
  end

  # Whatever holds it up, the next may fare better. What is left of it, and comes late, is somebody's yet.
  defp leave_flight(%{flight: nil}, requests), do: requests

  defp leave_flight(%{flight: flight, command: command}, requests) do
    requests = clear_way(requests, command, flight)

    case requests.flights do
      %{^flight => {_command, ids}} ->
        if Enum.any?(ids, &is_map_key(requests.table, &1)),
          do: requests,
          else: %{requests | flights: Map.delete(requests.flights, flight)}

      _gone ->
        requests
    end
  end
end
