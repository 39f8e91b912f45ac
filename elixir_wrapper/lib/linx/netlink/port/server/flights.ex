defmodule Linx.Netlink.Port.Server.Flights do
  @moduledoc """
  Which requests go to the port program together, and when.

  What is on its way to the port program is a *flight*: one request of its, for one caller or for
  several. A thread serves it, so a flight of many costs one thread instead of one each. Until then,
  requests wait in queues, and all of a queue leave together:

    * `:quick`, for sockets that were opened, or failed, quickly the last time, wherever they lead. Two flights at
      most are under way, and the second only leaves with four requests or more: while the port program
      serves some of the callers, the others are being answered.
    * `{:same, command}`, for a socket of which that is not known. One flight is under way. Those who
      wait for it would wait for the same namespace file anyway, and share the next one.
    * `:carrying`, for sockets in namespaces whose descriptors are sent before. One flight is under way, so
      that no more descriptors wait in the port program than it keeps. None of them can hang: what is open
      already doesn't have to be found.
    * `{:alone, id}`, for all else: leaves at once.

  A namespace file can begin to hang. So a quick flight that has not landed after 20 ms is not waited for
  by anybody else: what it asked for doesn't count as quick any more, and is asked for once more, each on
  its own. Where such a file hangs, it holds up one thread for all who ask for it, and one for the flight
  that it was in. When the time of one of them is up, the next flight leaves: the file may have been
  replaced. But not while four are in the air that nobody waits for.

  Times are in monotonic milliseconds.

  ## Example

      iex> alias Linx.Netlink.Port.Server.Flights
      iex> {red, blue} = {{:open, "red"}, {:open, "blue"}}
      iex> flights = %Flights{} |> Flights.add(1, red) |> Flights.add(2, red) |> Flights.add(3, blue)
      iex> {Flights.ready?(flights), Flights.under_way?(flights)}
      {true, false}
      iex> {queue, party, flights} = Flights.board(flights)
      iex> party
      [{1, red}, {2, red}]
      iex> flights = Flights.launch(flights, queue, 4, party, 0)
      iex> {Flights.under_way?(flights), Flights.aboard?(flights, 2), Flights.aboard?(flights, 3)}
      {true, true, false}
      iex> {[1, 2], flights} = Flights.land(flights, 4, 0)
      iex> {{:same, ^blue}, [{3, ^blue}], _flights} = Flights.board(flights)
  """

  alias Linx.Netlink.Port.Server.Queue
  alias Linx.Netlink.Port.Wire

  # In milliseconds. Most requests take less than one.
  @patience 20
  # What is remembered: some hundred kilobytes, with paths of the usual length.
  @most_quick 1_024

  defstruct queues: %{}, ready: :queue.new(), flights: %{}, quick: %{}

  @typedoc "How a flight landed: it was served, well or not, or the port program did not take it."
  @type landing() :: :served | :refused

  @typedoc """
  The queues; the names of those that something may leave from, perhaps; the flights in the air, with their
  queue, and when they left; and what was opened quickly.
  """
  @type t() :: %__MODULE__{
          queues: %{optional(Queue.name()) => Queue.t()},
          ready: :queue.queue(Queue.name()),
          flights: %{
            optional(Wire.id()) => %{
              queue: Queue.name(),
              party: [Queue.passenger(), ...],
              since: integer()
            }
          },
          quick: %{optional(Wire.command()) => true}
        }

  @doc "Lets a request wait."
  @spec add(t(), Wire.id(), Wire.command()) :: t()
  def add(%__MODULE__{} = flights, id, command) do
    update(flights, name(flights, id, command), &Queue.wait(&1, {id, command}))
  end

  @doc "Whether a flight has not landed, awaited or not."
  @spec under_way?(t()) :: boolean()
  def under_way?(%__MODULE__{flights: flights}), do: flights != %{}

  @doc "Whether something may leave. `board/1` tells for certain."
  @spec ready?(t()) :: boolean()
  def ready?(%__MODULE__{ready: ready}), do: not :queue.is_empty(ready)

  @doc """
  Those who are to leave next, and from which queue: all who wait there, as far as one request can hold
  them.

  They are in none then: `launch/5` says that they have left, `put_back/3` that they could not.
  """
  @spec board(t()) :: {Queue.name(), [Queue.passenger(), ...], t()} | {:none, t()}
  def board(%__MODULE__{} = flights) do
    case :queue.out(flights.ready) do
      {:empty, _ready} ->
        {:none, flights}

      {{:value, name}, ready} ->
        flights = %{flights | ready: ready}
        queue = queue(flights, name)

        if Queue.may_leave?(name, queue) do
          {party, queue} = Queue.take(queue)
          {name, party, update(flights, name, fn _queue -> queue end)}
        else
          board(flights)
        end
    end
  end

  @doc "A party has left, as the flight of this id."
  @spec launch(t(), Queue.name(), Wire.id(), [Queue.passenger(), ...], integer()) :: t()
  def launch(%__MODULE__{} = flights, name, id, party, now) do
    flight = %{queue: name, party: party, since: now}

    flights = %{flights | flights: Map.put(flights.flights, id, flight)}
    update(flights, name, &Queue.launch(&1, id))
  end

  @doc "One who was let wait last has left already, as the flight of this id."
  @spec left(t(), Queue.passenger(), Wire.id(), integer()) :: t()
  def left(%__MODULE__{} = flights, {id, command} = passenger, flight, now) do
    name = name(flights, id, command)
    {_out, queue} = flights |> queue(name) |> Queue.take_out(&(&1 == passenger))
    flights |> put(name, queue) |> launch(name, flight, [passenger], now)
  end

  @doc """
  A party could not leave: it is the next again.

  ## Example

      iex> alias Linx.Netlink.Port.Server.Flights
      iex> flights = %Flights{} |> Flights.add(1, {:open, "red"}) |> Flights.add(2, {:open, "blue"})
      iex> {queue, [{1, _red}] = party, flights} = Flights.board(flights)
      iex> {^queue, again, _flights} = flights |> Flights.put_back(queue, party) |> Flights.board()
      iex> again
      [{1, {:open, "red"}}]
  """
  @spec put_back(t(), Queue.name(), [Queue.passenger(), ...]) :: t()
  def put_back(%__MODULE__{} = flights, name, party) do
    queue = flights |> queue(name) |> Queue.put_back(party)
    put(%{flights | ready: :queue.in_r(name, flights.ready)}, name, queue)
  end

  @doc "A flight has been answered: who was in it. There is none twice."
  @spec land(t(), Wire.id(), integer(), landing()) :: {[Wire.id()], t()}
  def land(%__MODULE__{} = flights, id, now, landing \\ :served) do
    case flights.flights do
      %{^id => %{queue: name, party: party, since: since}} ->
        flights = %{flights | flights: Map.delete(flights.flights, id)}
        flights = update(flights, name, &Queue.land(&1, id))
        quick? = landing == :served and now - since < @patience
        flights = if quick?, do: remember(flights, party), else: flights
        {Enum.map(party, fn {id, _command} -> id end), flights}

      _no_such_flight ->
        {[], flights}
    end
  end

  @doc "Whether a request is in a flight that has not landed."
  @spec aboard?(t(), Wire.id()) :: boolean()
  def aboard?(%__MODULE__{flights: flights}, id),
    do: Enum.any?(flights, fn {_flight, %{party: party}} -> List.keymember?(party, id, 0) end)

  @doc """
  Lets nobody wait for this flight any longer. Whatever holds it up, the next may fare better.

  ## Example

      iex> alias Linx.Netlink.Port.Server.Flights
      iex> {queue, party, flights} = %Flights{} |> Flights.add(1, {:open, "red"}) |> Flights.board()
      iex> flights = flights |> Flights.launch(queue, 10, party, 0) |> Flights.add(2, {:open, "red"})
      iex> {Flights.ready?(flights), flights |> Flights.give_up(10) |> Flights.ready?()}
      {false, true}
  """
  @spec give_up(t(), Wire.id()) :: t()
  def give_up(%__MODULE__{} = flights, id) do
    # Those who were in it with others are not to wait either.
    quick? = id in queue(flights, :quick).under_way
    flights = if quick?, do: ask_each(flights, id), else: flights
    set_aside(flights, id)
  end

  defp set_aside(flights, id) do
    case flights.flights do
      %{^id => %{queue: name}} ->
        update(flights, name, &Queue.give_up(&1, id))

      _landed ->
        flights
    end
  end

  @doc """
  The same for the flights that others wait for who ask for this, and for nothing else.

  ## Example

      iex> alias Linx.Netlink.Port.Server.Flights
      iex> {queue, party, flights} = %Flights{} |> Flights.add(1, {:open, "red"}) |> Flights.board()
      iex> flights = flights |> Flights.launch(queue, 10, party, 0) |> Flights.add(2, {:open, "red"})
      iex> for name <- ["blue", "red"],
      ...>     do: flights |> Flights.give_up_all({:open, name}) |> Flights.ready?()
      [false, true]
  """
  @spec give_up_all(t(), Wire.command()) :: t()
  def give_up_all(%__MODULE__{} = flights, command) do
    under_way = queue(flights, {:same, command}).under_way
    Enum.reduce(under_way, flights, &give_up(&2, &1))
  end

  @doc """
  Takes requests out of the queue of those who wait for the same: the ones whose ids are in a map.

  ## Example

      iex> alias Linx.Netlink.Port.Server.Flights
      iex> flights = %Flights{} |> Flights.add(1, {:open, "red"}) |> Flights.add(2, {:open, "red"})
      iex> {_queue, party, _flights} =
      ...>   flights |> Flights.forget({:open, "red"}, %{1 => true}) |> Flights.board()
      iex> party
      [{2, {:open, "red"}}]
  """
  @spec forget(t(), Wire.command(), %{optional(Wire.id()) => term()}) :: t()
  def forget(%__MODULE__{} = flights, command, ids) do
    {_forgotten, queue} =
      flights |> queue({:same, command}) |> Queue.take_out(fn {id, _} -> is_map_key(ids, id) end)

    put(flights, {:same, command}, queue)
  end

  @doc """
  When the first quick flight that matters to others has taken too long; `nil` if there is none.

  ## Example

      iex> alias Linx.Netlink.Port.Server.Flights
      iex> leave = fn flights, id, now ->
      ...>   {queue, party, flights} = Flights.board(flights)
      ...>   Flights.launch(flights, queue, id, party, now)
      ...> end
      iex> flights = %Flights{} |> Flights.add(1, {:open, "red"}) |> leave.(10, 0)
      iex> {[1], flights} = Flights.land(flights, 10, 1)
      iex> flights = flights |> Flights.add(2, {:open, "red"}) |> leave.(11, 100)
      iex> {Flights.patience(flights), flights |> Flights.add(3, {:open, "red"}) |> Flights.patience()}
      {nil, 120}
  """
  @spec patience(t()) :: integer() | nil
  def patience(%__MODULE__{queues: %{quick: %{under_way: [_ | _] = ids, count: count}}} = flights) do
    under_way = Enum.map(ids, &Map.fetch!(flights.flights, &1))

    if count > 0 or Enum.any?(under_way, &match?(%{party: [_, _ | _]}, &1)),
      do: under_way |> Enum.map(&(&1.since + @patience)) |> Enum.min()
  end

  def patience(%__MODULE__{}), do: nil

  @doc """
  Deals with the quick flights that have taken too long.

  ## Example

      iex> alias Linx.Netlink.Port.Server.Flights
      iex> leave = fn flights, id, now ->
      ...>   {queue, party, flights} = Flights.board(flights)
      ...>   Flights.launch(flights, queue, id, party, now)
      ...> end
      iex> both = &(&1 |> Flights.add(&2, {:open, "red"}) |> Flights.add(&3, {:open, "blue"}))
      iex> flights = %Flights{} |> both.(1, 2) |> leave.(10, 0) |> leave.(11, 0)
      iex> {[1], flights} = Flights.land(flights, 10, 1)
      iex> {[2], flights} = Flights.land(flights, 11, 1)
      iex> {:none, flights} = flights |> both.(3, 4) |> leave.(12, 100) |> Flights.board()
      iex> {_queue, alone, _flights} = flights |> Flights.lose_patience(120) |> Flights.board()
      iex> alone
      [{4, {:open, "blue"}}]
  """
  @spec lose_patience(t(), integer()) :: t()
  def lose_patience(%__MODULE__{} = flights, now) do
    ids = queue(flights, :quick).under_way
    late = Enum.filter(ids, &(flights.flights[&1].since + @patience <= now))
    Enum.reduce(late, flights, &ask_each(&2, &1))
  end

  defp ask_each(flights, id) do
    %{party: party} = flights.flights[id]
    commands = Map.new(party, fn {_id, command} -> {command, true} end)
    flights = %{flights | quick: Map.drop(flights.quick, Map.keys(commands))}
    {slow, flights} = flights |> set_aside(id) |> take_out(commands)

    case Map.keys(commands) do
      # Nothing else can have held it up.
      [command] -> flights |> rename(id, {:same, command}) |> add_all(slow)
      _several -> add_all(flights, party ++ slow)
    end
  end

  defp take_out(flights, commands) do
    {slow, queue} =
      flights |> queue(:quick) |> Queue.take_out(fn {_id, it} -> is_map_key(commands, it) end)

    {slow, put(flights, :quick, queue)}
  end

  defp rename(flights, id, name) do
    flights = update(flights, flights.flights[id].queue, &Queue.land(&1, id))
    flights = put_in(flights.flights[id].queue, name)
    update(flights, name, &Queue.launch(&1, id))
  end

  defp add_all(flights, party) do
    Enum.reduce(party, flights, fn {id, command}, flights -> add(flights, id, command) end)
  end

  # Those who wait for the same may go with all others now.
  defp remember(%{quick: quick} = flights, party) do
    party
    |> Enum.map(fn {_id, command} -> command end)
    |> Enum.filter(&(match?({:open, _bytes}, &1) and not is_map_key(quick, &1)))
    |> Enum.uniq()
    |> Enum.reduce(flights, fn command, flights ->
      quick = if map_size(flights.quick) < @most_quick, do: flights.quick, else: %{}
      {waiting, queue} = flights |> queue({:same, command}) |> Queue.take_out(fn _all -> true end)

      %{flights | quick: Map.put(quick, command, true)}
      |> put({:same, command}, queue)
      |> add_all(waiting)
    end)
  end

  defp queue(flights, name), do: Map.get(flights.queues, name, %Queue{})

  defp name(flights, id, command) do
    cond do
      match?({:carrying, _carried, _command}, command) -> :carrying
      is_map_key(flights.quick, command) -> :quick
      Wire.shareable?(command) -> {:same, command}
      true -> {:alone, id}
    end
  end

  defp update(flights, name, change) do
    queue = flights |> queue(name) |> change.()
    flights = put(flights, name, queue)

    if Queue.may_leave?(name, queue),
      do: %{flights | ready: :queue.in(name, flights.ready)},
      else: flights
  end

  defp put(flights, name, %Queue{count: 0, under_way: [], given_up: []}),
    do: %{flights | queues: Map.delete(flights.queues, name)}

  defp put(flights, name, queue), do: put_in(flights.queues[name], queue)
end
