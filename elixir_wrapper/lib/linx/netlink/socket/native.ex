defmodule Linx.Netlink.Socket.Native do
  @moduledoc """
  Raw netlink descriptors in other network namespaces: three functions that used to be a NIF.

  The names, arguments and results are the NIF's, so that what was written for it runs unchanged.
  What is different is where the work is done: `open_in_netns/2` asks the port program behind
  `Linx.Netlink.Port`, so a crash there is an error here, and the BEAM needs no capability.

  The descriptor belongs to the caller. `:socket.open/1` makes a socket over a *duplicate* of it: the
  descriptor itself stays open, and keeps its namespace alive, until it is closed with `close_fd/1`.
  Do that as soon as `:socket.open/1` has succeeded:

      {:ok, fd} = Linx.Netlink.Socket.Native.open_in_netns("/run/netns/blue", 0)
      :ok = Linx.Netlink.Socket.Native.bind_netlink(fd, 0)
      {:ok, socket} = :socket.open(fd)
      :ok = Linx.Netlink.Socket.Native.close_fd(fd)

  New code has it easier with `Linx.Netlink.Port.open/3`, which leaves nothing to close.
  """

  alias Linx.Netlink.Port.{Call, Closer, Descriptor, Errno, Netns, Telemetry, Wire}

  @typedoc "The step that failed, and the kernel's error number."
  @type reason() :: {Linx.Netlink.Port.Error.stage(), pos_integer()}

  defguardp is_int(number) when is_integer(number) and number in -0x80000000..0x7FFFFFFF

  @doc """
  Opens a netlink socket of `protocol` in the network namespace whose file is `netns_path`.

  Returns a descriptor: not bound, close-on-exec, and the caller's to close. An error says which step
  failed, and the error number. The steps are those of the NIF (`:open`, `:setns`, `:socket`,
  `:thread`), `:send` (the descriptor could not be handed over), and `:port`: the port program can't be
  used, since it isn't there (2), can't be run (13), died (32), or gave no answer in time (110).

  ## Examples

      iex> {:ok, fd} = Linx.Netlink.Socket.Native.open_in_netns("/proc/self/ns/net", 0)
      iex> Linx.Netlink.Socket.Native.close_fd(fd)
      :ok

      iex> Linx.Netlink.Socket.Native.open_in_netns("/run/netns/green", 0)
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
    raise ArgumentError, "not a netlink protocol: #{inspect(protocol)}"
  end

  @doc """
  Binds a netlink socket, with a number chosen by the kernel, to the groups in a mask of 32 bits.

  It is done in the BEAM, without the port program. `fd` may be in use as a `:socket` already. An error
  is the kernel's number.

  ## Example

      iex> alias Linx.Netlink.Socket.Native
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
          "expected a descriptor and a mask of 32 bits, got: #{inspect(fd)}, #{inspect(groups)}"
  end

  @doc """
  Closes a descriptor. It is `:ok` to close one that isn't open.

  Don't close the same one twice: the number may be somebody else's by then.

  ## Example

      iex> {:ok, fd} = Linx.Netlink.Socket.Native.open_in_netns("/proc/self/ns/net", 0)
      iex> Linx.Netlink.Socket.Native.close_fd(fd)
      :ok
  """
  @spec close_fd(integer()) :: :ok
  def close_fd(fd) when is_int(fd), do: Descriptor.close(fd)

  def close_fd(fd) do
    raise ArgumentError, "not a descriptor: #{inspect(fd)}"
  end

  defp open(path, protocol) do
    with {:ok, netns} <- Netns.path(path),
         {:ok, command} <- Wire.open(netns, protocol, %{}),
         {:ok, fd, id, closer} <- Call.request(Linx.Netlink.Port, :one, command, Call.time(nil)) do
      Closer.claimed(closer, id)
      {:ok, fd}
    end
  end
end
