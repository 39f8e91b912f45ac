defmodule Linx.Netlink.Port do
  @moduledoc """
  Netlink sockets in other network namespaces, opened by a process that may die.

      {:ok, socket} = Linx.Netlink.Port.open({:name, "blue"}, :route)

  `socket` is an ordinary `:socket` socket of the calling process, and lives in the network namespace
  `blue`. What is sent over it acts there, and what is read tells of there.

  ## Why a port program

  To open a socket in another network namespace, a thread must enter it with `setns(2)`. A scheduler
  of the BEAM must not: whatever else runs on it would be moved too. A NIF can use a thread of its
  own, but then a fault in it is the end of the BEAM, and the BEAM as a whole must hold
  `CAP_SYS_ADMIN`.

  Here an external program does it, one thread for each request, and hands the descriptor over through a
  unix socket. It may be killed at any moment: the BEAM, its sockets and the other callers go on, and
  the program is started again. And it is the only one that needs `CAP_SYS_ADMIN`, to enter. To read, the
  BEAM needs no capability. To change something, both need `CAP_NET_ADMIN`: the kernel looks at who opened
  the socket, and at who sends.

  ## Servers

  A server of the name `Linx.Netlink.Port` is started with the application, and its port program when it
  is first needed. More of them, with other settings, are started with `start_link/1` or in a
  supervisor:

      children = [
        {Linx.Netlink.Port, name: MyApp.Netlink, launcher: ["sudo", "-n"]}
      ]

      Linx.Netlink.Port.open({:name, "blue"}, :route, server: MyApp.Netlink)

  Settings that are not given come from the application's configuration, which also says whether the
  first one is started, and whether it takes the place of Linx's NIF (docs/LINX.md). These are the defaults:

      config :linx_netlink_port,
        start: true,
        replace_nif: false,
        executable: nil,
        launcher: [],
        args: [],
        timeout: 5_000

  An `executable` of `nil` is the one that was built with the library. Another is given by its path, such
  as `"/usr/libexec/linx-netlink-port"`. The `timeout` is in milliseconds.

  ## Who owns what

  The server owns the deadlines: no call takes longer than its `:timeout`, and none makes its caller
  exit, whatever happens to the port program or to the server. The socket belongs to the caller, and is
  closed with it. A descriptor on its way to a caller that dies, or that has given up, is closed.
  Closing the socket leaves nothing over.

  ## When the port program fails

  It is started again by the next call; requests in flight are sent once more, if there is time left.
  One that doesn't answer (stopped, say) is ended and replaced. If it keeps failing, it is given
  more and more time, up to a second, in which calls fail at once. Each failure is one line in the log,
  which says what to do. Errors of the stage `:port` are

    * `:enoent`: it isn't there, or its launcher isn't;
    * `:eacces`: it can't be run;
    * `:epipe`: it died, or the server is not running;
    * `:enotconn`: the application isn't started;
    * `:etimedout`: no answer in time;
    * `:eproto`: it is something else, or speaks another version;
    * `:emfile`: the BEAM has no descriptor left;
    * `:emsgsize`: the request is larger than 1 MiB;
    * `:einval`: the server was asked from another node, or the port program refused an argument, which the
      log tells: the two may be of different versions;
    * `:eagain`, `:enomem`: the system has no process or no memory left for it.

  ## Telemetry

  Where the `:telemetry` library is there, these events are emitted. There is no dependency on it.

    * `[:linx_netlink_port, :open, :stop]`: sockets were opened. Measurement: `:duration`, in native
      units. Metadata: `:netns`, `:protocol`, `:server`; for `open_many/2` instead of the first two
      `:entries`, how many there were.
    * `[:linx_netlink_port, :open, :exception]`: they were not. The same, and `:kind`, which is
      `:error`, and `:reason`: an error as `open/3` returns it, or as the drop-in does.
    * `[:linx_netlink_port, :program, :up]`: a port program has said hello. Metadata: `:server`,
      `:executable`, and its hello: `:os_pid`, `:version`, `:protocol`, `:capabilities`.
    * `[:linx_netlink_port, :program, :down]`: it is gone. Measurement: `:in_flight`, how many
      requests waited for it. Metadata: `:server`, `:executable`, `:reason`, an error number.
  """

  alias Linx.Netlink.Port.{
    Call,
    Descriptor,
    Errno,
    Error,
    Host,
    Netns,
    NifModule,
    Options,
    Protocol,
    Server,
    Settings,
    Telemetry,
    Wire
  }

  alias Linx.Netlink.Port.Descriptor.Closer

  @typedoc "A setting of a server."
  @type setting() ::
          {:name, GenServer.name() | nil}
          | {:executable, Path.t()}
          | {:launcher, [String.t()]}
          | {:args, [String.t()]}
          | {:timeout, pos_integer()}

  @typedoc "An option of a call: whom to ask, how long to wait, and what to do to the socket."
  @type option() :: Options.call_option() | Options.socket_option()

  @typedoc "One of many sockets."
  @type entry() ::
          {Netns.t(), Protocol.t()} | {Netns.t(), Protocol.t(), [Options.socket_option()]}

  @doc """
  Starts a server.

    * `:name`: its name, `#{inspect(__MODULE__)}` if not given, `nil` for none;
    * `:executable`: the port program, by default the one that was built with the library;
    * `:launcher`: a command to put in front of it, such as `["sudo", "-n"]`;
    * `:args`: more arguments for it, such as `["--max-in-flight", "64"]`;
    * `:timeout`: how long a call takes at most, and how long a port program may take to start, in
      milliseconds, by default 5,000.

  A wrong setting raises `ArgumentError`. A name that is taken is `{:error, {:already_started, pid}}`. That
  the port program can't be used is no error here: it is started by the first call, which tells.

  ## Example

      iex> {:ok, server} = Linx.Netlink.Port.start_link(name: nil, args: ["--max-in-flight", "64"])
      iex> {:ok, info} = Linx.Netlink.Port.info(server)
      iex> info.program.max_in_flight
      64
      iex> GenServer.stop(server)
      :ok
  """
  @spec start_link([setting()]) :: GenServer.on_start()
  def start_link(settings \\ []) do
    settings |> Keyword.put_new(:name, __MODULE__) |> Settings.new!() |> Server.start_link()
  end

  @doc """
  How a supervisor starts a server. The settings are those of `start_link/1`.

  ## Example

      iex> Linx.Netlink.Port.child_spec(name: MyApp.Netlink)
      %{
        id: MyApp.Netlink,
        start: {Linx.Netlink.Port, :start_link, [[name: MyApp.Netlink]]},
        type: :worker
      }
  """
  @spec child_spec([setting()]) :: Supervisor.child_spec()
  def child_spec(settings) do
    %{
      id: Keyword.get(settings, :name) || __MODULE__,
      start: {__MODULE__, :start_link, [settings]},
      type: :worker
    }
  end

  @doc """
  Opens a netlink socket in a network namespace.

  `netns` is one of

    * `:host`, the BEAM's own, for which no port program is needed;
    * `{:name, name}`, a name of `ip netns`;
    * `{:pid, pid}`, that of a process;
    * `{:path, path}` or a plain path, that of a namespace file. `/proc/self` is the BEAM in it.

  `protocol` is a number, or a name such as `:route`, `:generic` or `:netfilter`
  (`t:Linx.Netlink.Port.Protocol.t/0`).

  The socket belongs to the calling process. It is not bound, unless options ask for it:

    * `:ext_ack`, `:cap_ack`, `:strict_check`, `:no_enobufs`, `:listen_all_nsid`: true or false, the
      netlink option of that name;
    * `:rcvbuf`, `:sndbuf`: the size of its buffers in bytes, beyond the system's limit if the port
      program may;
    * `:groups`: binds it to the groups in this mask; 0 is a plain bind;
    * `:memberships`: a list of group numbers; binds it and joins them;
    * `:server`: the server to ask, `#{inspect(__MODULE__)}` if not given;
    * `:timeout`: how long to wait at most, in milliseconds, if not the server's.

  The socket's options are set by the port program, before the socket is handed over: an unprivileged
  BEAM has the benefit of what they need.

  A wrong argument raises `ArgumentError`. Everything else is an `{:error, error}`, with a
  `Linx.Netlink.Port.Error` that tells the step that failed, the error number, and what to do about it.

  ## Examples

      iex> {:ok, socket} = Linx.Netlink.Port.open("/proc/self/ns/net", :route, memberships: [1])
      iex> {:ok, %{addr: <<_pad::16, _nl_pid::32, groups::native-32>>}} = :socket.sockname(socket)
      iex> groups
      1
      iex> :socket.close(socket)
      :ok

      iex> {:error, error} = Linx.Netlink.Port.open({:name, "green"}, :route)
      iex> Exception.message(error)
      ~s|could not open the network namespace "green" (/run/netns/green): no such file or | <>
        ~s|directory (ENOENT); `ip netns list` shows the names there are|
  """
  @spec open(Netns.t(), Protocol.t(), [option()]) ::
          {:ok, :socket.socket()} | {:error, Error.t()}
  def open(netns, protocol, options \\ []) do
    {server, timeout, options} = Options.split!(options, __MODULE__)
    entry = entry!({netns, protocol, options})

    Telemetry.open_span(%{netns: netns, protocol: protocol, server: server}, fn ->
      entry |> open_entry(server, Call.time(timeout)) |> result(entry)
    end)
  end

  @doc """
  Opens many netlink sockets, with as few requests as can be.

  Each entry is `{netns, protocol}` or `{netns, protocol, options}`; options given for all hold for
  each entry that doesn't say otherwise. There is one result an entry, in their order: one socket that
  can't be had doesn't keep the others.

  One request asks for up to 253 sockets, and they are opened one after the other. So an entry whose
  namespace file hangs holds up the others of its request, and the requests after it, until the timeout:
  all of them are `:etimedout` then. `:timeout` is for the whole call. Entries of `:host` are not affected.

  A wrong argument, in whichever entry, raises `ArgumentError` before anything is opened, and `entries` that
  are no list `FunctionClauseError`. Everything else is the `{:error, error}` of an entry, with a
  `Linx.Netlink.Port.Error`. Where the port program can't be used, or a request is larger than 1 MiB
  (`:emsgsize`), each entry of the request has that error.

  ## Example

      iex> entries = [{"/proc/self/ns/net", :route}, {:host, :generic}, {{:name, "green"}, :route}]
      iex> {:ok, [{:ok, route}, {:ok, generic}, {:error, error}]} =
      ...>   Linx.Netlink.Port.open_many(entries)
      iex> {error.stage, error.errno}
      {:open, :enoent}
      iex> Enum.map([route, generic], &:socket.close/1)
      [:ok, :ok]
  """
  @spec open_many([entry()], [option()]) ::
          {:ok, [{:ok, :socket.socket()} | {:error, Error.t()}]}
  def open_many(entries, options \\ []) when is_list(entries) do
    {server, timeout, common} = Options.split!(options, __MODULE__)
    entries = Enum.map(entries, &entry!(&1, common))

    Telemetry.open_span(%{entries: length(entries), server: server}, fn ->
      {:ok, open_entries(entries, server, Call.time(timeout))}
    end)
  end

  @doc """
  What the port program and the server have to tell: `{:ok, %{program: map, server: map}}`.

  `:program` is the port program's answer: at least `:protocol`, `:version`, `:os_pid`, `:uptime_ms`,
  `:capabilities` (those it holds), `:requests` (how many it has served: `:ok`, `:error`,
  `:in_flight`) and `:max_in_flight`. A newer port program may tell more; names that are not known here
  are strings then.

  `:server` counts what the server knows: `:in_flight` (requests not answered yet), `:starts` (port
  programs started so far), `:unclaimed` (descriptors on their way to their callers; they have been
  closed if their callers are gone). `:executable` is the port program's path, and `:replaces_nif` whether
  `Linx.Netlink.Socket.Native` is the port program's now (`replace_nif: true`).

  It starts the port program if it isn't running, and takes the server's `:timeout` at most. An error is a
  `Linx.Netlink.Port.Error` of the stage `:port`.

  ## Example

      iex> {:ok, %{program: program, server: server}} = Linx.Netlink.Port.info()
      iex> {program.protocol, server.in_flight}
      {1, 0}
  """
  @spec info(GenServer.server()) :: {:ok, %{program: map(), server: map()}} | {:error, Error.t()}
  def info(server \\ __MODULE__) do
    case Call.request(server, :info, Wire.info(), Call.time(nil)) do
      {:ok, program, counts, closer} ->
        more = %{unclaimed: Closer.watched(closer), replaces_nif: NifModule.ours?()}
        {:ok, %{program: program, server: Map.merge(counts, more)}}

      {:error, {stage, code}} ->
        {:error, Error.new(stage, code)}
    end
  end

  # An entry knows what it was called with, for its error, and where it leads: to the port program, to the
  # BEAM itself, or nowhere.

  defp entry!(entry, common \\ [])
  defp entry!({netns, protocol}, common), do: entry!({netns, protocol, []}, common)

  defp entry!({netns, protocol, options}, common) do
    %{
      netns: netns,
      protocol: protocol,
      number: Protocol.number!(protocol),
      options: Options.wire!(merge!(common, options)),
      target: Netns.resolve!(netns)
    }
  end

  defp entry!(other, _common) do
    raise ArgumentError,
          "expected {netns, protocol} or {netns, protocol, options}, got: #{inspect(other)}"
  end

  defp merge!([], options), do: options

  defp merge!(common, options) do
    if Keyword.keyword?(options), do: Keyword.merge(common, options), else: options
  end

  defp open_entry(%{target: {:ok, :host}} = entry, _server, _deadline),
    do: Host.open(entry.number, entry.options)

  defp open_entry(%{target: {:ok, netns}, number: number} = entry, server, time) do
    with {:ok, command} <- Wire.open(netns, number, entry.options),
         {:ok, fd, id, closer} <- Call.request(server, :one, command, time) do
      socket = adopt(fd, number)
      Closer.adopted(closer, id)
      socket
    end
  end

  defp open_entry(%{target: {:error, reason}}, _server, _deadline), do: {:error, reason}

  defp open_entries(entries, server, time) do
    {there, here} =
      entries |> Enum.with_index() |> Enum.split_with(fn {entry, _index} -> remote?(entry) end)

    opened_here =
      for {entry, index} <- here,
          do: {index, entry |> open_entry(server, time) |> result(entry)}

    opened_there =
      there
      |> Enum.chunk_every(Wire.max_entries())
      |> Enum.flat_map(&open_chunk(&1, server, time))

    (opened_here ++ opened_there) |> Enum.sort() |> Enum.map(fn {_index, result} -> result end)
  end

  defp remote?(%{target: {:ok, netns}}), do: netns != :host
  defp remote?(_entry), do: false

  defp open_chunk(chunk, server, time) do
    {entries, indexes} = Enum.unzip(chunk)

    results =
      for {entry, result} <- Enum.zip(entries, open_at_once(entries, server, time)),
          do: result(result, entry)

    Enum.zip(indexes, results)
  end

  defp open_at_once(entries, server, time) do
    wire =
      for %{target: {:ok, netns}} = entry <- entries,
          do: Wire.entry(netns, entry.number, entry.options)

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

  defp adopt_result({:ok, fd}, entry), do: adopt(fd, entry.number)
  defp adopt_result({:error, reason}, _entry), do: {:error, reason}

  defp adopt(fd, number) do
    with {:error, reason} <- Descriptor.adopt(fd, number) do
      {:error, {:port, Errno.to_code(reason)}}
    end
  end

  defp result({:ok, socket}, _entry), do: {:ok, socket}

  defp result({:error, {stage, code}}, entry),
    do: {:error, Error.new(stage, code, entry.netns, entry.protocol)}
end
