defmodule Linx.Netlink.Port.Server.Life do
  @moduledoc """
  The life of the port program, as its server sees it: it starts, is up, answers, fails, and is replaced.

  When it dies, the requests in flight are sent once more, to the next one. What is held against one that
  lives, `Linx.Netlink.Port.Server.Health` says.
  """

  require Logger

  alias Linx.Netlink.Port.{Descriptor, Errno, Lane, Program, Telemetry, Text, Wire}
  alias Linx.Netlink.Port.Descriptor.{Closer, Watched}
  alias Linx.Netlink.Port.Program.{Executable, Pair, Said}
  alias Linx.Netlink.Port.Server.{Backoff, Delivery, Health, Requests, Sending, State, Strays}

  @epipe 32
  @etimedout 110

  # How long the answer to a probe may take.
  @probe_timeout 1_000
  # How long a port program that has closed what it is talked to by may take to be gone.
  @end_timeout 1_000
  # How many replies are dealt with before others have their turn.
  @most_at_once 512

  @doc "Starts the port program if there is none; an error number if there can be none now."
  @spec ready(State.t()) :: {:ok, State.t()} | {:error, Errno.reason(), State.t()}
  def ready(%{program: nil} = state) do
    case Backoff.check(state.backoff, State.now()) do
      :ok -> start(state)
      {:error, code} -> {:error, code, state}
    end
  end

  def ready(state), do: {:ok, state}

  defp start(state) do
    with {:ok, executable} <- Executable.find(state.settings),
         {:ok, program, events} <- Program.start(executable, state.settings.rendezvous) do
      Closer.inherit(state.closer, Program.processes(program))
      health = Health.starting(State.now(), state.settings.timeout)
      state = %{state | program: program, health: health, starts: state.starts + 1}
      state = state |> State.wake_at(Health.due(health)) |> events(events)
      if state.program, do: {:ok, state}, else: {:error, state.backoff.code, state}
    else
      {:error, code, text} ->
        Logger.error(Text.printable(text))
        {:error, code, %{state | backoff: Backoff.failed(state.backoff, State.now(), code)}}
    end
  end

  # Every way in which a port program comes to an end leads through here.
  defp down(state, code, text) do
    was_up? = State.up?(state)
    state = poll(state)
    Program.stop(state.program)
    state = close_all_early(state)
    Logger.error(Text.printable(text <> in_flight(state)))

    if was_up? do
      Telemetry.event(
        [:linx_netlink_port, :program, :down],
        %{in_flight: Requests.count(state.requests)},
        State.metadata(state, %{reason: code})
      )
    end

    backoff = Backoff.failed(state.backoff, State.now(), code)

    state = %{
      state
      | program: nil,
        health: nil,
        backoff: backoff,
        lane: Lane.lead_to(state.lane, nil),
        strays: %Strays{},
        in_lane: %{}
    }

    cond do
      was_up? -> state |> State.resend(code) |> restart()
      code == @epipe and Backoff.forgiven?(backoff) -> restart(state)
      true -> State.fail_all(state, code)
    end
  end

  defp in_flight(state) do
    case Requests.count(state.requests) do
      0 -> ""
      1 -> " (1 request in flight)"
      count -> " (#{count} requests in flight)"
    end
  end

  # Only if anybody waits for it. What was sent once already waits until it may be started again.
  defp restart(state) do
    with true <- Requests.count(state.requests) > 0,
         :ok <- Backoff.check(state.backoff, State.now()) do
      case start(state) do
        {:ok, state} -> state
        {:error, code, state} -> State.fail_all(state, code)
      end
    else
      false -> state
      {:error, _code} -> State.wake_at(state, state.backoff.until)
    end
  end

  @doc """
  Deals with the replies that are there, and with whatever they mean, as long as any are expected. Then it is
  told of the next one by a message, which nobody in the lane must be for.

  Not without end: there are others to listen to.
  """
  @spec listen(State.t()) :: State.t()
  def listen(state), do: receive_replies(state, @most_at_once, &Program.listen/1)

  @doc "The same, but that no message tells of the next one."
  @spec poll(State.t()) :: State.t()
  def poll(state), do: receive_replies(state, @most_at_once, &{Program.poll(&1), &1})

  defp receive_replies(state, left, receive_one) do
    cond do
      not State.up?(state) -> state
      not State.expecting?(state) -> state
      left == 0 -> %{state | program: Program.listen_later(state.program)}
      true -> receive_reply(state, left, receive_one)
    end
  end

  defp receive_reply(state, left, receive_one) do
    case receive_one.(state.program) do
      {nil, program} ->
        %{state | program: program}

      # It is the last one, and would be found again and again.
      {{:ending, _code, _words} = event, program} ->
        event(%{state | program: program}, event)

      {event, program} ->
        %{state | program: program} |> event(event) |> receive_replies(left - 1, receive_one)
    end
  end

  @doc "Deals with what the port program said, and then sends what may be sent."
  @spec events(State.t(), [Program.event()]) :: State.t()
  def events(state, []), do: Sending.flush(state)
  def events(state, [event | events]), do: state |> event(event) |> events(events)

  @doc "Deals with one thing that it said, or with nothing."
  @spec event(State.t(), Program.event() | nil) :: State.t()
  def event(state, nil), do: state

  def event(state, {:reply, id, reply, brought}) do
    case land(state.requests, id, reply) do
      {[], _requests} ->
        stray(state, id, reply, brought)

      {landed, requests} ->
        state = %{state | requests: requests}
        left = Delivery.deliver(landed, reply, brought, State.sender(state))
        answered = for {id, _request} <- landed, do: id
        health = Health.answered(state.health, answered)

        %{state | health: health, crowded?: length(landed) + Requests.count(requests) > 1}
        |> healthy()
        |> unasked(left)
    end
  end

  def event(state, {:up, hello}) do
    Closer.inherit(state.closer, Program.processes(state.program))
    program = Program.end_rendezvous(state.program)
    Telemetry.event([:linx_netlink_port, :program, :up], %{}, State.metadata(state, hello))

    %{
      state
      | program: program,
        health: Health.up(state.health),
        lane: Lane.lead_to(state.lane, program)
    }
  end

  def event(state, {:discard, fds}), do: discard(state, fds)

  def event(state, {:strange, text, fds}) do
    Closer.close(state.closer, fds)
    strange(state, text)
  end

  # The exit status is on its way, and it tells more.
  def event(state, {:ending, code, words}) do
    health = Health.condemn(state.health, State.now() + @end_timeout, code, words)
    State.wake_at(%{state | health: health}, Health.due(health))
  end

  # It may not have ended: it may be something else that prints, or be stopped.
  def event(state, {:down, code, text}), do: down(state, code, text)

  # An answer to a request that the server has not sent.
  defp stray(state, id, reply, {fds, _truncated?} = brought) do
    case Strays.answered(state.strays, id) do
      {:ok, strays} ->
        Closer.close(state.closer, fds)
        %{state | strays: strays}

      :error ->
        if Watched.asked?(state.closer.table, id) and not Strays.early?(state.strays, id),
          do: keep(state, id, reply, brought),
          else: unknown(state, id, fds)
    end
  end

  # Whoever sent it is still looking for it. Until he comes, its descriptors are the server's.
  defp keep(state, id, reply, {fds, _truncated?} = brought) do
    # A closer that is gone ends the server, too.
    if Closer.watch(state.closer, [{{:early, id}, self(), fds}]) == :gone,
      do: Descriptor.close_all(fds)

    %{state | strays: Strays.keep(state.strays, id, reply, brought)}
  end

  defp unknown(state, id, fds) do
    Closer.close(state.closer, fds)
    strange(state, "answered a request that it doesn't have (#{id}), dropped")
  end

  @doc """
  Goes on with a request that was just taken: its caller has sent it already, by the lane, to the
  port program that has this pair, as this flight.
  """
  @spec adopt(State.t(), Wire.id(), :socket.socket() | nil, Wire.id()) :: State.t()
  def adopt(%{program: %{pair: pair}} = state, id, pair, flight) when pair != nil do
    {early, strays} = Strays.take(state.strays, flight)
    requests = Requests.sent(state.requests, id, flight, State.now())
    state = %{state | requests: requests, strays: strays}

    case early do
      {reply, brought} ->
        Closer.claimed(state.closer, {:early, flight})
        event(state, {:reply, flight, reply, brought})

      nil ->
        state
    end
  end

  # That one is gone, and the next gets it.
  def adopt(state, id, _pair, _flight),
    do: %{state | requests: Requests.sent_before(state.requests, id)}

  @doc "Deals with a message that a caller in the lane has come upon, and that is none of his business."
  @spec found(State.t(), :socket.socket(), Pair.message()) :: State.t()
  def found(%{program: %{pair: pair}} = state, pair, message),
    do: state |> event(Said.in_message(message)) |> Sending.flush()

  def found(state, _pair, {:ok, _bytes, fds, _truncated?}), do: discard(state, fds)

  @doc "The caller of a request in the lane is gone: what it brings is closed."
  @spec lost(State.t(), Wire.id()) :: State.t()
  def lost(state, id) do
    pair = Watched.take_asked(state.closer.table, id)

    # Not if he has handed it over, or the port program that he has asked is gone, too.
    if pair != nil and match?(%{pair: ^pair}, state.program), do: lose(state, id), else: state
  end

  defp lose(state, id) do
    case Strays.take(state.strays, id) do
      {nil, strays} -> %{state | strays: Strays.lose(strays, id)}
      {{_reply, {fds, _truncated?}}, strays} -> close_early(%{state | strays: strays}, id, fds)
    end
  end

  defp close_all_early(state) do
    Enum.reduce(Strays.all(state.strays), state, fn {id, fds}, state ->
      close_early(state, id, fds)
    end)
  end

  defp close_early(state, id, fds) do
    :erlang.yield()
    Closer.claimed(state.closer, {:early, id})
    discard(state, fds)
  end

  # That it has no place for one does not concern those whom it serves already. What it doesn't take says
  # nothing of the namespace file.
  defp land(requests, id, {:error, {:thread, _errno}}),
    do: Requests.turn_away(requests, id, State.now())

  defp land(requests, id, {:error, [{:thread, _errno} | _]}),
    do: Requests.turn_away(requests, id, State.now())

  defp land(requests, id, {:error, {:badarg, _text}}),
    do: Requests.land(requests, id, State.now(), :refused)

  defp land(requests, id, _reply), do: Requests.land(requests, id, State.now())

  defp unasked(state, []), do: state

  defp unasked(state, fds) do
    Closer.close(state.closer, fds)
    strange(state, "sent more descriptors than were asked for")
  end

  defp discard(state, fds) do
    Closer.close(state.closer, fds)
    state
  end

  defp strange(state, text) do
    {outcome, health} = Health.strange(state.health, State.now())

    if outcome == :told,
      do: Logger.warning(Text.printable(Program.describe(state.program) <> " " <> text))

    State.wake_at(%{state | health: health}, Health.due(health))
  end

  # Nothing to forget on the ordinary way.
  defp healthy(%{backoff: %Backoff{failures: 0}} = state), do: state
  defp healthy(state), do: %{state | backoff: %Backoff{}}

  @doc "Ends a port program whose time is up."
  @spec give_up(State.t(), integer()) :: State.t()
  def give_up(state, now) do
    case Health.verdict(state.health, now) do
      {code, words} -> down(state, code, "#{Program.describe(state.program)} #{words}")
      nil -> state
    end
  end

  @doc "Tells those whose time is up, and asks the port program whether it is there at all."
  @spec expire(State.t(), integer()) :: State.t()
  def expire(state, now) do
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
      {id, state} = State.take(state, :probe, :info, deadline, Wire.info())
      %{state | health: Health.probe(state.health, id)}
    else
      state
    end
  end

  @doc "Replaces a port program that has not answered its probe."
  @spec hung(State.t()) :: State.t()
  def hung(state) do
    text = "#{Program.describe(state.program)} does not answer any more; it is ended and replaced"

    down(state, @etimedout, text)
  end

  @doc "Starts the next one, if somebody waits for it and it is time."
  @spec retry_start(State.t()) :: State.t()
  def retry_start(%{program: nil} = state), do: restart(state)
  def retry_start(state), do: state
end
