defmodule Linx.Netlink.Port.Server.Queue do
  @moduledoc """
  Requests that wait to leave in the same flight, and the flights that they wait for.

  `Linx.Netlink.Port.Server.Flights` says what each queue is for, by its name.

  ## Example

      iex> alias Linx.Netlink.Port.Server.Queue
      iex> red = {:open, "red"}
      iex> queue = %Queue{} |> Queue.wait({1, red}) |> Queue.wait({2, red})
      iex> {party, queue} = Queue.take(queue)
      iex> party
      [{1, red}, {2, red}]
      iex> queue = queue |> Queue.launch(10) |> Queue.wait({3, red})
      iex> {Queue.may_leave?({:same, red}, queue), Queue.may_leave?({:same, red}, Queue.land(queue, 10))}
      {false, true}
  """

  alias Linx.Netlink.Port.Wire

  # Fewer are not worth a second flight beside the first.
  @worthwhile 4
  # Each of them holds a thread of the port program.
  @most_given_up 4

  defstruct waiting: :queue.new(), count: 0, under_way: [], given_up: []

  @typedoc "A request: its id, and what it asks for."
  @type passenger() :: {Wire.id(), Wire.command()}

  @typedoc "The name of a queue."
  @type name() :: :quick | :carrying | {:same, Wire.command()} | {:alone, Wire.id()}

  @typedoc """
  Who waits, and how many they are; which flights they wait for, and for which nobody waits any longer.
  """
  @type t() :: %__MODULE__{
          waiting: :queue.queue(passenger()),
          count: non_neg_integer(),
          under_way: [Wire.id()],
          given_up: [Wire.id()]
        }

  @doc "Lets a request wait, behind all others."
  @spec wait(t(), passenger()) :: t()
  def wait(%__MODULE__{} = queue, passenger),
    do: %{queue | waiting: :queue.in(passenger, queue.waiting), count: queue.count + 1}

  @doc "Whether those who wait in the queue of this name may leave now."
  @spec may_leave?(name(), t()) :: boolean()
  def may_leave?(_name, %{count: 0}), do: false

  def may_leave?({:same, _command}, %{under_way: [], given_up: given_up}),
    do: length(given_up) < @most_given_up

  def may_leave?(_name, %{under_way: []}), do: true
  def may_leave?(:quick, %{under_way: [_one], count: count}), do: count >= @worthwhile
  def may_leave?(_name, _queue), do: false

  @doc """
  Takes those who leave together: as many of the first as one request can hold, with what they carry.

  ## Example

      iex> alias Linx.Netlink.Port.Server.Queue
      iex> of = fn kind, id -> {id, {:carrying, [{id, :its}], {kind, "red"}}} end
      iex> queue = for id <- 1..100, reduce: %Queue{}, do: (queue -> Queue.wait(queue, of.(:open, id)))
      iex> {party, queue} = queue |> Queue.wait(of.(:term, 101)) |> Queue.take()
      iex> {more, queue} = Queue.take(queue)
      iex> {last, _queue} = Queue.take(queue)
      iex> Enum.map([party, more, last], &length/1)
      [64, 36, 1]
  """
  @spec take(t()) :: {[passenger(), ...], t()}
  def take(%__MODULE__{} = queue) do
    {:value, {_id, first}} = :queue.peek(queue.waiting)
    most = if match?({:carrying, _, _}, first), do: Wire.most_carried(), else: Wire.max_entries()
    {party, waiting} = take(queue.waiting, most, Wire.most_shared_bytes(), [])
    # The port program looks for a namespace once for all that follow each other.
    {List.keysort(party, 1), %{queue | waiting: waiting, count: queue.count - length(party)}}
  end

  defp take(waiting, 0, _bytes, party), do: {Enum.reverse(party), waiting}

  defp take(waiting, most, bytes, party) do
    with {:value, {_id, command} = passenger} <- :queue.peek(waiting),
         {_carried, {_kind, encoded}} = Wire.unload(command),
         true <- party == [] or (joins?(command, party) and byte_size(encoded) <= bytes) do
      waiting = :queue.drop(waiting)
      take(waiting, most - 1, bytes - byte_size(encoded), [passenger | party])
    else
      _none_or_too_large -> {Enum.reverse(party), waiting}
    end
  end

  defp joins?(command, [{_id, first} | _party]),
    do: Wire.shareable?(first) and Wire.shareable?(command)

  @doc """
  Those who were taken and could not leave wait again, before all others.

  ## Example

      iex> alias Linx.Netlink.Port.Server.Queue
      iex> {first, second} = {{1, {:open, "red"}}, {2, {:open, "red"}}}
      iex> {party, queue} = %Queue{} |> Queue.wait(first) |> Queue.take()
      iex> {again, _queue} = queue |> Queue.wait(second) |> Queue.put_back(party) |> Queue.take()
      iex> again
      [first, second]
  """
  @spec put_back(t(), [passenger()]) :: t()
  def put_back(%__MODULE__{} = queue, party) do
    waiting = party |> Enum.reverse() |> Enum.reduce(queue.waiting, &:queue.in_r/2)
    %{queue | waiting: waiting, count: queue.count + length(party)}
  end

  @doc """
  Takes out those for whom a function is true, wherever they stand.

  ## Example

      iex> alias Linx.Netlink.Port.Server.Queue
      iex> queue = %Queue{} |> Queue.wait({1, {:open, "red"}}) |> Queue.wait({2, {:open, "blue"}})
      iex> {out, queue} = Queue.take_out(queue, fn {id, _command} -> id == 1 end)
      iex> {out, queue.count}
      {[{1, {:open, "red"}}], 1}
  """
  @spec take_out(t(), (passenger() -> boolean())) :: {[passenger()], t()}
  def take_out(%__MODULE__{} = queue, fun) do
    {out, others} = queue.waiting |> :queue.to_list() |> Enum.split_with(fun)
    {out, %{queue | waiting: :queue.from_list(others), count: length(others)}}
  end

  @doc "Those who wait do so for this flight, too."
  @spec launch(t(), Wire.id()) :: t()
  def launch(%__MODULE__{} = queue, id), do: %{queue | under_way: [id | queue.under_way]}

  @doc "This flight is not in the air any more."
  @spec land(t(), Wire.id()) :: t()
  def land(%__MODULE__{} = queue, id) do
    under_way = List.delete(queue.under_way, id)
    %{queue | under_way: under_way, given_up: List.delete(queue.given_up, id)}
  end

  @doc "Nobody waits for this flight any longer, but it is still in the air."
  @spec give_up(t(), Wire.id()) :: t()
  def give_up(%__MODULE__{} = queue, id) do
    queue = land(queue, id)
    %{queue | given_up: [id | queue.given_up]}
  end
end
