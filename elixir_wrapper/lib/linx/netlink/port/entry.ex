defmodule Linx.Netlink.Port.Entry do
  @moduledoc """
  One thing that is asked for: what it is, where, how it is set up, and what becomes of the descriptor.

  It is checked before anything is done. Then it is asked for: the port program, the BEAM itself, or nobody,
  where it is known to fail.

  ## Example

      iex> alias Linx.Netlink.Port.{Call, Entry}
      iex> entry = Entry.new!({:host, {:inet, :dgram, :udp}, [reuseaddr: true]})
      iex> {:ok, socket} = Entry.open(entry, Linx.Netlink.Port, Call.time(nil))
      iex> :socket.close(socket)
      :ok
  """

  alias Linx.Netlink.Port.{Call, Descriptor, Errno, Error, Host, Netns, Options, Text, What, Wire}
  alias Linx.Netlink.Port.Descriptor.Closer

  @enforce_keys [:netns, :what, :number, :options, :target, :as]
  defstruct @enforce_keys

  @typedoc "What becomes of the descriptor: a socket, the caller's own, or a namespace that is kept."
  @type as() :: :socket | :descriptor | :netns

  @typedoc """
  What it was called with, for its error; the same as the wire wants it; and where it leads.
  """
  @type t() :: %__MODULE__{
          netns: Netns.t() | :new | {:new, :user},
          what: What.t() | :netns,
          number: What.wire(),
          options: Options.wire(),
          target: {:ok, Netns.wire()} | {:error, {:open, pos_integer()}},
          as: as()
        }

  @typedoc "What was opened."
  @type opened() :: :socket.socket() | Descriptor.t() | Netns.open()

  @doc """
  Checks what a call says: `{netns, what}` or `{netns, what, options}`, and options for all of them.
  `ArgumentError` if it makes no sense.
  """
  @spec new!(term(), keyword(), as()) :: t()
  def new!(entry, common \\ [], as \\ :socket)
  def new!({netns, what}, common, as), do: new!({netns, what, []}, common, as)

  def new!({netns, what, options}, common, as) do
    number = What.wire!(what)

    %__MODULE__{
      netns: netns,
      what: what,
      number: number,
      options: Options.wire!(merge(common, options), number),
      target: netns |> Netns.resolve!() |> reach(as),
      as: as
    }
  end

  def new!(other, _common, _as) do
    raise ArgumentError,
          "expected {netns, what} or {netns, what, options}, got: #{Text.term(other)}"
  end

  defp merge([], options), do: options

  defp merge(common, options) do
    if Keyword.keyword?(options), do: Keyword.merge(common, options), else: options
  end

  @doc """
  A network namespace itself: one that is there, or a new one (`:new`, `{:new, :user}`).

  ## Example

      iex> alias Linx.Netlink.Port.Entry
      iex> {Entry.netns!(:new).target, Entry.netns!("/run/netns/blue").target}
      {{:ok, :new}, {:ok, "/run/netns/blue"}}
  """
  @spec netns!(Netns.t() | :new | {:new, :user}) :: t()
  def netns!(netns) do
    target = if netns in [:new, {:new, :user}], do: {:ok, netns}, else: Netns.resolve!(netns)

    %__MODULE__{
      netns: netns,
      what: :netns,
      number: :netns,
      options: %{},
      target: reach(target, :netns),
      as: :netns
    }
  end

  # The BEAM is a process that can be named.
  defp reach({:ok, :host}, :netns), do: {:ok, {:pid, String.to_integer(System.pid())}}
  defp reach(target, _as), do: target

  @doc "Asks for one."
  @spec open(t(), GenServer.server(), Call.time()) :: {:ok, opened()} | {:error, Error.t()}
  def open(%__MODULE__{} = entry, server, time), do: entry |> ask(server, time) |> result(entry)

  defp ask(%{target: {:ok, :host}} = entry, _server, _time) do
    with {:ok, socket} <- Host.open(entry.number, entry.options) do
      if entry.as == :descriptor, do: Host.detach(socket), else: {:ok, socket}
    end
  end

  defp ask(%{target: {:ok, {:places, [place | _more]}} = target} = entry, server, time) do
    result = ask(%{entry | target: {:ok, place}}, server, time)

    case Netns.elsewhere(target, result) do
      nil -> result
      next -> Netns.better(result, ask(%{entry | target: next}, server, time))
    end
  end

  defp ask(%{target: {:ok, netns}} = entry, server, time) do
    with {:ok, command} <- Wire.open(netns, entry.number, entry.options),
         {:ok, fd, id, closer} <- Call.request(server, :one, command, time) do
      take(entry, fd, id, closer)
    end
  end

  defp ask(%{target: {:error, reason}}, _server, _time), do: {:error, reason}

  defp take(%{as: :socket} = entry, fd, id, closer) do
    socket = adopt(entry, fd)
    Closer.adopted(closer, id)
    socket
  end

  defp take(%{as: :descriptor}, fd, id, closer) do
    Closer.claimed(closer, id)
    {:ok, fd}
  end

  defp take(%{as: :netns}, fd, id, closer) do
    netns = Netns.open(fd, id, closer)
    Closer.kept(netns)
    {:ok, netns}
  end

  @doc "Asks for many sockets, with as few requests as can be. One result an entry, in their order."
  @spec open_all([t()], GenServer.server(), Call.time()) ::
          [{:ok, :socket.socket()} | {:error, Error.t()}]
  def open_all(entries, server, time) do
    groups = entries |> Enum.with_index() |> Enum.group_by(fn {entry, _index} -> way(entry) end)

    here =
      for {entry, index} <- Map.get(groups, :here, []), do: {index, open(entry, server, time)}

    there =
      for {way, most} <- [carrying: Wire.most_carried(), named: Wire.max_entries()],
          chunk <- groups |> Map.get(way, []) |> Enum.chunk_every(most),
          result <- open_chunk(chunk, server, time),
          do: result

    (here ++ there) |> Enum.sort_by(&elem(&1, 0)) |> Enum.map(&elem(&1, 1))
  end

  # Those in namespaces that are open already can't be held up by a file that hangs, and go first.
  defp way(%{target: {:ok, :host}}), do: :here
  defp way(%{target: {:ok, {:fd, _key, _netns}}}), do: :carrying
  defp way(%{target: {:ok, _netns}}), do: :named
  defp way(%{target: {:error, _reason}}), do: :here

  defp open_chunk(chunk, server, time) do
    {entries, indexes} = Enum.unzip(chunk)
    results = Enum.zip_with(ask_in_turn(entries, server, time), entries, &result/2)
    Enum.zip(indexes, results)
  end

  # Those that were not found are asked for again, all at once, in their next places.
  defp ask_in_turn([], _server, _time), do: []

  defp ask_in_turn(entries, server, time) do
    tried =
      for {entry, result} <- Enum.zip(entries, ask_at_once(entries, server, time)),
          do: {entry, Netns.elsewhere(entry.target, result), result}

    again = for {entry, next, _result} <- tried, next != nil, do: %{entry | target: next}
    {results, []} = Enum.map_reduce(tried, ask_in_turn(again, server, time), &in_turn/2)
    results
  end

  defp in_turn({_entry, nil, result}, later), do: {result, later}

  defp in_turn({_entry, _next, result}, [second | later]),
    do: {Netns.better(result, second), later}

  defp place({:places, [place | _more]}), do: place
  defp place(netns), do: netns

  defp ask_at_once(entries, server, time) do
    wire = for %{target: {:ok, netns}} = it <- entries, do: {place(netns), it.number, it.options}

    with {:ok, command} <- Wire.open_many(wire),
         {:ok, results, id, closer} <-
           Call.request(server, {:many, length(entries)}, command, time) do
      sockets = Enum.zip_with(results, entries, &adopt_result/2)
      Closer.adopted(closer, id)
      sockets
    else
      {:error, reason} -> Enum.map(entries, fn _entry -> {:error, reason} end)
    end
  end

  defp adopt_result({:ok, fd}, entry), do: adopt(entry, fd)
  defp adopt_result({:error, reason}, _entry), do: {:error, reason}

  defp adopt(entry, fd) do
    with {:error, reason} <- Descriptor.adopt(fd, entry.number) do
      {:error, {:port, Errno.to_code(reason)}}
    end
  end

  defp result({:ok, opened}, _entry), do: {:ok, opened}

  defp result({:error, {stage, code}}, entry),
    do: {:error, Error.new(stage, code, entry.netns, entry.what)}
end
