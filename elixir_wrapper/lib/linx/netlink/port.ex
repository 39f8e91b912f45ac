defmodule Linx.Netlink.Port do
  @moduledoc """
  Sockets in other network namespaces, opened by a process that may die.

      {:ok, socket} = Linx.Netlink.Port.open({:name, "blue"}, :route)

  `socket` is an ordinary `:socket` socket of the calling process, and lives in the network namespace
  `blue`. What is sent over it acts there, and what is read tells of there.

  A socket may be of any kind (`{:inet, :dgram, :udp}`), and its descriptor may go to `:gen_tcp` or
  `:gen_udp` (`open_descriptor/3`). A namespace may be made for the calling process (`new_netns/1`), without
  any privilege, and is gone with it.

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
        rendezvous: nil,
        timeout: 5_000,
        netns_dirs: ["/run/netns", "/var/run/netns"]

  An `executable` of `nil` is the one that was built with the library. Another is given by its path, such
  as `"/usr/libexec/linx-netlink-port"`. The `timeout` is in milliseconds.

  `netns_dirs` holds for all servers: these are the directories in which `{:name, name}` is looked for. The
  port program is asked for one after the other, until it finds the name; a directory where it may not look
  (`EACCES`) is passed over. Docker's are in `"/run/docker/netns"`.

  ## Who owns what

  The server owns the deadlines: no call takes longer than its `:timeout`, and none makes its caller
  exit, whatever happens to the port program or to the server. The socket belongs to the caller, and is
  closed with it. A descriptor on its way to a caller that dies, or that has given up, is closed.
  Closing the socket leaves nothing over. A namespace of `new_netns/1` or `open_netns/2` belongs to its
  caller too. A descriptor of `open_descriptor/3` is a number, and has no owner.

  ## When the port program fails

  It is started again by the next call; requests in flight are sent once more, if there is time left.
  One that doesn't answer (stopped, say) is ended and replaced. If it keeps failing, it is given
  more and more time, up to a second, in which calls fail at once. Each failure is one line in the log,
  which says what to do. Errors of the stage `:port` are

    * `:enoent`: it isn't there, or its launcher isn't;
    * `:eacces`: it can't be run, or the directory of the setting `:rendezvous` is open to others;
    * `:eaddrinuse`: somebody else listens at the address of the setting `:rendezvous`;
    * `:epipe`: it ended before it answered, or the server is not running;
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
      units. Metadata: `:netns`, `:protocol` (what was asked for, `:netns` for a namespace itself),
      `:server`; for `open_many/2` instead of the first two `:entries`, how many there were.
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
    Entry,
    Error,
    Netns,
    NifModule,
    Options,
    Privilege,
    Server,
    Settings,
    Telemetry,
    Text,
    What,
    Wire
  }

  alias Linx.Netlink.Port.Descriptor.Closer

  @typedoc "A setting of a server."
  @type setting() ::
          {:name, GenServer.name() | nil}
          | {:executable, Path.t()}
          | {:launcher, [String.t()]}
          | {:args, [String.t()]}
          | {:rendezvous, String.t()}
          | {:timeout, pos_integer()}

  @typedoc "An option of a call: whom to ask, how long to wait, and what to do to the socket."
  @type option() :: Options.call_option() | Options.socket_option()

  @typedoc "One of many sockets."
  @type entry() :: {Netns.t(), What.t()} | {Netns.t(), What.t(), [Options.socket_option()]}

  @doc """
  Starts a server.

    * `:name`: its name, `#{inspect(__MODULE__)}` if not given, `nil` for none;
    * `:executable`: the port program, by default the one that was built with the library;
    * `:launcher`: a command to put in front of it, such as `["sudo", "-n"]`;
    * `:args`: more arguments for it, such as `["--max-in-flight", "64"]`;
    * `:rendezvous`: where the port program finds the server: an absolute path, or `@` and an abstract name,
      of 107 bytes at most. By default it is a random abstract name. A fixed one is for a rule of sudo, doas or
      a sandbox that must name it. Each server needs one of its own. The directory of a path must be the
      BEAM's user's alone (mode 0700); what a BEAM that was killed has left there is replaced;
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
  Opens a socket in a network namespace.

  `netns` is one of

    * `:host`, the BEAM's own, for which no port program is needed;
    * `{:name, name}`, a name of `ip netns`, in one of the directories of the setting `:netns_dirs`;
    * `{:pid, pid}`, that of a process;
    * `{:path, path}` or a plain path, that of a namespace file. `/proc/self` is the BEAM in it;
    * what `new_netns/1` or `open_netns/2` returned.

  `what` is a netlink protocol, a number or a name such as `:route`, `:generic` or `:netfilter`
  (`t:Linx.Netlink.Port.Protocol.t/0`); or the `{domain, type, protocol}` of any other socket, as
  `:socket.open/3` takes them, such as `{:inet, :stream, :tcp}` (`t:Linx.Netlink.Port.What.t/0`).

  The socket belongs to the calling process. It is not bound, unless options ask for it. These are the
  options, in the order in which they are applied:

  #{Options.describe()};
    * `:server`: the server to ask, `#{inspect(__MODULE__)}` if not given;
    * `:timeout`: how long to wait at most, in milliseconds, if not the server's.

  The socket's options are set by the port program, before the socket is handed over: an unprivileged
  BEAM has the benefit of what they need, such as a port below 1024.

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
      ~s|could not open the network namespace "green" (/run/netns/green, /var/run/netns/green): | <>
        ~s|no such file or directory (ENOENT); `ip netns list` shows the names there are|
  """
  @spec open(Netns.t(), What.t(), [option()]) :: {:ok, :socket.socket()} | {:error, Error.t()}
  def open(netns, what, options \\ []) do
    {server, timeout, options} = Options.split!(options, __MODULE__)
    {netns, what, options} |> Entry.new!() |> open_one(server, timeout)
  end

  @doc """
  The same, but for the descriptor itself, a plain integer.

  It is for `:gen_tcp.listen(0, fd: fd)`, `:gen_udp.open(0, fd: fd)`, and `:gen_tcp.connect/3` with `fd: fd`.
  Bind it here, by `:bind`, and give them neither an address nor a port.

  The number has no owner. A socket of `:gen_tcp` or `:gen_udp` uses it (or a duplicate, with
  `inet_backend: :socket`), but does not close it, neither by its `close` nor with its owner. So it is yours
  to close, once: by `close_descriptor/2`, which does it after the socket that uses it, or by
  `close_descriptor/1`, when nothing uses it any more. Until then it keeps its namespace alive.

  For `:host`, the socket is opened by the BEAM.

  ## Example

      iex> bind = %{family: :inet, addr: :loopback, port: 0}
      iex> {:ok, fd} =
      ...>   Linx.Netlink.Port.open_descriptor(:host, {:inet, :dgram, :udp}, bind: bind)
      iex> {:ok, udp} = :gen_udp.open(0, fd: fd)
      iex> :ok = Linx.Netlink.Port.close_descriptor(fd, udp)
      iex> {:ok, {{127, 0, 0, 1}, port}} = :inet.sockname(udp)
      iex> {port > 0, :gen_udp.close(udp)}
      {true, :ok}
  """
  @spec open_descriptor(Netns.t(), What.t(), [option()]) ::
          {:ok, non_neg_integer()} | {:error, Error.t()}
  def open_descriptor(netns, what, options \\ []) do
    {server, timeout, options} = Options.split!(options, __MODULE__)
    {netns, what, options} |> Entry.new!([], :descriptor) |> open_one(server, timeout)
  end

  @doc """
  Closes a descriptor of `open_descriptor/3` that nothing uses.

  Never close the same one twice: in between, the number may have been given to something else.
  """
  @spec close_descriptor(non_neg_integer()) :: :ok
  def close_descriptor(fd) when is_integer(fd) and fd >= 0, do: Descriptor.close(fd)

  @doc """
  Closes it when the socket of `:gen_tcp` or `:gen_udp` that uses it is closed, however that happens, and what
  was to be sent is sent. It is closed soon if the socket is closed already.
  """
  @spec close_descriptor(non_neg_integer(), :inet.socket()) :: :ok
  def close_descriptor(fd, socket) when is_integer(fd) and fd >= 0,
    do: Descriptor.close_after(fd, socket)

  @doc """
  Makes a network namespace. There is only the loopback interface in it, and that is down.

  What it returns stands for the namespace in every call, and its `fd` in netlink messages
  (`IFLA_NET_NS_FD`). It belongs to the calling process, and is closed when that ends, or by
  `close_netns/1`. The namespace is gone when it is closed and nothing else is left that refers to it, such as
  a socket that lives there.

    * `:owner`: who may configure it. `:user` is the user as whom the port program runs, without any
      privilege. `:system` is whoever has `CAP_NET_ADMIN` where the port program runs; if that may make none, it
      is made as for `:user`. If not given, it is `:system` where the BEAM has `CAP_NET_ADMIN`, else
      `:user`;
    * `:server`, `:timeout`: as of `open/3`.

  ## Example

      iex> {:ok, netns} = Linx.Netlink.Port.new_netns()
      iex> {:ok, socket} = Linx.Netlink.Port.open(netns, {:inet, :stream, :tcp}, listen: 5)
      iex> {:socket.close(socket), Linx.Netlink.Port.close_netns(netns)}
      {:ok, :ok}
      iex> {:error, error} = Linx.Netlink.Port.open(netns, :route)
      iex> {error.stage, error.errno}
      {:open, :ebadf}
  """
  @spec new_netns([{:owner, :system | :user} | Options.call_option()]) ::
          {:ok, Netns.open()} | {:error, Error.t()}
  def new_netns(options \\ []) do
    {server, timeout, options} = Options.split!(options, __MODULE__)
    {owner, options} = Keyword.pop_lazy(options, :owner, &Privilege.owner/0)
    none!(options, ":owner, :server, :timeout")

    new =
      case owner do
        :system -> :new
        :user -> {:new, :user}
        _other -> raise ArgumentError, "the option :owner must be :system or :user"
      end

    new |> Entry.netns!() |> open_one(server, timeout)
  end

  @doc """
  Opens a network namespace itself, as `new_netns/1` returns a new one. It takes the options `:server` and
  `:timeout`.

  ## Example

      iex> {:ok, netns} = Linx.Netlink.Port.open_netns(:host)
      iex> File.read_link("/proc/self/fd/\#{netns.fd}") == File.read_link("/proc/self/ns/net")
      true
      iex> Linx.Netlink.Port.close_netns(netns)
      :ok
  """
  @spec open_netns(Netns.t(), [Options.call_option()]) ::
          {:ok, Netns.open()} | {:error, Error.t()}
  def open_netns(netns, options \\ []) do
    {server, timeout, options} = Options.split!(options, __MODULE__)
    none!(options, ":server, :timeout")
    netns |> Entry.netns!() |> open_one(server, timeout)
  end

  @doc """
  Closes what `new_netns/1` or `open_netns/2` returned, whichever process it belongs to. It may be closed
  already.
  """
  @spec close_netns(Netns.open()) :: :ok
  def close_netns(%Netns{} = netns), do: Closer.release(netns)

  @doc """
  Opens many sockets, with as few requests as can be.

  Each entry is `{netns, what}` or `{netns, what, options}`; options given for all hold for
  each entry that doesn't say otherwise. There is one result an entry, in their order: one socket that
  can't be had doesn't keep the others.

  One request asks for up to 253 sockets, and they are opened one after the other. So an entry whose
  namespace file hangs holds up the others of its request, and the requests after it, until the timeout:
  all of them are `:etimedout` then. `:timeout` is for the whole call. Entries of `:host` are not affected, nor
  are those in namespaces that are open here: for these, 64 in one request, is asked first.

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
    entries = Enum.map(entries, &Entry.new!(&1, common))

    Telemetry.open_span(%{entries: length(entries), server: server}, fn ->
      {:ok, Entry.open_all(entries, server, Call.time(timeout))}
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
  `Linx.Netlink.Port.Native` is the port program's now (`replace_nif: true`).

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

  defp open_one(entry, server, timeout) do
    metadata = %{netns: entry.netns, protocol: entry.what, server: server}
    Telemetry.open_span(metadata, fn -> Entry.open(entry, server, Call.time(timeout)) end)
  end

  defp none!([], _known), do: :ok

  defp none!(options, known) do
    raise ArgumentError,
          "unknown options #{Text.term(Keyword.keys(options))}; known are " <> known
  end
end
