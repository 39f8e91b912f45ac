defmodule Linx.Netlink.Port.Lane do
  @moduledoc """
  A shorter way to the port program, for one caller at a time.

  While its server has nothing to do, a caller takes the lane, sends its request itself, and looks for the
  answer itself, for a moment. Nobody has to be woken for it but the port program, which is most of the time
  that a request takes after a pause. If the answer has not come by then, or the server needs the port program
  meanwhile, the caller hands the request over to the server, which goes on as if it had sent it.

  What goes with a request that isn't quickly answered is the server's business alone: its deadline, the end of
  the port program, an error.

  The server opens the lane when it is idle, and closes it when it is not, whoever is in it. Each caller in it has a
  number, so that it notices. The number by which he sends is the *flight*; when he hands over, the server gives the
  request an *id* of its own, by which the answer is delivered.

  | where the request is | its row in the closer's table | who has to act |
  | --- | --- | --- |
  | sent, not answered | `{flight, caller, {:asked, pair}}` | the caller: he looks, then hands over |
  | its descriptor has come | `{flight, caller, [fd]}` | the caller: he adopts or claims it |
  | *early*: the server came upon the answer first | `{{:early, flight}, server, fds}` as well | the caller: he hands over, and gets it |
  | *found*: another caller came upon it | `{{:found, ref}, server, fds}` as well | the server: a message is on its way to it |
  | *lost*: the caller died before | none | the server: it closes what comes |

  Looking while the server has asked to be told of messages could end the BEAM: `:socket` takes whoever asked for
  the one who reads, and doesn't bear it that he dies meanwhile. So while somebody is in the lane, or may still be,
  the server only looks, too, every few milliseconds; who leaves a closed lane tells it.

  There is no lane where the BEAM has one scheduler, which looking would keep from the port program; nor where
  the application isn't started.

  ## Example

      iex> alias Linx.Netlink.Port.{Descriptor, Lane, Wire}
      iex> {:ok, _info} = Linx.Netlink.Port.info()
      iex> {:ok, command} = Wire.open("/proc/self/ns/net", 0, %{})
      iex> case Lane.request(Linx.Netlink.Port, :one, command) do
      ...>   {:ok, fd, id, closer} ->
      ...>     {Descriptor.Closer.claimed(closer, id), Descriptor.close(fd)}
      ...>
      ...>   _it_is_closed_or_took_too_long ->
      ...>     {:ok, :ok}
      ...> end
      {:ok, :ok}
  """

  alias Linx.Netlink.Port.{Descriptor, Program, Wire}
  alias Linx.Netlink.Port.Descriptor.Closer
  alias Linx.Netlink.Port.Program.Pair

  @enforce_keys [:server, :closer, :marks]
  defstruct [:server, :closer, :marks, :port, :pair]

  @typedoc "Whose it is; and the port program that it leads to, if there is one."
  @type t() :: %__MODULE__{
          server: pid(),
          closer: Closer.t(),
          marks: :atomics.atomics_ref(),
          port: port() | nil,
          pair: :socket.socket() | nil
        }

  # Who is in it: nobody, a request's number, or the server.
  @holder 1
  @nobody 0
  @server -1
  # The number that was given last to a request.
  @last_id 2
  # The server's own are below.
  @first_id Bitwise.bsl(1, 58)

  # How long to look for an answer, in microseconds.
  @look_time 200
  # Larger than any answer to one request, in bytes.
  @small 64

  @doc "Makes the table of lanes, which belongs to the calling process."
  @spec make_table() :: :ok
  def make_table do
    _ = :ets.new(__MODULE__, [:named_table, :public, read_concurrency: true])
    :ok
  end

  @doc "The calling server's lane, closed, and leading nowhere yet."
  @spec new(Closer.t()) :: t()
  def new(closer) do
    marks = :atomics.new(2, signed: true)
    :atomics.put(marks, @holder, @server)
    :atomics.put(marks, @last_id, @first_id)
    %__MODULE__{server: self(), closer: closer, marks: marks}
  end

  @doc "Has it lead to this port program; or to none, and closes it."
  @spec lead_to(t(), Program.t() | nil) :: t()
  def lead_to(lane, nil) do
    _ = close(lane)
    forget(lane.server)
    %{lane | port: nil, pair: nil}
  end

  def lead_to(lane, program) do
    lane = %{lane | port: program.port, pair: program.pair}
    if System.schedulers_online() > 1, do: insert(lane)
    lane
  end

  defp insert(lane) do
    # Whose closers died with them.
    for {server, _lane} <- :ets.tab2list(__MODULE__),
        not Process.alive?(server),
        do: forget(server)

    :ets.insert(__MODULE__, {lane.server, lane})
  rescue
    # The application isn't started.
    ArgumentError -> false
  end

  @doc "Forgets the lane of a server."
  @spec forget(pid()) :: :ok
  def forget(server) do
    :ets.delete(__MODULE__, server)
    :ok
  rescue
    ArgumentError -> :ok
  end

  @doc "Lets a caller in, unless one is in it already."
  @spec open(t()) :: :ok
  def open(lane) do
    _ = :atomics.compare_exchange(lane.marks, @holder, @server, @nobody)
    :ok
  end

  @doc """
  Lets nobody in. Who is in it notices, and tells the server that he has left: by handing over, or by the
  message `{:left, flight}`. Returns his number; `nil` if there is nobody.
  """
  @spec close(t()) :: Wire.id() | nil
  def close(lane) do
    holder = :atomics.exchange(lane.marks, @holder, @server)
    if holder not in [@server, @nobody], do: holder
  end

  @doc """
  Asks for something by the lane: what came, with its number and whom to acknowledge it to.

  `:closed` means that nothing was asked, and `{:late, lane, id}` that the server is to be asked what became of
  it.
  """
  @spec request(GenServer.server(), term(), Wire.command()) ::
          {:ok, non_neg_integer(), Wire.id(), Closer.t()} | {:late, t(), Wire.id()} | :closed
  def request(server, :one, {:open, _bytes} = command) do
    lane = find(server)
    if lane != nil and holder(lane) == @nobody, do: enter(lane, command), else: :closed
  end

  def request(_server, _expect, _command), do: :closed

  defp find(server) when is_atom(server) do
    pid = Process.whereis(server)
    if pid, do: find(pid)
  end

  defp find(server) when is_pid(server) do
    :ets.lookup_element(__MODULE__, server, 2)
  rescue
    ArgumentError -> nil
  end

  defp find(_elsewhere), do: nil

  # With a whole turn before it, the caller isn't killed between entering and sending.
  defp enter(lane, command) do
    :erlang.yield()
    id = :atomics.add_get(lane.marks, @last_id, 1)

    case :atomics.compare_exchange(lane.marks, @holder, @nobody, id) do
      :ok -> ask(lane, id, command)
      _taken_meanwhile -> :closed
    end
  end

  defp ask(lane, id, command) do
    with :ok <- Closer.asks(lane.closer, id, lane.pair),
         :ok <- Program.send_frame(lane.port, Wire.frame(id, [command])) do
      look(lane, id, now() + @look_time)
    else
      _gone_or_busy ->
        leave(lane, id)
        Closer.claimed(lane.closer, id)
        :closed
    end
  end

  # Until the descriptors are in the closer's table there is nothing to wait for, and little to do: within the
  # turn that `Pair` begins.
  defp look(lane, id, until) do
    case Pair.poll_message(lane.pair) do
      {:ok, bytes, [fd], false} = message when byte_size(bytes) < @small ->
        if Wire.decode(bytes) == {:reply, id, :ok},
          do: opened(lane, id, fd),
          else: pass_on(lane, id, message)

      {:ok, _bytes, _fds, _truncated?} = message ->
        pass_on(lane, id, message)

      # If it has ended, the server knows.
      _nothing ->
        if holder(lane) == id and now() < until,
          do: look(lane, id, until),
          else: {:late, lane, id}
    end
  end

  defp opened(lane, id, fd) do
    watched = Closer.watch(lane.closer, [{id, self(), [fd]}])
    leave(lane, id)
    opened(watched, fd, id, lane)
  end

  defp opened(:ok, fd, id, lane), do: {:ok, fd, id, lane.closer}

  # Nobody would close it if the caller died now.
  defp opened(:gone, fd, id, lane) do
    Descriptor.close(fd)
    {:late, lane, id}
  end

  defp pass_on(lane, id, {:ok, _bytes, fds, _truncated?} = message) do
    key = {:found, make_ref()}

    case Closer.watch(lane.closer, [{key, lane.server, fds}]) do
      :ok -> send(lane.server, {:found, lane.pair, key, message})
      :gone -> Descriptor.close_all(fds)
    end

    {:late, lane, id}
  end

  defp leave(lane, id) do
    if :atomics.compare_exchange(lane.marks, @holder, id, @nobody) != :ok,
      do: send(lane.server, {:left, id})

    :ok
  end

  defp holder(lane), do: :atomics.get(lane.marks, @holder)
  defp now, do: System.monotonic_time(:microsecond)
end
