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
  For the answer to one request, or to two, it then looks again and again for a moment, as schedulers do
  before they sleep, instead of being woken, which would take longer than to serve the request.
  Whatever else there is to do comes first.

  When the port program dies, the requests in flight are sent once more, to the next one. What is held
  against one that lives, `Linx.Netlink.Port.Server.Health` says.
  """

  use GenServer

  require Logger

  alias Linx.Netlink.Port.{Descriptor, Program, Settings, Telemetry, Wire}
  alias Linx.Netlink.Port.Descriptor.Closer
  alias Linx.Netlink.Port.Program.Executable
  alias Linx.Netlink.Port.Server.{Alarm, Backoff, Delivery, Health, Requests}

  @epipe 32
  @einval 22
  @etimedout 110

  # How long the answer to a probe may take.
  @probe_timeout 1_000
  # How long a port program that has closed what it is talked to by may take to be gone.
  @end_timeout 1_000
  # How many replies are dealt with before others have their turn.
  @most_at_once 512
  # How soon to try again when the port program is behind with reading. Its every reply is a try too.
  @busy_delay 2
  # How long to look for an answer, in microseconds: most requests take less. And for how many.
  @poll_time 200
  @few 2

  @enforce_keys [:settings, :closer]
  defstruct [
    :settings,
    :closer,
    # The port program, if there is one, and how it is doing.
    program: nil,
    health: nil,
    requests: %Requests{},
    backoff: %Backoff{},
    # Until when to look for an answer, in microseconds.
    poll_until: nil,
    # Whether there are requests that nobody has tried to send yet.
    unsent?: false,
    alarm: %Alarm{},
    starts: 0
  ]

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
    {:ok, %__MODULE__{settings: settings, closer: closer}}
  end

  @impl true
  # A descriptor is worth nothing on another node.
  def handle_call(_request, {caller, _tag} = from, state) when node(caller) != node() do
    GenServer.reply(from, {:error, {:port, @einval}})
    wait(state)
  end

  def handle_call({expect, command, {asked_at, timeout}}, from, state) do
    case ready(state) do
      {:ok, state} ->
        deadline = asked_at + (timeout || state.settings.timeout)
        {_id, state} = take(state, from, expect, deadline, command)
        state |> wake_at(deadline) |> poll_soon() |> wait()

      {:error, code, state} ->
        {:reply, {:error, {:port, code}}, state}
    end
  end

  @impl true
  def handle_info(:wake, state) do
    wait(wake(%{state | alarm: Alarm.fired(state.alarm)}))
  end

  def handle_info(:timeout, state), do: state |> send_unsent() |> poll() |> wait()

  def handle_info({:hung?, id}, state) do
    if Health.hung?(state.health, id), do: wait(hung(state)), else: wait(state)
  end

  def handle_info({:DOWN, _monitor, :process, pid, reason}, %{closer: %{pid: pid}} = state) do
    {:stop, {:closer, reason}, state}
  end

  def handle_info(_message, %{program: nil} = state), do: {:noreply, state}

  def handle_info(message, state) do
    case Program.handle(state.program, message) do
      {program, events} -> wait(events(%{state | program: program}, events))
      :ignored -> wait(state)
    end
  end

  @impl true
  def terminate(_reason, %{program: nil}), do: :ok

  def terminate(_reason, state), do: Program.stop(state.program)

  ## The port program: down, starting, up

  defp up?(state), do: Health.up?(state.health)

  defp ready(%{program: nil} = state) do
    case Backoff.check(state.backoff, now()) do
      :ok -> start(state)
      {:error, code} -> {:error, code, state}
    end
  end

  defp ready(state), do: {:ok, state}

  defp start(state) do
    with {:ok, executable} <- Executable.find(state.settings),
         {:ok, program, events} <- Program.start(executable) do
      Closer.inherit(state.closer, Program.processes(program))
      health = Health.starting(now(), state.settings.timeout)
      state = %{state | program: program, health: health, starts: state.starts + 1}
      state = state |> wake_at(Health.due(health)) |> events(events)
      if state.program, do: {:ok, state}, else: {:error, state.backoff.code, state}
    else
      {:error, code, text} ->
        Logger.error(text)
        {:error, code, %{state | backoff: Backoff.failed(state.backoff, now(), code)}}
    end
  end

  # Every way in which a port program comes to an end leads through here.
  defp down(state, code, text) do
    was_up? = up?(state)
    state = receive_replies(state)
    Program.stop(state.program)
    Logger.error(text <> in_flight(state))

    if was_up? do
      Telemetry.event(
        [:linx_netlink_port, :program, :down],
        %{in_flight: Requests.count(state.requests)},
        metadata(state, %{reason: code})
      )
    end

    backoff = Backoff.failed(state.backoff, now(), code)

    state = %{state | program: nil, health: nil, poll_until: nil, backoff: backoff}

    cond do
      was_up? -> state |> resend(code) |> restart()
      code == @epipe and Backoff.forgiven?(backoff) -> restart(state)
      true -> fail_all(state, code)
    end
  end

  defp in_flight(state) do
    case Requests.count(state.requests) do
      0 -> ""
      count -> " (#{count} requests in flight)"
    end
  end

  defp resend(state, code) do
    {failed, requests} = Requests.resend(state.requests)
    Enum.each(failed, &Delivery.fail(&1, code))
    %{state | requests: requests}
  end

  # Only if anybody waits for it. What was sent once already waits until it may be started again.
  defp restart(state) do
    with true <- Requests.count(state.requests) > 0,
         :ok <- Backoff.check(state.backoff, now()) do
      case start(state) do
        {:ok, state} -> state
        {:error, code, state} -> fail_all(state, code)
      end
    else
      false -> state
      {:error, _code} -> wake_at(state, state.backoff.until)
    end
  end

  defp fail_all(state, code) do
    {failed, requests} = Requests.clear(state.requests)
    Enum.each(failed, &Delivery.fail(&1, code))
    %{state | requests: requests}
  end

  ## Requests

  defp take(state, from, expect, deadline, command) do
    {id, requests} = Requests.add(state.requests, from, expect, deadline, command)
    {id, %{state | requests: requests, unsent?: true}}
  end

  ## Replies

  # With one scheduler, it would be in the way of others.
  defp poll_soon(state) do
    if System.schedulers_online() > 1,
      do: %{state | poll_until: now(:microsecond) + @poll_time},
      else: state
  end

  # Every callback ends here that leaves a port program up. Who looks for a reply need not be told of it, nor does anybody who expects
  # none. With many on their way, one message tells of several.
  defp wait(state) do
    cond do
      not up?(state) -> {:noreply, state}
      state.unsent? or poll?(state) -> {:noreply, state, 0}
      state.program.listening? or not Requests.under_way?(state.requests) -> {:noreply, state}
      true -> state |> receive_replies() |> flush() |> wait()
    end
  end

  defp poll?(%{requests: requests, poll_until: until}) do
    until != nil and Requests.under_way?(requests) and Requests.count(requests) <= @few and
      now(:microsecond) < until
  end

  defp poll(state) do
    event = if up?(state) and poll?(state), do: Program.poll(state.program)
    if event, do: state |> event(event) |> flush(), else: state
  end

  # Not without end: there are others to listen to.
  defp receive_replies(state, left \\ @most_at_once) do
    cond do
      not up?(state) -> state
      left == 0 -> %{state | program: Program.listen_later(state.program)}
      true -> receive_reply(state, left)
    end
  end

  defp receive_reply(state, left) do
    {event, program} = Program.listen(state.program)
    state = event(%{state | program: program}, event)
    if program.listening?, do: state, else: receive_replies(state, left - 1)
  end

  defp send_unsent(%{unsent?: true} = state), do: flush(%{state | unsent?: false})
  defp send_unsent(state), do: state

  defp flush(state) do
    state = send_ready(state)
    wake_at(state, Requests.patience(state.requests))
  end

  defp send_ready(state) do
    if sendable?(state) do
      send = fn id, commands -> Program.send_frame(state.program, Wire.frame(id, commands)) end
      requests = Requests.flush(state.requests, now(), send)
      retry_soon(%{state | requests: requests})
    else
      state
    end
  end

  # One that is to end is sent nothing more: the next one gets it.
  defp sendable?(state) do
    up?(state) and Health.due(state.health) == nil and Requests.queued?(state.requests)
  end

  defp retry_soon(state) do
    if sendable?(state) do
      wake_at(state, now() + @busy_delay)
    else
      state
    end
  end

  ## Events of the port program

  defp events(state, []), do: flush(state)
  defp events(state, [event | events]), do: state |> event(event) |> events(events)

  defp event(state, nil), do: state

  defp event(state, {:reply, id, reply, fds}) do
    case land(state.requests, id, reply) do
      {[], _requests} ->
        Closer.close(state.closer, fds)
        strange(state, "answered a request that it doesn't have (#{id}), dropped")

      {landed, requests} ->
        state = %{state | requests: requests}
        Delivery.deliver(landed, reply, fds, sender(state))
        answered = for {id, _request} <- landed, do: id
        healthy(%{state | health: Health.answered(state.health, answered)})
    end
  end

  defp event(state, {:up, hello}) do
    Closer.inherit(state.closer, Program.processes(state.program))
    program = Program.end_rendezvous(state.program)
    Telemetry.event([:linx_netlink_port, :program, :up], %{}, metadata(state, hello))
    %{state | program: program, health: Health.up(state.health)}
  end

  defp event(state, {:discard, fds}) do
    Closer.close(state.closer, fds)
    state
  end

  defp event(state, {:strange, text, fds}) do
    Closer.close(state.closer, fds)
    strange(state, text)
  end

  # The exit status is on its way, and it tells more.
  defp event(state, {:ending, code, words}) do
    health = Health.condemn(state.health, now() + @end_timeout, code, words)
    wake_at(%{state | health: health}, Health.due(health))
  end

  # It may not have ended: it may be something else that prints, or be stopped.
  defp event(state, {:down, code, text}), do: down(state, code, text)

  # That it has no place for one does not concern those whom it serves already. What it doesn't take says
  # nothing of the namespace file.
  defp land(requests, id, {:error, {:thread, _errno}}),
    do: Requests.turn_away(requests, id, now())

  defp land(requests, id, {:error, [{:thread, _errno} | _]}),
    do: Requests.turn_away(requests, id, now())

  defp land(requests, id, {:error, {:badarg, _text}}),
    do: Requests.land(requests, id, now(), :refused)

  defp land(requests, id, _reply), do: Requests.land(requests, id, now())

  defp strange(state, text) do
    {outcome, health} = Health.strange(state.health, now())

    if outcome == :forgiven,
      do: Logger.warning(Program.describe(state.program) <> " " <> text)

    wake_at(%{state | health: health}, Health.due(health))
  end

  defp sender(state) do
    %{closer: state.closer, program: state.program, info: fn -> info(state) end}
  end

  # Nothing to forget on the ordinary way.
  defp healthy(%{backoff: %Backoff{failures: 0}} = state), do: state
  defp healthy(state), do: %{state | backoff: %Backoff{}}

  ## Time

  defp now(unit \\ :millisecond), do: System.monotonic_time(unit)

  defp wake_at(state, time), do: %{state | alarm: Alarm.set(state.alarm, time)}

  defp wake(state) do
    now = now()

    # What is on the pair already is not late.
    state
    |> receive_replies()
    |> give_up(now)
    |> expire(now)
    |> retry_start(now)
    |> flush()
    |> wake_next()
  end

  defp give_up(state, now) do
    case Health.verdict(state.health, now) do
      {code, words} -> down(state, code, "#{Program.describe(state.program)} #{words}")
      nil -> state
    end
  end

  defp expire(state, now) do
    case Requests.expire(state.requests, now) do
      {[], requests} ->
        %{state | requests: requests}

      {expired, requests} ->
        Enum.each(expired, &Delivery.fail(&1, @etimedout))
        state = %{state | requests: requests}

        # The answer to a probe may be in the server's queue already. This gets in line behind it.
        if Enum.any?(expired, &(&1.from == :probe)),
          do: send(self(), {:hung?, state.health.probe})

        probe(state, now)
    end
  end

  # Somebody had to wait too long. Is it the request, or the port program?
  defp probe(state, now) do
    if Health.probe?(state.health) do
      deadline = now + min(state.settings.timeout, @probe_timeout)
      {id, state} = take(state, :probe, :info, deadline, Wire.info())
      %{state | health: Health.probe(state.health, id)}
    else
      state
    end
  end

  defp hung(state) do
    text =
      "#{Program.describe(state.program)} does not answer any more; it is killed and replaced"

    down(state, @etimedout, text)
  end

  defp retry_start(%{program: nil} = state, _now), do: restart(state)
  defp retry_start(state, _now), do: state

  defp wake_next(state) do
    state |> wake_at(Health.due(state.health)) |> wake_at(Requests.next_deadline(state.requests))
  end

  ## For people to look at

  defp info(state) do
    %{
      in_flight: Requests.count(state.requests),
      starts: state.starts,
      executable: Executable.path(state.settings)
    }
  end

  defp metadata(state, more) do
    Map.merge(%{server: self(), executable: Executable.path(state.settings)}, more)
  end
end
