defmodule Linx.Netlink.Port.Server do
  @moduledoc """
  The process between the callers and the port program.

  It never waits for anybody: not for the port program to start (a state, ended by a message), not
  for its input to have room (what doesn't fit is lined up), not for a caller. It owns the deadlines,
  so that a reply that comes too late finds nobody who would mistake it for another, and what came
  with it is closed.

  One timer wakes it for whatever is due first: a deadline, the end of a start that takes too long,
  the next start after a failure, another try to send.

  It sends when nobody has anything more to say to it, so that requests that come together leave together.
  Where requests follow each other at once, it then looks again and again for the answer to one, or to two, for
  a moment, as schedulers do before they sleep, instead of being woken, which would take longer than to serve
  the request. After a pause it doesn't: it could keep the port program, which has to wake up, from running.
  Whatever else there is to do comes first.

  How the port program comes and goes, and what it says, is `Linx.Netlink.Port.Server.Life`.
  """

  use GenServer

  alias Linx.Netlink.Port.{Descriptor, Program, Settings, Wire}
  alias Linx.Netlink.Port.Descriptor.Closer
  alias Linx.Netlink.Port.Server.{Alarm, Health, Life, Requests, Sending, State}

  # How long to look for an answer, in microseconds: most requests take less. And for how many.
  @poll_time 200
  @few 2
  # How soon after an answer a request follows at once.
  @at_once 500

  @doc """
  Starts a server.

  ## Example

      iex> alias Linx.Netlink.Port.{Server, Settings}
      iex> {:ok, server} = Server.start_link(Settings.new!(name: nil))
      iex> GenServer.stop(server)
      :ok
  """
  @spec start_link(Settings.t()) :: GenServer.on_start()
  def start_link(%Settings{name: nil} = settings), do: GenServer.start_link(__MODULE__, settings)

  def start_link(%Settings{name: name} = settings),
    do: GenServer.start_link(__MODULE__, settings, name: name)

  @impl true
  def init(%Settings{} = settings) do
    Process.flag(:trap_exit, true)
    Descriptor.check!()
    # Loads what replies are made of, so that `:safe` knows the atoms.
    _ = Wire.vocabulary()
    closer = Closer.start()
    Process.monitor(closer.pid)
    {:ok, %State{settings: settings, closer: closer}}
  end

  @impl true
  # A descriptor is worth nothing on another node.
  def handle_call(_request, {caller, _tag} = from, state) when node(caller) != node() do
    GenServer.reply(from, {:error, {:port, :other_node}})
    wait(state)
  end

  def handle_call({expect, command, {asked_at, timeout}}, from, state) do
    case Life.ready(state) do
      {:ok, state} ->
        deadline = asked_at + (timeout || state.settings.timeout)
        {_id, state} = State.take(state, from, expect, deadline, command)
        state |> State.wake_at(deadline) |> poll_soon() |> wait()

      {:error, code, state} ->
        {:reply, {:error, {:port, code}}, state}
    end
  end

  @impl true
  def handle_info(:wake, state) do
    wait(wake(%{state | alarm: Alarm.fired(state.alarm)}))
  end

  def handle_info(:timeout, state), do: state |> Sending.send_unsent() |> poll() |> wait()

  def handle_info({:hung?, id}, state) do
    if Health.hung?(state.health, id), do: wait(Life.hung(state)), else: wait(state)
  end

  def handle_info({:DOWN, _monitor, :process, pid, reason}, %{closer: %{pid: pid}} = state) do
    {:stop, {:closer, reason}, state}
  end

  def handle_info(_message, %{program: nil} = state), do: {:noreply, state}

  def handle_info(message, state) do
    case Program.handle(state.program, message) do
      {program, events} -> wait(Life.events(%{state | program: program}, events))
      :ignored -> wait(state)
    end
  end

  @impl true
  def terminate(_reason, %{program: nil}), do: :ok

  def terminate(_reason, state), do: Program.stop(state.program)

  ## Replies

  # With one scheduler, it would be in the way of others.
  defp poll_soon(state) do
    now = State.now(:microsecond)
    follows? = state.answered_at != nil and now - state.answered_at < @at_once
    poll? = follows? and System.schedulers_online() > 1
    %{state | poll_until: if(poll?, do: now + @poll_time)}
  end

  # Every callback ends here that leaves a port program up. Who looks for a reply need not be told of it,
  # nor does anybody who expects none. With many on their way, one message tells of several.
  defp wait(state) do
    cond do
      not State.up?(state) -> {:noreply, state}
      state.unsent? or poll?(state) -> {:noreply, state, 0}
      state.program.listening? or not Requests.under_way?(state.requests) -> {:noreply, state}
      true -> state |> Life.receive_replies() |> Sending.flush() |> wait()
    end
  end

  defp poll?(%{requests: requests, poll_until: until}) do
    until != nil and Requests.under_way?(requests) and Requests.count(requests) <= @few and
      State.now(:microsecond) < until
  end

  defp poll(state) do
    event = if State.up?(state) and poll?(state), do: Program.poll(state.program)
    if event, do: state |> Life.event(event) |> Sending.flush(), else: state
  end

  ## Time

  defp wake(state) do
    now = State.now()

    # What is on the pair already is not late.
    state
    |> Life.receive_replies()
    |> Life.give_up(now)
    |> Life.expire(now)
    |> Life.retry_start()
    |> Sending.flush()
    |> wake_next()
  end

  defp wake_next(state) do
    state
    |> State.wake_at(Health.due(state.health))
    |> State.wake_at(Requests.next_deadline(state.requests))
  end
end
