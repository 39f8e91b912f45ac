defmodule Linx.Netlink.Port.Closer do
  @moduledoc """
  Keeps the descriptors that are on their way from a server to a caller, and closes what is not
  wanted.

  A raw descriptor has no owner. Between the moment it arrives and the moment its caller has it, the
  caller may die. So the server gives each descriptor to this process to watch before it replies. The
  caller then says either

    * that it has *adopted* it: it has a socket of its own, over a duplicate, and the descriptor is to
      be closed; or
    * that it has *claimed* it: the number is the caller's from now on.

  If the caller dies before it says either, the descriptor is closed.

  Closing takes a trip to a dirty scheduler. Here, nobody waits for it.

  It is a process of its own, and not linked to the server, so that it outlives it: what a server had
  handed out when it was killed still reaches its caller or is closed. When the server is gone and
  nothing is left to watch, it ends.
  """

  use GenServer

  alias Linx.Netlink.Port.{Descriptor, Wire}

  defstruct [:server, watched: %{}, gone?: false]

  @doc "Starts the one that belongs to the calling server."
  @spec start() :: {:ok, pid()}
  def start, do: GenServer.start(__MODULE__, self())

  @doc "Watches descriptors until their caller has spoken or died."
  @spec watch(pid(), Wire.id(), pid(), [Descriptor.t()]) :: :ok
  def watch(closer, id, caller, fds) do
    send(closer, {:watch, id, caller, fds})
    :ok
  end

  @doc "The caller's word that it has sockets of its own, and the descriptors are to be closed."
  @spec adopted(pid(), Wire.id()) :: :ok
  def adopted(closer, id) do
    send(closer, {:adopted, id})
    :ok
  end

  @doc "The caller's word that the descriptors are its own."
  @spec claimed(pid(), Wire.id()) :: :ok
  def claimed(closer, id) do
    send(closer, {:claimed, id})
    :ok
  end

  @doc "Closes descriptors that belong to nobody."
  @spec close(pid(), [Descriptor.t()]) :: :ok
  def close(_closer, []), do: :ok

  def close(closer, fds) do
    send(closer, {:close, fds})
    :ok
  end

  @doc """
  How many descriptors are watched, after everything that was to be closed before has been closed.
  """
  @spec watched(pid()) :: non_neg_integer()
  def watched(closer) do
    GenServer.call(closer, :watched, :infinity)
  catch
    # It has ended: there is nothing left to watch.
    :exit, _reason -> 0
  end

  @impl true
  def init(server) do
    Process.monitor(server)
    {:ok, %__MODULE__{server: server}}
  end

  @impl true
  def handle_call(:watched, _from, state) do
    count = Enum.reduce(state.watched, 0, fn {_id, {_monitor, fds}}, sum -> sum + length(fds) end)
    {:reply, count, state}
  end

  @impl true
  # The id comes back in the message, so that nothing has to be looked for when a caller dies.
  def handle_info({:watch, id, caller, fds}, state) do
    monitor = :erlang.monitor(:process, caller, tag: {:caller_down, id})
    {:noreply, %{state | watched: Map.put(state.watched, id, {monitor, fds})}}
  end

  def handle_info({word, id}, state) when word in [:adopted, :claimed] do
    case Map.pop(state.watched, id) do
      {{monitor, fds}, watched} ->
        Process.demonitor(monitor, [:flush])
        settle(word, fds)
        done(%{state | watched: watched})

      {nil, _watched} ->
        # The caller's word crossed with its death, or with a second word.
        {:noreply, state}
    end
  end

  def handle_info({:close, fds}, state) do
    settle(:adopted, fds)
    {:noreply, state}
  end

  def handle_info({{:caller_down, id}, _monitor, :process, _pid, _reason}, state) do
    {{_monitor, fds}, watched} = Map.pop!(state.watched, id)
    settle(:adopted, fds)
    done(%{state | watched: watched})
  end

  def handle_info({:DOWN, _monitor, :process, server, _reason}, %{server: server} = state) do
    done(%{state | gone?: true})
  end

  def handle_info(_other, state), do: {:noreply, state}

  defp settle(:adopted, fds), do: Enum.each(fds, &Descriptor.close/1)
  defp settle(:claimed, _fds), do: :ok

  defp done(%{gone?: true, watched: watched} = state) when watched == %{},
    do: {:stop, :normal, state}

  defp done(state), do: {:noreply, state}
end
