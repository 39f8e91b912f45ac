defmodule Linx.Netlink.Port.Requests do
  @moduledoc """
  The requests that a server has taken and not yet answered.

  Ids grow and are never used again. So whatever comes for an id that isn't in here is late, and
  belongs to nobody; nothing has to be remembered to know that.
  """

  alias Linx.Netlink.Port.Wire

  defstruct next_id: 1, table: %{}, queue: :queue.new()

  @typedoc "What a good reply brings: one descriptor, one for each of so many entries, or a map."
  @type expectation() :: :one | {:many, pos_integer()} | :info

  @typedoc "Who waits: a caller, or the server itself, which probes whether anybody answers."
  @type waiting() :: GenServer.from() | :probe

  @typedoc """
  A request: who waits, for what, how long (in monotonic milliseconds), what was asked, and how often
  it was sent.
  """
  @type request() :: %{
          from: waiting(),
          expect: expectation(),
          deadline: integer(),
          command: Wire.command(),
          sends: non_neg_integer()
        }

  @type t() :: %__MODULE__{
          next_id: Wire.id(),
          table: %{optional(Wire.id()) => request()},
          queue: :queue.queue(Wire.id())
        }

  @doc "Takes a request. It is not sent yet."
  @spec add(t(), waiting(), expectation(), integer(), Wire.command()) :: {Wire.id(), t()}
  def add(%__MODULE__{next_id: id, table: table} = requests, from, expect, deadline, command) do
    request = %{from: from, expect: expect, deadline: deadline, command: command, sends: 0}
    {id, %{requests | next_id: id + 1, table: Map.put(table, id, request)}}
  end

  @doc "Takes out the request that has been answered."
  @spec pop(t(), Wire.id()) :: {request() | nil, t()}
  def pop(%__MODULE__{table: table} = requests, id) do
    case table do
      %{^id => request} -> {request, %{requests | table: Map.delete(table, id)}}
      _late -> {nil, requests}
    end
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

  @doc "Lines a request up to be sent."
  @spec enqueue(t(), Wire.id()) :: t()
  def enqueue(%__MODULE__{queue: queue} = requests, id) do
    %{requests | queue: :queue.in(id, queue)}
  end

  @doc "Notes that a request was sent."
  @spec sent(t(), Wire.id()) :: t()
  def sent(%__MODULE__{table: table} = requests, id) do
    %{^id => request} = table
    %{requests | table: %{table | id => %{request | sends: request.sends + 1}}}
  end

  @doc """
  Sends the requests that are lined up, as far as `send` takes them: it gets an id and a command and
  returns `:ok` or something else, which ends it.

  Those that have been answered in the meantime, or whose caller is gone, are left out.
  """
  @spec flush(t(), (Wire.id(), Wire.command() -> :ok | term())) :: t()
  def flush(%__MODULE__{queue: queue, table: table} = requests, send) do
    with {:value, id} <- :queue.peek(queue),
         %{^id => request} <- table,
         true <- wanted?(request) do
      case send.(id, request.command) do
        :ok -> requests |> sent(id) |> drop_first() |> flush(send)
        _later -> requests
      end
    else
      :empty -> requests
      _unwanted -> requests |> forget_first() |> flush(send)
    end
  end

  @doc "Takes out the requests whose time is up."
  @spec expire(t(), integer()) :: {[request()], t()}
  def expire(requests, now), do: split(requests, fn request -> request.deadline <= now end)

  @doc "Takes out all requests."
  @spec clear(t()) :: {[request()], t()}
  def clear(requests), do: split(%{requests | queue: :queue.new()}, fn _request -> true end)

  @doc """
  What becomes of the requests when the port program dies: each is sent once more, to the next one.
  Takes out those that have been sent twice, and lines up all others again, oldest first.
  """
  @spec resend(t()) :: {[request()], t()}
  def resend(requests) do
    {failed, requests} =
      split(requests, fn request -> request.sends >= 2 or request.from == :probe end)

    queue = requests.table |> Map.keys() |> Enum.sort() |> :queue.from_list()
    {failed, %{requests | queue: queue}}
  end

  @doc "When the first of them runs out of time; `nil` if there is none."
  @spec next_deadline(t()) :: integer() | nil
  def next_deadline(%__MODULE__{table: table}) when table == %{}, do: nil

  def next_deadline(%__MODULE__{table: table}) do
    table |> Enum.map(fn {_id, request} -> request.deadline end) |> Enum.min()
  end

  defp split(%__MODULE__{table: table} = requests, out?) do
    {out, rest} = Enum.split_with(table, fn {_id, request} -> out?.(request) end)
    {Enum.map(out, &elem(&1, 1)), %{requests | table: Map.new(rest)}}
  end

  defp drop_first(requests), do: %{requests | queue: :queue.drop(requests.queue)}

  defp forget_first(requests) do
    {{:value, id}, queue} = :queue.out(requests.queue)
    %{requests | queue: queue, table: Map.delete(requests.table, id)}
  end

  defp wanted?(%{from: :probe}), do: true
  defp wanted?(%{from: {pid, _tag}}), do: Process.alive?(pid)
end
