defmodule Linx.Netlink.Port.Descriptor.Watched do
  @moduledoc """
  Who is to get which descriptors: the table of a closer, into which its server and their callers write, too.

  A row has the descriptors that a caller is to get; or it says that a caller has *asked* the port program
  himself, the one that goes with this pair, and has nothing yet. It goes by the request.

  ## Example

      iex> alias Linx.Netlink.Port.Descriptor.Watched
      iex> table = Watched.new()
      iex> Watched.put(table, [{7, self(), [18]}, {8, self(), {:asked, :a_pair}}])
      :ok
      iex> {Watched.count(table), Watched.asked?(table, 7), Watched.asked?(table, 8)}
      {1, false, true}
      iex> {Watched.take(table, 7), Watched.take(table, 7), Watched.callers(table) == %{8 => self()}}
      {[18], [], true}
      iex> {Watched.take_asked(table, 8), Watched.take_asked(table, 8), Watched.empty?(table)}
      {:a_pair, nil, true}
  """

  alias Linx.Netlink.Port.{Descriptor, Wire}

  @typedoc "What a row goes by: a request, or something that the server still has to deal with."
  @type key() :: Wire.id() | {:early, Wire.id()} | {:found, reference()}

  @type row() :: {key(), pid(), [Descriptor.t()] | {:asked, :socket.socket()}}

  @doc "An empty table, which belongs to the calling process, and into which everybody may write."
  @spec new() :: :ets.table()
  def new, do: :ets.new(__MODULE__, [:public])

  @doc "Writes rows; `:gone` if the table is."
  @spec put(:ets.table(), [row()]) :: :ok | :gone
  def put(table, rows) do
    :ets.insert(table, rows)
    :ok
  rescue
    ArgumentError -> :gone
  end

  @doc "Forgets a row, if it is there."
  @spec forget(:ets.table(), key()) :: :ok
  def forget(table, key) do
    :ets.delete(table, key)
    :ok
  rescue
    # Its closer has been killed.
    ArgumentError -> :ok
  end

  @doc "Takes out a row, for its descriptors."
  @spec take(:ets.table(), key()) :: [Descriptor.t()]
  def take(table, key) do
    case :ets.take(table, key) do
      [{_key, _caller, fds}] when is_list(fds) -> fds
      _nothing -> []
    end
  end

  @doc "Whether the caller of this request has asked himself, and has nothing yet."
  @spec asked?(:ets.table(), key()) :: boolean()
  def asked?(table, key), do: match?([{_key, _caller, {:asked, _pair}}], lookup(table, key))

  @doc "Takes out one who has asked himself: the pair that he has asked by; `nil` if there is none."
  @spec take_asked(:ets.table(), key()) :: :socket.socket() | nil
  def take_asked(table, key) do
    case lookup(table, key) do
      [{_key, _caller, {:asked, pair}}] ->
        forget(table, key)
        pair

      _another ->
        nil
    end
  end

  defp lookup(table, key) do
    :ets.lookup(table, key)
  rescue
    ArgumentError -> []
  end

  @doc "The callers, by what their rows go by."
  @spec callers(:ets.table()) :: %{optional(key()) => pid()}
  def callers(table),
    do: for({key, caller, _what} <- :ets.tab2list(table), into: %{}, do: {key, caller})

  @doc "How many descriptors there are."
  @spec count(:ets.table()) :: non_neg_integer()
  def count(table) do
    for {_key, _caller, fds} when is_list(fds) <- :ets.tab2list(table),
        reduce: 0,
        do: (sum -> sum + length(fds))
  end

  @spec empty?(:ets.table()) :: boolean()
  def empty?(table), do: :ets.info(table, :size) == 0
end
