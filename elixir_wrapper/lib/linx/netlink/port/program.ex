defmodule Linx.Netlink.Port.Program do
  @moduledoc """
  One running port program: its port, its rendezvous, its pair.

  Nothing here waits. `start/2` returns at once, and what happens then comes to the calling process
  as messages. `handle/2` turns each into events; those of the pair come from `listen/1` and `poll/1`:

    * `{:up, hello}`: it has said hello, and takes requests; to be followed by `end_rendezvous/1`;
    * `{:reply, id, reply, brought}`: a reply, from either channel, with the descriptors that came with it,
      and whether the kernel dropped the last ones, for which there was no room in the BEAM's table;
    * `{:discard, descriptors}`: descriptors that nobody asked for, to be closed;
    * `{:strange, text, descriptors}`: something that was not understood, and is dropped;
    * `{:ending, errno, words}`: it has closed what it is talked to by, and will be down in a moment;
    * `{:down, errno, text}`: it is of no use any more. It is always the last event, and to be
      followed by `stop/1`.

  ## Example

      iex> alias Linx.Netlink.Port.{Descriptor, Program, Settings, Wire}
      iex> alias Linx.Netlink.Port.Program.Executable
      iex> handle_next = fn {program, _events} ->
      ...>   receive do
      ...>     message -> with :ignored <- Program.handle(program, message), do: {program, []}
      ...>   after
      ...>     5_000 -> raise "there is no message"
      ...>   end
      ...> end
      iex> await = fn state, done? -> state |> Stream.iterate(handle_next) |> Enum.find(done?) end
      iex> {:ok, executable} = Executable.find(Settings.new!([]))
      iex> {:ok, program, events} = Program.start(executable)
      iex> {program, [{:discard, [fd]}, {:up, hello}]} =
      ...>   await.({program, events}, fn {_program, events} -> events != [] end)
      iex> program = Program.end_rendezvous(program)
      iex> {Descriptor.close(fd), hello.protocol, for(it <- Program.processes(program), do: it.pid)}
      {:ok, 1, [hello.os_pid]}
      iex> {nil, program} = Program.listen(program)
      iex> {:ok, command} = Wire.open("/proc/self/ns/net", 0, %{})
      iex> Program.send_frame(program.port, Wire.frame(7, [command]))
      :ok
      iex> {program, []} = await.({program, []}, fn {program, _events} -> not program.listening? end)
      iex> {:reply, 7, :ok, {[fd], false}} = Program.poll(program)
      iex> {Descriptor.close(fd), Program.listen_later(program).listening?}
      {:ok, true}
      iex> {Program.stop(program), Program.describe(program) == "the port program " <> executable.path}
      {:ok, true}
  """

  alias Linx.Netlink.Port.{Errno, Netns, Text, Wire}
  alias Linx.Netlink.Port.Program.{Executable, Pair, Rendezvous, Said, Status}
  alias Linx.Netlink.Port.Program.Process, as: OSProcess

  @enforce_keys [:executable, :port, :os_pid, :process, :rendezvous]
  defstruct [
    :executable,
    :port,
    :os_pid,
    :process,
    :rendezvous,
    :pair,
    :hello,
    :peer,
    # Whether a message will tell of something on the pair, and how to take that back.
    listening?: false,
    select: nil,
    buffer: ""
  ]

  @type t() :: %__MODULE__{
          executable: Executable.t(),
          port: port(),
          os_pid: pos_integer() | nil,
          process: OSProcess.t() | nil,
          rendezvous: Rendezvous.t() | nil,
          pair: :socket.socket() | nil,
          hello: map() | nil,
          peer: OSProcess.t() | nil,
          listening?: boolean(),
          select: :socket.select_info() | nil,
          buffer: binary()
        }

  @typedoc "The descriptors that came with a reply, and whether there were more of them."
  @type brought() :: {[non_neg_integer()], truncated? :: boolean()}

  @type event() ::
          {:up, map()}
          | {:reply, Wire.id(), term(), brought()}
          | {:discard, [non_neg_integer()]}
          | {:strange, String.t(), [non_neg_integer()]}
          | {:ending, pos_integer(), String.t()}
          | {:down, pos_integer(), String.t()}

  @epipe 32
  @eproto 71
  @emfile 24

  @doc """
  Starts it, to meet it at this address, or at one that nobody has used before. It is up when it says so.

  An error is a number, and says the same in words: the command isn't there (2), can't be run (13), the
  system has no process (11) or no memory (12) for it, or the BEAM no descriptor (24); or the address can't be
  used.
  """
  @spec start(Executable.t(), String.t() | nil) ::
          {:ok, t(), [event()]} | {:error, Errno.reason(), String.t()}
  def start(%Executable{} = executable, address \\ nil) do
    with {:ok, rendezvous} <- Rendezvous.open(address),
         {:ok, port} <- open_port(executable, rendezvous) do
      os_pid = os_pid(port)

      program = %__MODULE__{
        executable: executable,
        port: port,
        os_pid: os_pid,
        process: OSProcess.identify(os_pid),
        rendezvous: rendezvous
      }

      # Asks to be told of the connection, or finds that it is there already.
      {program, events} = accept(program)
      {:ok, program, events}
    else
      {:error, reason} -> {:error, reason, Status.not_started(name(executable), reason, address)}
    end
  end

  @doc """
  Ends the rendezvous.

  Only now: closing a socket gives others their turn, who may kill the server. By then the descriptor
  of the pair must have been passed on.
  """
  @spec end_rendezvous(t()) :: t()
  def end_rendezvous(%__MODULE__{rendezvous: rendezvous} = program) do
    Rendezvous.close(rendezvous)
    %{program | rendezvous: nil}
  end

  @doc """
  Sends a frame without waiting.

  `:busy` means that the port program is behind with reading, and `:closed` that it is gone, and that
  a message which says so is on its way.
  """
  @spec send_frame(port(), iodata()) :: :ok | :busy | :closed
  def send_frame(port, frame) do
    if Port.command(port, frame, [:nosuspend]), do: :ok, else: :busy
  rescue
    ArgumentError -> :closed
  end

  @doc """
  Sends the descriptors of network namespaces without waiting, each under its key. One that is closed is left
  out: the port program then says that it has none of this key.

  `:busy` means that there is no room for them now, and `:closed` as of `send_frame/2`.
  """
  @spec send_netnses(t(), [{pos_integer(), Netns.open()}]) :: :ok | :busy | :closed
  def send_netnses(%__MODULE__{pair: pair}, carried) do
    Enum.reduce_while(carried, :ok, fn {key, netns}, :ok ->
      case Netns.borrow(netns, &Pair.send_message(pair, Wire.key(key), &1)) do
        result when result in [:ok, :closed, {:error, :ebadf}] -> {:cont, :ok}
        {:error, :epipe} -> {:halt, :closed}
        {:error, _for_now} -> {:halt, :busy}
      end
    end)
  end

  @doc """
  The next reply on the pair; `nil` if there is none, and then a message to the calling process tells when
  there is.

  One at a time: until somebody watches over the descriptors of a reply, they are lost if the calling
  process is killed.
  """
  @spec listen(t()) :: {event() | nil, t()}
  def listen(%__MODULE__{pair: pair} = program) do
    case Pair.receive_message(pair) do
      {:ok, _bytes, _fds, _truncated?} = message ->
        {Said.in_message(message), program}

      {:wait, info} ->
        {nil, %{program | listening?: true, select: info}}

      _closed_or_broken ->
        text = "closed its end of the pair; it is replaced"
        {{:ending, @epipe, text}, %{program | listening?: true}}
    end
  end

  @doc "Has a message tell, as if there were a reply. Others have their turn before it."
  @spec listen_later(t()) :: t()
  def listen_later(%__MODULE__{pair: pair} = program) do
    send(self(), {:"$socket", pair, :select, :more})
    %{program | listening?: true}
  end

  @doc "Has no message tell of a reply, so that another process may look for one. One may be on its way."
  @spec listen_no_more(t()) :: t()
  def listen_no_more(%__MODULE__{select: nil} = program), do: program

  def listen_no_more(%__MODULE__{pair: pair, select: info} = program) do
    Pair.cancel(pair, info)
    %{program | listening?: false, select: nil}
  end

  @doc """
  The next reply on the pair, without having a message tell of it; `nil` if there is none, or it has ended,
  which is for `listen/1` to find.
  """
  @spec poll(t()) :: event() | nil
  def poll(%__MODULE__{pair: pair}) do
    with {:ok, _bytes, _fds, _truncated?} = message <- Pair.poll_message(pair),
         do: Said.in_message(message),
         else: (_nothing -> nil)
  end

  @doc "Turns a message into events; `:ignored` if it isn't about this port program."
  @spec handle(t(), term()) :: {t(), [event()]} | :ignored
  def handle(%__MODULE__{pair: pair} = program, {:"$socket", pair, :select, ref}) do
    case program.select do
      # The message was on its way when it was taken back.
      {:select_info, _tag, other} when other != ref -> {program, []}
      _it -> {%{program | listening?: false, select: nil}, []}
    end
  end

  def handle(%__MODULE__{port: port} = program, {port, {:data, data}}), do: read(program, data)

  def handle(%__MODULE__{port: port} = program, {port, {:exit_status, status}}) do
    {program, [{:down, @epipe, ended(program, status)}]}
  end

  # The BEAM closes a port whose pipe nobody reads any more, and then isn't told the status of its program.
  def handle(%__MODULE__{port: port} = program, {:EXIT, port, :epipe}) do
    text = " ended, or closed its stdin, before it had read what was sent to it"
    {program, [{:down, @epipe, describe(program) <> text}]}
  end

  def handle(%__MODULE__{port: port} = program, {:EXIT, port, reason}) do
    text = describe(program) <> " is gone: its port was closed (#{Text.term(reason)})"
    {program, [{:down, @epipe, text}]}
  end

  def handle(%__MODULE__{rendezvous: nil}, _message), do: :ignored

  def handle(%__MODULE__{rendezvous: rendezvous} = program, {:"$socket", socket, :select, _ref}) do
    cond do
      socket == rendezvous.connection -> receive_hello(program)
      socket == rendezvous.listener and rendezvous.connection == nil -> accept(program)
      true -> :ignored
    end
  end

  def handle(_program, _message), do: :ignored

  @doc """
  Ends it: by ending its input, and by a signal in case that it doesn't care, or is stopped.
  """
  @spec stop(t()) :: :ok
  def stop(%__MODULE__{} = program) do
    close_port(program.port)
    Rendezvous.close(program.rendezvous)
    _ = if program.pair, do: :socket.close(program.pair)
    program |> processes() |> OSProcess.kill()
  end

  @doc "What was started, and what has said hello: not the same where there is a launcher."
  @spec processes(t()) :: [OSProcess.t()]
  def processes(%__MODULE__{process: process, peer: peer}) do
    for process <- Enum.uniq([process, peer]), process != nil, do: process
  end

  @doc "The port program's path, in words."
  @spec describe(t()) :: String.t()
  def describe(%__MODULE__{executable: executable}), do: name(executable)

  defp name(executable), do: "the port program #{Text.short(executable.path)}"

  defp open_port(executable, rendezvous) do
    with {:error, code} <- Executable.open_port(executable, rendezvous.address) do
      Rendezvous.close(rendezvous)
      {:error, code}
    end
  end

  defp os_pid(port) do
    case Port.info(port, :os_pid) do
      {:os_pid, pid} -> pid
      nil -> nil
    end
  end

  # Not the process as identified: one with capabilities can't be looked at under hidepid.
  defp guest(%__MODULE__{executable: executable, os_pid: os_pid}) do
    cond do
      Executable.launched?(executable) -> :launched
      os_pid -> {:pid, os_pid}
      # It has ended already.
      true -> {:pid, 0}
    end
  end

  defp accept(program) do
    case Rendezvous.accept(program.rendezvous, guest(program)) do
      {:ok, rendezvous} ->
        peer = OSProcess.identify(rendezvous.peer)
        receive_hello(%{program | rendezvous: rendezvous, peer: peer})

      :wait ->
        {program, []}

      {:error, code} ->
        {program, [{:down, code, unreachable(program, Errno.describe(code))}]}
    end
  end

  defp receive_hello(program) do
    case Rendezvous.receive_hello(program.rendezvous) do
      {:ok, bytes, fds, truncated?} -> greet(program, Wire.decode(bytes), fds, truncated?)
      {:wait, _info} -> {program, []}
      :closed -> {program, [{:ending, @eproto, "closed the rendezvous without a hello"}]}
      {:error, reason} -> down(program, Errno.to_code(reason), "lost the rendezvous")
    end
  end

  defp greet(program, {:hello, %{protocol: 1} = hello}, [fd], false) do
    case Pair.adopt(fd) do
      {:ok, pair} ->
        {%{program | pair: pair, hello: hello}, [{:discard, [fd]}, {:up, hello}]}

      {:error, reason} ->
        text = unreachable(program, "its pair is no socket: #{Text.term(reason)}")
        {program, [{:discard, [fd]}, {:down, Errno.to_code(reason), text}]}
    end
  end

  defp greet(program, {:hello, %{protocol: 1}}, fds, true) do
    text = unreachable(program, "the BEAM has no descriptor left; raise its `ulimit -n`")
    {program, [{:discard, fds}, {:down, @emfile, text}]}
  end

  defp greet(program, {:hello, %{protocol: other}}, fds, _truncated?) when other != 1 do
    text =
      "speaks version #{Text.term(other)} of the protocol, and version #{Wire.version()} is wanted; " <>
        "build the two together"

    {program, [{:discard, fds}, {:down, @eproto, describe(program) <> " " <> text}]}
  end

  defp greet(program, _no_hello, fds, _truncated?) do
    {program, events} =
      down(program, @eproto, "said something else than hello; is it the right file?")

    {program, [{:discard, fds} | events]}
  end

  defp down(program, code, text), do: {program, [{:down, code, describe(program) <> " " <> text}]}

  defp unreachable(program, text), do: describe(program) <> " can't be talked to: " <> text

  # It has nothing to say before it has been asked, and is asked nothing before its hello.
  defp read(%__MODULE__{hello: nil} = program, _data), do: rubbish(program)

  defp read(program, data) do
    case Wire.unframe(program.buffer <> data) do
      {:ok, frames, rest} -> frames(%{program | buffer: rest}, frames)
      :error -> rubbish(program)
    end
  end

  defp rubbish(program) do
    down(program, @eproto, "prints something else than frames; is it the right file?")
  end

  defp frames(program, frames), do: {program, Enum.map(frames, &Said.in_frame(Wire.decode(&1)))}

  defp close_port(port) do
    Port.close(port)
    :ok
  rescue
    # It is closed already.
    ArgumentError -> :ok
  end

  defp ended(%__MODULE__{executable: executable} = program, status) do
    cond do
      program.hello ->
        Status.after_hello(describe(program), status)

      program.peer == nil and Executable.launched?(executable) ->
        Status.launched(executable, describe(program), status)

      true ->
        Status.before_hello(describe(program), status)
    end
  end
end
