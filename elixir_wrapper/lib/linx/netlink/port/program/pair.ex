defmodule Linx.Netlink.Port.Program.Pair do
  @moduledoc """
  Messages with descriptors, over the pair and over the connection of the rendezvous.

  Nothing here waits. `receive_message/1` that finds nothing asks for a
  `{:"$socket", socket, :select, _}` message to the calling process, and returns what `cancel/2` takes that
  back with. The end of the
  other side is `:closed`, and an error is the reason that `:socket` gives.

  ## Example

      iex> alias Linx.Netlink.Port.Program.{Pair, Rendezvous}
      iex> {:ok, %{address: <<"@", name::binary>>} = rendezvous} = Rendezvous.open(nil)
      iex> {:ok, socket} = :socket.open(:local, :seqpacket, :default)
      iex> :ok = :socket.connect(socket, %{family: :local, path: <<0, name::binary>>})
      iex> {:ok, rendezvous} = Rendezvous.accept(rendezvous, {:pid, String.to_integer(System.pid())})
      iex> {:ok, fd} = :socket.getopt(socket, {:otp, :fd})
      iex> {:ok, pair} = Pair.adopt(fd)
      iex> {Pair.poll_message(pair), :socket.send(rendezvous.connection, "hello")}
      {:wait, :ok}
      iex> Pair.receive_message(pair)
      {:ok, "hello", [], false}
      iex> {:wait, info} = Pair.receive_message(pair)
      iex> Pair.cancel(pair, info)
      :ok
      iex> {Rendezvous.close(rendezvous), Pair.poll_message(pair)}
      {:ok, :closed}
      iex> Enum.map([pair, socket], &:socket.close/1)
      [:ok, :ok]
  """

  # A reply to a full open_many takes some 8 KiB, and its descriptors 16 + 253 * 4 bytes: more than
  # the BEAM's own 1,024, with which the last descriptor would be lost.
  @buffer_size 16_384
  @control_size 2_048

  @typedoc "A message: its bytes, the descriptors that came with it, and whether some were dropped."
  @type message() :: {:ok, binary(), [non_neg_integer()], truncated? :: boolean()}

  @doc """
  Makes a socket of a descriptor of the port program's. The descriptor itself stays open.

  An error is the reason that `:socket.open/2` gives, such as `:ebadf` or `:emfile`.
  """
  @spec adopt(non_neg_integer()) :: {:ok, :socket.socket()} | {:error, term()}
  def adopt(fd), do: :socket.open(fd, %{domain: :local, type: :seqpacket, protocol: 0})

  @doc "Takes the next message, if there is one."
  @spec receive_message(:socket.socket()) ::
          message() | {:wait, :socket.select_info()} | :closed | {:error, term()}
  def receive_message(socket), do: receive_message(socket, :nowait)

  @doc "Takes the next message, if there is one, and asks for nothing if there is none."
  @spec poll_message(:socket.socket()) :: message() | :wait | :closed | {:error, term()}
  def poll_message(socket), do: receive_message(socket, 0)

  @doc """
  Sends a message with a descriptor, without waiting. The descriptor stays open.

  An error is the reason that `:socket` gives: `:timeout` (no room), `:etoomanyrefs` (too many descriptors are
  on their way), `:epipe` (there is nobody any more).
  """
  @spec send_message(:socket.socket(), binary(), non_neg_integer()) :: :ok | {:error, term()}
  def send_message(socket, bytes, fd) do
    rights = %{level: :socket, type: :rights, data: <<fd::native-32>>}

    case :socket.sendmsg(socket, %{iov: [bytes], ctrl: [rights]}, [], 0) do
      :ok -> :ok
      {:error, {reason, _rest}} -> {:error, reason}
      {:error, reason} -> {:error, reason}
    end
  end

  @doc "Asks for no message any more. It may be on its way."
  @spec cancel(:socket.socket(), :socket.select_info()) :: :ok
  def cancel(socket, info) do
    _ = :socket.cancel(socket, info)
    :ok
  end

  # A process is killed when its turn begins or ends. With a whole turn before it, it is not killed between
  # taking descriptors and passing them on.
  defp receive_message(socket, timeout) do
    :erlang.yield()

    case :socket.recvmsg(socket, @buffer_size, @control_size, [:cmsg_cloexec], timeout) do
      {:ok, %{iov: iov, ctrl: control, flags: flags}} -> message(iov, control, flags)
      {:select, info} -> {:wait, info}
      {:error, :timeout} -> :wait
      {:error, :closed} -> :closed
      {:error, reason} -> {:error, reason}
    end
  end

  defp message([bytes], control, flags), do: message(bytes, control, flags)
  defp message(iov, control, flags) when is_list(iov), do: message(join(iov), control, flags)

  # The end of a connection that keeps boundaries is an empty message, again and again.
  defp message("", [], _flags), do: :closed

  defp message(bytes, control, flags) do
    {:ok, bytes, descriptors(control), :ctrunc in flags}
  end

  defp descriptors(control) do
    for %{level: :socket, type: :rights, data: data} <- control,
        <<fd::native-32 <- data>>,
        do: fd
  end

  defp join(iov), do: IO.iodata_to_binary(iov)
end
