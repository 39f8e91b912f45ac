defmodule Linx.Netlink.Port.Descriptor.Closer do
  @moduledoc """
  Keeps the descriptors that are on their way from a server to a caller, and closes what is not
  wanted.

  A raw descriptor has no owner. Between the moment it arrives and the moment its caller has it, the
  caller may die. So the server gives each descriptor to this process to watch before it replies. The
  caller then says either

    * that it has *adopted* it: it has a socket of its own, over a duplicate, and the descriptor is to
      be closed; or
    * that it has *claimed* it: the number is the caller's from now on; or
    * that it is to be *kept*: this process closes it when it is told to, or when the caller dies.

  If the caller dies before it says any of these, the descriptor is closed.

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
  alias Linx.Netlink.Port.Program.Process, as: OSProcess

  @enforce_keys [:pid, :pending]
  defstruct @enforce_keys

  @typedoc "The process, and how many words of adoption it has not dealt with yet."
  @type t() :: %__MODULE__{pid: pid(), pending: :atomics.atomics_ref()}

  @most_pending 64

  @doc "Starts the one that belongs to the calling server."
  @spec start() :: t()
  def start do
    pending = :atomics.new(1, [])
    {:ok, pid} = GenServer.start(__MODULE__, {self(), pending})
    %__MODULE__{pid: pid, pending: pending}
  end

  @doc """
  Watches descriptors until their caller has spoken or died: for each request its id, its caller, and what
  it brought.
  """
  @spec watch(t(), [{Wire.id(), pid(), [Descriptor.t()]}]) :: :ok
  def watch(_closer, []), do: :ok

  def watch(closer, brought) do
    send(closer.pid, {:watch, brought})
    :ok
  end

  @doc "The caller's word that it has sockets of its own, and the descriptors are to be closed."
  @spec adopted(t(), Wire.id()) :: :ok
  def adopted(closer, id) do
    if :atomics.add_get(closer.pending, 1, 1) <= @most_pending do
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
  @spec claimed(t(), Wire.id()) :: :ok
  def claimed(closer, id) do
    send(closer.pid, {:claimed, id})
    :ok
  end

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
  def init({server, pending}) do
    Detached.detach(self())
    Process.monitor(server)

    {:ok,
     %{server: server, pending: pending, watched: %{}, kept: %{}, gone?: false, processes: []}}
  end

  @impl true
  def handle_call(:watched, _from, state) do
    count = Enum.reduce(state.watched, 0, fn {_id, {_monitor, fds}}, sum -> sum + length(fds) end)
    {:reply, count, state}
  end

  def handle_call({:adopted, id}, from, state) do
    state = word(state, :adopted, id)
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
  def handle_info({:watch, brought}, state) do
    watched =
      Enum.reduce(brought, state.watched, fn {id, caller, fds}, watched ->
        # The id comes back in the message, so that nothing has to be looked for when a caller dies.
        monitor = :erlang.monitor(:process, caller, tag: {:caller_down, id})
        Map.put(watched, id, {monitor, fds})
      end)

    {:noreply, %{state | watched: watched}}
  end

  def handle_info({word, id}, state) when word in [:adopted, :claimed] do
    state |> word(word, id) |> done()
  end

  def handle_info({:kept, %{id: id} = netns}, state) do
    case Map.pop(state.watched, id) do
      {{monitor, _fds}, watched} ->
        {:noreply, %{state | watched: watched, kept: Map.put(state.kept, id, {monitor, netns})}}

      {nil, _watched} ->
        {:noreply, state}
    end
  end

  def handle_info({:close, fds}, state) do
    close_all(fds)
    {:noreply, state}
  end

  def handle_info({{:caller_down, id}, _monitor, :process, _pid, _reason}, state) do
    {{_monitor, fds}, watched} = Map.pop(state.watched, id, {nil, []})
    {netns, kept} = Map.pop(state.kept, id)
    close_all(fds)
    close_kept(netns)
    forget_pending(state)
    done(%{state | watched: watched, kept: kept})
  end

  def handle_info({:inherit, processes}, state) do
    {:noreply, %{state | processes: processes}}
  end

  def handle_info({:DOWN, _monitor, :process, server, _reason}, %{server: server} = state) do
    OSProcess.kill(state.processes)
    done(%{state | gone?: true})
  end

  def handle_info(_other, state), do: {:noreply, state}

  defp word(state, word, id) do
    if word == :adopted, do: :atomics.sub(state.pending, 1, 1)

    case Map.pop(state.watched, id) do
      {{monitor, fds}, watched} ->
        Process.demonitor(monitor, [:flush])
        if word == :adopted, do: close_all(fds)
        %{state | watched: watched}

      {nil, _watched} ->
        state
    end
  end

  # A caller can die when it has counted its word, and not said it. If there is nothing to be read, no
  # other word is on its way, but for those that are being said.
  defp forget_pending(state) do
    {:message_queue_len, length} = Process.info(self(), :message_queue_len)
    if length == 0, do: :atomics.put(state.pending, 1, 0)
  end

  defp close_all(fds), do: Enum.each(fds, &Descriptor.close/1)

  defp close_kept(nil), do: :ok

  defp close_kept({monitor, netns}) do
    Process.demonitor(monitor, [:flush])
    Netns.closing(netns)
    Descriptor.close(netns.fd)
  end

  defp done(%{gone?: true, watched: watched, kept: kept} = state)
       when watched == %{} and kept == %{},
       do: {:stop, :normal, state}

  defp done(state), do: {:noreply, state}
end
