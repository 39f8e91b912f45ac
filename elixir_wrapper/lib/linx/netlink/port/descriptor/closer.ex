defmodule Linx.Netlink.Port.Descriptor.Closer do
  @moduledoc """
  Keeps the descriptors that are on their way from a server to a caller, and closes what is not
  wanted.

  A raw descriptor has no owner. Between the moment it arrives and the moment its caller has it, the
  caller may die. So the server puts each descriptor into a table of this process before it replies. The
  caller then says either

    * that it has *adopted* it: it has a socket of its own, over a duplicate, and the descriptor is to
      be closed; or
    * that it has *claimed* it: it takes it out of the table, and the number is its own from now on; or
    * that it is to be *kept*: this process closes it when it is told to, or when the caller dies.

  A caller who asks the port program himself (`Linx.Netlink.Port.Lane`) is in the table as one who has
  *asked*, until he has his descriptor, or the server has taken him out. If he dies before, the server is told.

  If the caller dies before it says any of these, the descriptor is closed. Most callers speak at once. So this
  process looks into the table only a moment later, and watches those who are still in it: until then, it
  has no work to do, which would be in the way of the callers.

  Closing takes a trip to a dirty scheduler. Here, nobody waits for it, as long as it keeps up: callers
  who open sockets faster than descriptors can be closed would fill the BEAM's table, so they wait when
  64 are to be closed already.

  It is a process of its own, not linked to the server, and of no application, so that it outlives both: what a server had
  handed out when it was killed still reaches its caller or is closed, and the port program that it had
  no time to end is killed, which it doesn't need unless it is stopped. When the server is gone and
  nothing is left to watch, it ends. Only what a server has received and not yet told it of is lost, if the
  server is killed in that moment: the descriptors of one reply.

  ## Example

      iex> alias Linx.Netlink.Port.Descriptor.Closer
      iex> closer = Closer.start()
      iex> {:ok, fd} = Linx.Netlink.Port.Native.open_in_netns("/proc/self/ns/net", 0)
      iex> Closer.watch(closer, [{7, self(), [fd]}])
      iex> Closer.watched(closer)
      1
      iex> {:ok, socket} = Linx.Netlink.Port.Descriptor.adopt(fd, 0)
      iex> Closer.adopted(closer, 7)
      iex> {Closer.watched(closer), :socket.close(socket)}
      {0, :ok}
  """

  use GenServer

  alias Linx.Netlink.Port.{Descriptor, Detached, Netns, Wire}
  alias Linx.Netlink.Port.Descriptor.Watched
  alias Linx.Netlink.Port.Program.Process, as: OSProcess

  @enforce_keys [:pid, :table, :counters]
  defstruct @enforce_keys

  @typedoc """
  The process; what it watches, for each id the caller and the descriptors; how many words of adoption it has
  not dealt with yet, and whether it is going to look into the table.
  """
  @type t() :: %__MODULE__{pid: pid(), table: :ets.table(), counters: :atomics.atomics_ref()}

  @pending 1
  @will_look 2

  @most_pending 64

  # In milliseconds.
  @look_after 5

  @doc "Starts the one that belongs to the calling server; what else is to be called when that is gone."
  @spec start({module(), atom(), [term()]} | nil) :: t()
  def start(afterwards \\ nil) do
    counters = :atomics.new(2, [])
    table = Watched.new()
    {:ok, pid} = GenServer.start(__MODULE__, {self(), table, counters, afterwards})
    # So that it outlives the server.
    :ets.give_away(table, pid, nil)
    %__MODULE__{pid: pid, table: table, counters: counters}
  end

  @doc """
  Watches descriptors until their caller has spoken or died: for each request its id, its caller, and what
  it brought. `:gone` if this process is, and nothing is watched.
  """
  @spec watch(t(), [Watched.row()]) :: :ok | :gone
  def watch(_closer, []), do: :ok

  def watch(closer, brought) do
    with :ok <- Watched.put(closer.table, brought),
         do: look_soon(closer.pid, closer.counters)
  end

  defp look_soon(pid, counters) do
    _timer =
      if :atomics.exchange(counters, @will_look, 1) == 0,
        do: Process.send_after(pid, :look, @look_after)

    :ok
  end

  @doc "Watches the calling process, which asks the port program itself, the one that goes with this pair."
  @spec asks(t(), Wire.id(), :socket.socket()) :: :ok | :gone
  def asks(closer, id, pair), do: watch(closer, [{id, self(), {:asked, pair}}])

  @doc "The caller's word that it has sockets of its own, and the descriptors are to be closed."
  @spec adopted(t(), Wire.id()) :: :ok
  def adopted(closer, id) do
    if :atomics.add_get(closer.counters, @pending, 1) <= @most_pending do
      send(closer.pid, {:adopted, id})
      :ok
    else
      call(closer, {:adopted, id}, :ok)
    end
  end

  @doc """
  The caller's word that the descriptors are its own.

  ## Example

      iex> alias Linx.Netlink.Port.Descriptor.Closer
      iex> closer = Closer.start()
      iex> {:ok, fd} = Linx.Netlink.Port.Native.open_in_netns("/proc/self/ns/net", 0)
      iex> Closer.watch(closer, [{7, self(), [fd]}])
      iex> {Closer.claimed(closer, 7), Closer.watched(closer)}
      {:ok, 0}
      iex> {Linx.Netlink.Port.Descriptor.bind(fd, 0), Linx.Netlink.Port.Native.close_fd(fd)}
      {:ok, :ok}
  """
  @spec claimed(t(), Watched.key()) :: :ok
  def claimed(closer, key), do: Watched.forget(closer.table, key)

  @doc """
  The caller's word that the descriptor of a network namespace is to be kept until `release/1`, or until
  the caller is gone.

  ## Example

      iex> alias Linx.Netlink.Port.{Descriptor.Closer, Netns}
      iex> closer = Closer.start()
      iex> {:ok, fd} = Linx.Netlink.Port.Native.open_in_netns("/proc/self/ns/net", 0)
      iex> Closer.watch(closer, [{7, self(), [fd]}])
      iex> netns = Netns.open(fd, 7, closer)
      iex> {Closer.kept(netns), Closer.watched(closer), Netns.borrow(netns, & &1) == fd}
      {:ok, 0, true}
      iex> {Closer.release(netns), Netns.borrow(netns, & &1), Closer.release(netns)}
      {:ok, :closed, :ok}
  """
  @spec kept(Netns.open()) :: :ok
  def kept(netns) do
    send(netns.keeper.pid, {:kept, netns})
    :ok
  end

  @doc "Closes what is kept. When it returns, it is closed; so is one that was closed before."
  @spec release(Netns.open()) :: :ok
  def release(netns), do: call(netns.keeper, {:release, netns.id}, :ok)

  @doc """
  Closes descriptors that belong to nobody.

  ## Example

      iex> alias Linx.Netlink.Port.Descriptor.Closer
      iex> closer = Closer.start()
      iex> {:ok, fd} = Linx.Netlink.Port.Native.open_in_netns("/proc/self/ns/net", 0)
      iex> {Closer.close(closer, [fd]), Closer.watched(closer)}
      {:ok, 0}
      iex> Linx.Netlink.Port.Descriptor.bind(fd, 0)
      {:error, :ebadf}
  """
  @spec close(t(), [Descriptor.t()]) :: :ok
  def close(_closer, []), do: :ok

  def close(closer, fds) do
    send(closer.pid, {:close, fds})
    :ok
  end

  @doc """
  Kills these processes, and no others, when the server is gone.

  ## Example

      iex> alias Linx.Netlink.Port.Descriptor.Closer
      iex> port = Port.open({:spawn_executable, "/bin/sleep"}, [:exit_status, args: ["1000"]])
      iex> {:os_pid, pid} = Port.info(port, :os_pid)
      iex> process = Linx.Netlink.Port.Program.Process.identify(pid)
      iex> _server = spawn(fn -> Closer.inherit(Closer.start(), [process]) end)
      iex> receive do: ({^port, {:exit_status, status}} -> status), after: (5_000 -> :alive)
      137
  """
  @spec inherit(t(), [OSProcess.t()]) :: :ok
  def inherit(closer, processes) do
    send(closer.pid, {:inherit, processes})
    :ok
  end

  @doc """
  How many descriptors are watched, after everything that was to be closed before has been closed.
  """
  @spec watched(t()) :: non_neg_integer()
  def watched(closer), do: call(closer, :watched, 0)

  # If it has ended, there is nothing left to watch or to close.
  defp call(closer, request, otherwise) do
    GenServer.call(closer.pid, request, :infinity)
  catch
    :exit, _reason -> otherwise
  end

  @impl true
  def init({server, table, counters, afterwards}) do
    Detached.detach(self())
    Process.monitor(server)

    {:ok,
     %{
       server: server,
       afterwards: afterwards,
       table: table,
       counters: counters,
       monitors: %{},
       kept: %{},
       gone?: false,
       processes: []
     }}
  end

  @impl true
  def handle_call(:watched, _from, state) do
    state = look(state)

    {:reply, Watched.count(state.table), state}
  end

  def handle_call({:adopted, id}, from, state) do
    state = close_adopted(state, [id])
    GenServer.reply(from, :ok)
    done(state)
  end

  def handle_call({:release, id}, from, state) do
    {kept, state} = pop_in(state.kept[id])
    close_kept(kept)
    GenServer.reply(from, :ok)
    done(state)
  end

  @impl true
  def handle_info({:adopted, id}, state),
    do: state |> close_adopted([id | others_adopted()]) |> done()

  def handle_info({:kept, %{id: id} = netns}, state) do
    case :ets.take(state.table, id) do
      [{_id, caller, _fds}] ->
        {monitor, monitors} = Map.pop_lazy(state.monitors, id, fn -> monitor(caller, id) end)
        kept = Map.put(state.kept, id, {monitor, netns})
        {:noreply, %{state | monitors: monitors, kept: kept}}

      [] ->
        {:noreply, state}
    end
  end

  def handle_info({:close, fds}, state) do
    Descriptor.close_all(fds)
    {:noreply, state}
  end

  def handle_info(:look, state) do
    # Whatever comes from here on, has it look again.
    :atomics.put(state.counters, @will_look, 0)
    state |> look() |> done()
  end

  def handle_info({{:caller_down, id}, _monitor, :process, _pid, _reason}, state) do
    {netns, kept} = Map.pop(state.kept, id)
    close_unsaid(state, id)
    close_kept(netns)
    done(%{state | monitors: Map.delete(state.monitors, id), kept: kept})
  end

  def handle_info({:inherit, processes}, state) do
    {:noreply, %{state | processes: processes}}
  end

  def handle_info({:DOWN, _monitor, :process, server, _reason}, %{server: server} = state) do
    OSProcess.kill(state.processes)
    call_afterwards(state.afterwards)
    %{state | gone?: true} |> look() |> done()
  end

  def handle_info(_other, state), do: {:noreply, state}

  # Watches the callers who are in the table, and those only.
  defp look(state) do
    waiting = Watched.callers(state.table)
    {known, spoken} = Map.split(state.monitors, Map.keys(waiting))
    for {_id, monitor} <- spoken, do: Process.demonitor(monitor, [:flush])

    monitors =
      for {id, caller} <- waiting,
          not is_map_key(known, id),
          into: known,
          do: {id, monitor(caller, id)}

    %{state | monitors: monitors}
  end

  # The id comes back in the message, so that nothing has to be looked for when a caller dies.
  defp monitor(caller, id), do: :erlang.monitor(:process, caller, tag: {:caller_down, id})

  # Those whose words have come meanwhile.
  defp others_adopted do
    receive do
      {:adopted, id} -> [id | others_adopted()]
    after
      0 -> []
    end
  end

  defp close_adopted(state, ids) do
    :atomics.sub(state.counters, @pending, length(ids))
    ids |> Enum.flat_map(&Watched.take(state.table, &1)) |> Descriptor.close_all()
    {monitors, rest} = Map.split(state.monitors, ids)
    for {_id, monitor} <- monitors, do: Process.demonitor(monitor, [:flush])
    %{state | monitors: rest}
  end

  # A caller can die when it has counted its word, and not said it. If there is nothing to be read, no
  # other word is on its way, but for those that are being said.
  defp close_unsaid(state, id) do
    # The server takes out one who has asked himself: it knows what else has become of his request.
    _ =
      if Watched.asked?(state.table, id) and not state.gone?,
        do: send(state.server, {:lost, id}),
        else: state.table |> Watched.take(id) |> Descriptor.close_all()

    {:message_queue_len, length} = Process.info(self(), :message_queue_len)
    if length == 0, do: :atomics.put(state.counters, @pending, 0)
  end

  defp call_afterwards(nil), do: :ok
  defp call_afterwards({module, function, arguments}), do: apply(module, function, arguments)

  defp close_kept(nil), do: :ok

  defp close_kept({monitor, netns}) do
    Process.demonitor(monitor, [:flush])
    Netns.closing(netns)
    Descriptor.close(netns.fd)
  end

  # A claim is not told: while there is somebody left, it has to be looked for.
  defp done(%{gone?: true, kept: kept} = state) when kept == %{} do
    if Watched.empty?(state.table) do
      {:stop, :normal, state}
    else
      look_soon(self(), state.counters)
      {:noreply, state}
    end
  end

  defp done(state), do: {:noreply, state}
end
