defmodule Linx.Netlink.Port.Server.Requests do
  @moduledoc """
  The requests that a server has taken and not yet answered.

  Each caller's request has an id. Ids grow and are never used again, so that an answer which comes too
  late for its request can't be taken for another's.

  A request is lined up, sent, and answered. `Linx.Netlink.Port.Server.Flights` says which go together, and
  when.

  Times are in monotonic milliseconds.

  ## Example

      iex> alias Linx.Netlink.Port.Wire
      iex> alias Linx.Netlink.Port.Server.Requests
      iex> deadline = System.monotonic_time(:millisecond) + 5_000
      iex> {id, requests} = Requests.add(%Requests{}, :probe, :info, deadline, Wire.info())
      iex> {id, Requests.count(requests), Requests.queued?(requests)}
      {1, 1, true}
      iex> requests = Requests.flush(requests, 0, fn 2, [{:term, _info}] -> :ok end)
      iex> {[{1, %{from: :probe, sends: 1}}], requests} = Requests.land(requests, 2, 1)
      iex> {Requests.count(requests), Requests.under_way?(requests)}
      {0, false}
  """

  alias Linx.Netlink.Port.Wire
  alias Linx.Netlink.Port.Server.Flights

  defstruct next_id: 1, table: %{}, flights: %Flights{}

  @typedoc "What a good reply brings: one descriptor, one for each of so many entries, or a map."
  @type expectation() :: :one | {:many, pos_integer()} | :info

  @typedoc "Who waits: a caller, or the server itself, which probes whether anybody answers."
  @type waiting() :: GenServer.from() | :probe

  @typedoc """
  A request: who waits, for what, how long (in monotonic milliseconds), what was asked, how many port
  programs it was sent to, and the flight of this one that it left in last.
  """
  @type request() :: %{
          from: waiting(),
          expect: expectation(),
          deadline: integer(),
          command: Wire.command(),
          sends: non_neg_integer(),
          flight: Wire.id() | nil
        }

  @typedoc "Sends these commands as one request of this id: `:ok`, or not now."
  @type send() :: (Wire.id(), [Wire.command(), ...] -> :ok | term())

  @typedoc "The requests by id, and what is under way of them. Requests and flights share their numbers."
  @type t() :: %__MODULE__{
          next_id: Wire.id(),
          table: %{optional(Wire.id()) => request()},
          flights: Flights.t()
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

    flights = Flights.add(requests.flights, id, command)
    {id, %{requests | next_id: id + 1, table: Map.put(table, id, request), flights: flights}}
  end

  @doc """
  A request that was just lined up has been sent already, as this flight.

  ## Example

      iex> alias Linx.Netlink.Port.Server.Requests
      iex> {1, requests} = Requests.add(%Requests{}, {self(), :tag}, :one, 100, {:open, "red"})
      iex> requests = Requests.sent(requests, 1, 1_000, 0)
      iex> Requests.under_way?(requests)
      true
      iex> {[{1, %{sends: 1}}], requests} = Requests.land(requests, 1_000, 1)
      iex> Requests.count(requests)
      0
  """
  @spec sent(t(), Wire.id(), Wire.id(), integer()) :: t()
  def sent(%__MODULE__{table: table} = requests, id, flight, now) do
    %{^id => request} = table
    flights = Flights.left(requests.flights, {id, request.command}, flight, now)
    %{requests | table: %{table | id => sent(request, flight)}, flights: flights}
  end

  @doc "A request that was just lined up has been sent to one port program already, which is gone."
  @spec sent_before(t(), Wire.id()) :: t()
  def sent_before(%__MODULE__{table: table} = requests, id),
    do: %{requests | table: Map.update!(table, id, &%{&1 | sends: 1})}

  @doc "How many wait for an answer."
  @spec count(t()) :: non_neg_integer()
  def count(%__MODULE__{table: table}), do: map_size(table)

  @doc "Whether the port program has a request that it has not answered."
  @spec under_way?(t()) :: boolean()
  def under_way?(%__MODULE__{flights: flights}), do: Flights.under_way?(flights)

  @doc "Whether requests can be sent."
  @spec queued?(t()) :: boolean()
  def queued?(%__MODULE__{flights: flights}), do: Flights.ready?(flights)

  @doc """
  Sends the requests that are lined up and need not wait for others, as far as `send` takes them.

  Those whose time was up in the meantime, or whose caller is gone, are left out.
  """
  @spec flush(t(), integer(), send()) :: t()
  def flush(%__MODULE__{table: table} = requests, now, send) do
    case Flights.board(requests.flights) do
      {:none, flights} ->
        %{requests | flights: flights}

      {queue, party, flights} ->
        {wanted, unwanted} = Enum.split_with(party, fn {id, _command} -> wanted?(table[id]) end)

        table =
          Enum.reduce(unwanted, table, fn {id, _command}, table -> Map.delete(table, id) end)

        launch(%{requests | table: table, flights: flights}, queue, wanted, now, send)
    end
  end

  defp launch(requests, _queue, [], now, send), do: flush(requests, now, send)

  defp launch(%{next_id: flight} = requests, queue, party, now, send) do
    commands = Enum.map(party, fn {_id, command} -> command end)

    if send.(flight, commands) == :ok do
      table =
        Enum.reduce(party, requests.table, fn {id, _command}, table ->
          Map.update!(table, id, &sent(&1, flight))
        end)

      flights = Flights.launch(requests.flights, queue, flight, party, now)
      flush(%{requests | next_id: flight + 1, table: table, flights: flights}, now, send)
    else
      %{requests | flights: Flights.put_back(requests.flights, queue, party)}
    end
  end

  # To the same port program again, if it is in a flight already.
  defp sent(%{flight: nil, sends: sends} = it, flight),
    do: %{it | sends: sends + 1, flight: flight}

  defp sent(it, flight), do: %{it | flight: flight}

  @doc """
  Ends the flight that has been answered, and takes out the requests in it, with their ids. It is `nil`
  for those whose time was up, or who were answered by another. If there is no such flight, there are
  none.
  """
  @spec land(t(), Wire.id(), integer(), Flights.landing()) ::
          {[{Wire.id(), request() | nil}], t()}
  def land(%__MODULE__{table: table} = requests, flight, now, landing \\ :served) do
    {ids, flights} = Flights.land(requests.flights, flight, now, landing)
    landed = Enum.map(ids, &{&1, table[&1]})
    {landed, %{requests | table: Map.drop(table, ids), flights: flights}}
  end

  @doc """
  The same for a flight that the port program had no place for: requests that are in another one, too,
  wait for that.

  ## Example

      iex> alias Linx.Netlink.Port.Server.Requests
      iex> send = fn _flight, _commands -> :ok end
      iex> both = fn requests ->
      ...>   {_id, requests} = Requests.add(requests, {self(), make_ref()}, :one, 5_000, {:open, "red"})
      ...>   {_id, requests} = Requests.add(requests, {self(), make_ref()}, :one, 5_000, {:open, "blue"})
      ...>   Requests.flush(requests, 0, send)
      ...> end
      iex> {[{1, _red}], requests} = %Requests{} |> both.() |> Requests.land(3, 0)
      iex> {[{2, _blue}], requests} = Requests.land(requests, 4, 0)
      iex> requests = both.(requests)
      iex> {[], requests} = Requests.expire(requests, Requests.patience(requests))
      iex> requests = Requests.flush(requests, 20, send)
      iex> {[{_id, nil}], requests} = Requests.turn_away(requests, 8, 21)
      iex> {[{6, %{}}, {5, %{}}], requests} = Requests.land(requests, 7, 22)
      iex> Requests.count(requests)
      0
  """
  @spec turn_away(t(), Wire.id(), integer()) :: {[{Wire.id(), request() | nil}], t()}
  def turn_away(%__MODULE__{table: table} = requests, flight, now) do
    {landed, requests} = land(requests, flight, now, :refused)
    waiting = for {id, _} <- landed, Flights.aboard?(requests.flights, id), do: id
    landed = for {id, it} <- landed, do: {id, if(id not in waiting, do: it)}
    {landed, %{requests | table: Map.merge(requests.table, Map.take(table, waiting))}}
  end

  @doc """
  Takes out the requests whose time is up. Nobody waits any longer for what takes too long.

  ## Example

      iex> alias Linx.Netlink.Port.Wire
      iex> alias Linx.Netlink.Port.Server.Requests
      iex> {1, requests} = Requests.add(%Requests{}, :probe, :info, 100, Wire.info())
      iex> {2, requests} = Requests.add(requests, :probe, :info, 200, Wire.info())
      iex> {[%{deadline: 100}], requests} = Requests.expire(requests, 100)
      iex> {Requests.count(requests), Requests.next_deadline(requests)}
      {1, 200}
  """
  @spec expire(t(), integer()) :: {[request()], t()}
  def expire(%__MODULE__{} = requests, now) do
    {expired, rest} = Enum.split_with(requests.table, fn {_id, it} -> it.deadline <= now end)
    flights = Flights.lose_patience(requests.flights, now)
    flights = Enum.reduce(expired, flights, fn {_id, it}, flights -> give_up(flights, it) end)
    commands = for {_id, it} <- expired, uniq: true, do: it.command
    ids = Map.new(expired)
    flights = Enum.reduce(commands, flights, &Flights.forget(&2, &1, ids))
    {Map.values(ids), %{requests | table: Map.new(rest), flights: flights}}
  end

  # It was in a flight, or waited for one.
  defp give_up(flights, %{flight: nil, command: command}),
    do: Flights.give_up_all(flights, command)

  defp give_up(flights, %{flight: flight}), do: Flights.give_up(flights, flight)

  @doc """
  Takes out all requests.

  ## Example

      iex> alias Linx.Netlink.Port.Wire
      iex> alias Linx.Netlink.Port.Server.Requests
      iex> {1, requests} = Requests.add(%Requests{}, :probe, :info, 100, Wire.info())
      iex> {[%{from: :probe}], requests} = Requests.clear(requests)
      iex> {Requests.count(requests), Requests.queued?(requests)}
      {0, false}
  """
  @spec clear(t()) :: {[request()], t()}
  def clear(%__MODULE__{table: table, next_id: next_id}) do
    {Map.values(table), %__MODULE__{next_id: next_id}}
  end

  @doc """
  What becomes of the requests when the port program dies: each is sent once more, to the next one.
  Takes out those that have been sent twice, and lines up all others again, oldest first.

  ## Example

      iex> alias Linx.Netlink.Port.Server.Requests
      iex> from = {self(), make_ref()}
      iex> send = fn _flight, _commands -> :ok end
      iex> {1, requests} = Requests.add(%Requests{}, from, :one, 100, {:open, "red"})
      iex> {[], requests} = requests |> Requests.flush(0, send) |> Requests.resend()
      iex> Requests.queued?(requests)
      true
      iex> {[%{from: ^from}], requests} = requests |> Requests.flush(0, send) |> Requests.resend()
      iex> Requests.queued?(requests)
      false
  """
  @spec resend(t()) :: {[request()], t()}
  def resend(%__MODULE__{table: table, next_id: next_id}) do
    {failed, rest} =
      table
      |> Enum.sort()
      |> Enum.split_with(fn {_id, it} -> it.sends >= 2 or it.from == :probe end)

    requests =
      Enum.reduce(rest, %__MODULE__{next_id: next_id}, fn {id, request}, requests ->
        table = Map.put(requests.table, id, %{request | flight: nil})
        %{requests | table: table, flights: Flights.add(requests.flights, id, request.command)}
      end)

    {Enum.map(failed, &elem(&1, 1)), requests}
  end

  @doc """
  When the first of them runs out of time; `nil` if there is none.

  ## Example

      iex> alias Linx.Netlink.Port.Wire
      iex> alias Linx.Netlink.Port.Server.Requests
      iex> {1, requests} = Requests.add(%Requests{}, :probe, :info, 100, Wire.info())
      iex> {Requests.next_deadline(requests), Requests.next_deadline(%Requests{})}
      {100, nil}
  """
  @spec next_deadline(t()) :: integer() | nil
  def next_deadline(%__MODULE__{table: table}) when table == %{}, do: nil

  def next_deadline(%__MODULE__{table: table}) do
    table |> Enum.map(fn {_id, request} -> request.deadline end) |> Enum.min()
  end

  @doc """
  When a flight that others wait for has taken too long; `nil` if there is none.

  ## Example

      iex> alias Linx.Netlink.Port.Server.Requests
      iex> same = fn requests, now ->
      ...>   {_id, requests} = Requests.add(requests, {self(), make_ref()}, :one, 5_000, {:open, "red"})
      ...>   Requests.flush(requests, now, fn _flight, _commands -> :ok end)
      ...> end
      iex> {[{1, _first}], requests} = %Requests{} |> same.(0) |> Requests.land(2, 1)
      iex> requests = requests |> same.(100) |> same.(101)
      iex> {Requests.patience(requests), Requests.patience(%Requests{})}
      {120, nil}
  """
  @spec patience(t()) :: integer() | nil
  def patience(%__MODULE__{flights: flights}), do: Flights.patience(flights)

  defp wanted?(nil), do: false
  defp wanted?(%{from: :probe}), do: true
  defp wanted?(%{from: {pid, _tag}}), do: Process.alive?(pid)
end
