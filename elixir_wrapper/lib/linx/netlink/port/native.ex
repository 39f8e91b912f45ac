defmodule Linx.Netlink.Port.Native do
  @moduledoc """
  Raw netlink descriptors in other network namespaces: the three functions of Linx's NIF.

  The names, arguments and results are those of `Linx.Netlink.Socket.Native`, so that what was written for
  it runs unchanged: by a delegation to these three, or, where Linx is to stay as it is, by

      config :linx_netlink_port, replace_nif: true

  What is different is where the work is done: `open_in_netns/2` asks the port program behind
  `Linx.Netlink.Port`, so a crash there is an error here, and the BEAM needs no capability to read. To
  change something it needs `CAP_NET_ADMIN` itself: the kernel looks at who sends, too.

  The descriptor belongs to the caller. `:socket.open/1` makes a socket over a *duplicate* of it: the
  descriptor itself stays open, and keeps its namespace alive, until it is closed with `close_fd/1`.
  Do that as soon as `:socket.open/1` has succeeded:

      {:ok, fd} = Linx.Netlink.Port.Native.open_in_netns("/run/netns/blue", 0)
      :ok = Linx.Netlink.Port.Native.bind_netlink(fd, 0)
      {:ok, socket} = :socket.open(fd)
      :ok = Linx.Netlink.Port.Native.close_fd(fd)

  New code has it easier with `Linx.Netlink.Port.open/3`, which leaves nothing to close.
  """

  require Logger

  alias Linx.Netlink.Port.{Call, Descriptor, Errno, Error, Netns, Telemetry, Text, Wire}
  alias Linx.Netlink.Port.Descriptor.Closer

  @emfile 24
  @enotconn 107

  @typedoc "The step that failed, and the kernel's error number."
  @type reason() :: {Error.stage(), pos_integer()}

  defguardp is_int(number) when is_integer(number) and number in -0x80000000..0x7FFFFFFF

  @doc """
  Opens a netlink socket of `protocol` in the network namespace whose file is `netns_path`.

  Returns a descriptor: not bound, close-on-exec, and the caller's to close. It takes the `:timeout` of
  the server at most.

  An error says which step failed, and the kernel's error number. The steps are

    * `:open`: finding the file. It isn't there (2), may not be reached (13), or can't be, since the path
      contains a NUL byte (22) or has 4,096 bytes or more (36);
    * `:setns`: entering the namespace. `CAP_SYS_ADMIN` is missing (1), or it is none (22);
    * `:userns`, `:fork`: entering its user namespace first, in a child process;
    * `:socket`: opening the socket. The kernel knows no such protocol (93), the port program's
      arguments forbid it (13), or the BEAM has no descriptor left (24);
    * `:send`: handing the descriptor over;
    * `:thread`: finding room in the port program for the request (11);
    * `:port`: using the port program. It isn't there (2), can't be run (13), died or has no server (32),
      gave no answer in time (110), is something else or speaks another version (71), refused an argument,
      which happens between different versions (22), or could not be started: the system has no process
      (11) or no memory (12) for it. Or the application isn't started (107), which the log says too.

  The numbers are the usual ones; others may come. `:setsockopt` and `:bind` don't occur, since nothing is
  set up.

  It raises `ArgumentError` if the path is not iodata, or the protocol not a signed integer of 32 bits.

  ## Examples

      iex> {:ok, fd} = Linx.Netlink.Port.Native.open_in_netns("/proc/self/ns/net", 0)
      iex> Linx.Netlink.Port.Native.close_fd(fd)
      :ok

      iex> Linx.Netlink.Port.Native.open_in_netns("/run/netns/green", 0)
      {:error, {:open, 2}}
  """
  @spec open_in_netns(iodata(), integer()) ::
          {:ok, non_neg_integer()} | {:error, reason()}
  def open_in_netns(netns_path, protocol) when is_int(protocol) do
    path = IO.iodata_to_binary(netns_path)
    metadata = %{netns: path, protocol: protocol, server: Linx.Netlink.Port}
    Telemetry.open_span(metadata, fn -> open(path, protocol) end)
  end

  def open_in_netns(_netns_path, protocol) do
    raise ArgumentError, "not a netlink protocol: #{Text.term(protocol)}"
  end

  @doc """
  Binds a netlink socket, with a number chosen by the kernel, to the groups in a mask of 32 bits.

  It is done in the BEAM, without the port program. `fd` may be in use as a `:socket` already.

  An error is the kernel's number: `fd` is not open (9), no socket (88), or bound already (22), the groups
  take `CAP_NET_ADMIN` (1), or the BEAM has no descriptor left (24).

  It raises `ArgumentError` if `fd` is not a signed integer of 32 bits, or the groups not an unsigned one.

  ## Example

      iex> alias Linx.Netlink.Port.Native
      iex> {:ok, fd} = Native.open_in_netns("/proc/self/ns/net", 0)
      iex> {Native.bind_netlink(fd, 0), Native.close_fd(fd), Native.bind_netlink(fd, 0)}
      {:ok, :ok, {:error, 9}}
  """
  @spec bind_netlink(integer(), non_neg_integer()) :: :ok | {:error, pos_integer()}
  def bind_netlink(fd, groups)
      when is_int(fd) and is_integer(groups) and groups in 0..0xFFFFFFFF do
    with {:error, reason} <- Descriptor.bind(fd, groups), do: {:error, Errno.to_code(reason)}
  end

  def bind_netlink(fd, groups) do
    raise ArgumentError,
          "expected a descriptor and a mask of 32 bits, got: #{Text.term(fd)}, #{Text.term(groups)}"
  end

  @doc """
  Closes a descriptor. It is `:ok` to close one that isn't open.

  Don't close the same one twice: the number may be somebody else's by then.

  It raises `ArgumentError` if `fd` is not a signed integer of 32 bits.

  ## Example

      iex> {:ok, fd} = Linx.Netlink.Port.Native.open_in_netns("/proc/self/ns/net", 0)
      iex> Linx.Netlink.Port.Native.close_fd(fd)
      :ok
  """
  @spec close_fd(integer()) :: :ok
  def close_fd(fd) when is_int(fd), do: Descriptor.close(fd)

  def close_fd(fd) do
    raise ArgumentError, "not a descriptor: #{Text.term(fd)}"
  end

  defp open(path, protocol) do
    with {:ok, netns} <- Netns.path(path),
         {:ok, command} <- Wire.open(netns, protocol, %{}),
         {:ok, fd, id, closer} <- Call.request(Linx.Netlink.Port, :one, command, Call.time(nil)) do
      Closer.claimed(closer, id)
      {:ok, fd}
    else
      {:error, {stage, reason}} -> failed(stage, Errno.to_code(reason))
    end
  end

  # With the NIF it is the BEAM that opens the socket.
  defp failed(:port, @emfile), do: {:error, {:socket, @emfile}}

  # Numbers can't say it.
  defp failed(:port, @enotconn) do
    Logger.error(Exception.message(Error.new(:port, @enotconn)))
    {:error, {:port, @enotconn}}
  end

  defp failed(stage, code), do: {:error, {stage, code}}
end
