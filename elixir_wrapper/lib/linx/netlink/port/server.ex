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
  When it has nothing to do, it leaves the lane open, by which a caller gets past it
  (`Linx.Netlink.Port.Lane`).

  How the port program comes and goes, and what it says, is `Linx.Netlink.Port.Server.Life`.
  """

  use GenServer

  # When to look for an answer of which no message tells, in milliseconds.
  @soon 2
  @later 1_000

  alias Linx.Netlink.Port.{Descriptor, Lane, Program, Settings, Wire}
  alias Linx.Netlink.Port.Descriptor.{Closer, Watched}
  alias Linx.Netlink.Port.Server.{Alarm, Health, Life, Requests, Sending, State}

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
    closer = Closer.start({Lane, :forget, [self()]})
    Process.monitor(closer.pid)
    {:ok, %State{settings: settings, closer: closer, lane: Lane.new(closer)}}
  end

  @impl true
  # A descriptor is worth nothing on another node.
  def handle_call(_request, {caller, _tag} = from, state) when node(caller) != node() do
    GenServer.reply(from, {:error, {:port, :other_node}})
    wait(state)
  end

  # What a caller has sent by the lane.
  def handle_call({:handed_over, flight, request}, from, state) do
    # With a whole turn before it, it isn't killed between taking what came early and passing it on.
    :erlang.yield()
    pair = Watched.take_asked(state.closer.table, flight)
    take(request, from, State.left_lane(state, flight), &Life.adopt(&1, &2, pair, flight))
  end

  def handle_call(request, from, state),
    do: take(request, from, state, fn state, _id -> state end)

  defp take({expect, command, {asked_at, timeout}}, from, state, taken) do
    case Life.ready(state) do
      {:ok, state} ->
        deadline = asked_at + (timeout || state.settings.timeout)
        {id, state} = State.take(state, from, expect, deadline, command)
        state |> taken.(id) |> State.wake_at(deadline) |> wait()

      {:error, code, state} ->
        {:reply, {:error, {:port, code}}, state}
    end
  end

  @impl true
  def handle_info(:wake, state) do
    wait(wake(%{state | alarm: Alarm.fired(state.alarm)}))
  end

  def handle_info(:timeout, state), do: state |> Sending.send_unsent() |> wait()

  def handle_info({:hung?, id}, state) do
    if Health.hung?(state.health, id), do: wait(Life.hung(state)), else: wait(state)
  end

  def handle_info({:DOWN, _monitor, :process, pid, reason}, %{closer: %{pid: pid}} = state) do
    {:stop, {:closer, reason}, state}
  end

  def handle_info({:found, pair, key, message}, state) do
    # As above.
    :erlang.yield()
    Closer.claimed(state.closer, key)
    state |> Life.found(pair, message) |> wait()
  end

  def handle_info({:left, flight}, state), do: state |> State.left_lane(flight) |> wait()

  def handle_info({:lost, flight}, state),
    do: state |> State.left_lane(flight) |> Life.lost(flight) |> wait()

  def handle_info(_message, %{program: nil} = state), do: {:noreply, state}

  def handle_info(message, state) do
    case Program.handle(state.program, message) do
      {program, events} -> wait(Life.events(%{state | program: program}, events))
      :ignored -> wait(state)
    end
  end

  @impl true
  def terminate(_reason, state) do
    _ = Lane.lead_to(state.lane, nil)
    if state.program, do: Program.stop(state.program), else: :ok
  end

  ## Replies

  # Every callback ends here that leaves a port program up. Who expects no reply need not be told of it. With
  # many on their way, one message tells of several.
  defp wait(state) do
    cond do
      not State.up?(state) ->
        {:noreply, state}

      state.unsent? ->
        {:noreply, State.close_lane(state), 0}

      State.idle?(state) and not state.crowded? ->
        open_lane(state)

      state.program.listening? or not State.expecting?(state) ->
        {:noreply, State.close_lane(state)}

      true ->
        state |> State.close_lane() |> listen()
    end
  end

  defp listen(%{in_lane: in_lane} = state) when in_lane == %{},
    do: state |> Life.listen() |> Sending.flush() |> wait()

  defp listen(state) do
    state = state |> Life.poll() |> Sending.flush()
    {:noreply, look_later(state, @soon)}
  end

  # An answer that nobody waits for any more may still be to come, and bring a descriptor.
  defp open_lane(state) do
    state = %{state | program: Program.listen_no_more(state.program)}
    Lane.open(state.lane)
    {:noreply, look_later(state, @later)}
  end

  defp look_later(state, delay) do
    if State.expecting?(state), do: State.wake_at(state, State.now() + delay), else: state
  end

  ## Time

  defp wake(state) do
    now = State.now()

    # What is on the pair already is not late.
    state
    |> Life.poll()
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
