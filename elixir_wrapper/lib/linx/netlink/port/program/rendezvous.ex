defmodule Linx.Netlink.Port.Program.Rendezvous do
  @moduledoc """
  Where the port program finds its server: a listening socket that lives for one connection.

  Its address is abstract and random, unless the setting `:rendezvous` says otherwise. There is no file, so none
  can be left behind, however the BEAM ends. (An abstract address belongs to a network namespace: a `:launcher` must not start the
  port program in another one.) Anybody on the machine may connect, so nothing is believed before
  the kernel has said who the peer is: the process that was started, or, where a launcher stands
  between, one of root's or of one's own. Others are closed and the wait goes on.

  A fixed address that is a path is for a directory that nobody else may enter. What nobody listens at any
  more has been left there by a BEAM that was killed, and is replaced.

  ## Example

      iex> alias Linx.Netlink.Port.Program.{Pair, Rendezvous}
      iex> {:ok, rendezvous} = Rendezvous.open(nil)
      iex> <<"@", name::binary>> = rendezvous.address
      iex> {:ok, guest} = :socket.open(:local, :seqpacket, :default)
      iex> :ok = :socket.connect(guest, %{family: :local, path: <<0, name::binary>>})
      iex> {:ok, rendezvous} = Rendezvous.accept(rendezvous, {:pid, String.to_integer(System.pid())})
      iex> :ok = :socket.send(guest, "hello")
      iex> Rendezvous.receive_hello(rendezvous)
      {:ok, "hello", [], false}
      iex> {Rendezvous.close(rendezvous), Pair.receive_message(guest), :socket.close(guest)}
      {:ok, :closed, :ok}
  """

  alias Linx.Netlink.Port.Errno
  alias Linx.Netlink.Port.Program.Pair

  @enforce_keys [:listener, :address]
  defstruct [:listener, :address, :connection, :peer]

  @typedoc "Who is let in: one process, or whoever runs as root or as the BEAM does."
  @type guest() :: {:pid, pos_integer()} | :launched

  @type t() :: %__MODULE__{
          listener: :socket.socket(),
          address: String.t(),
          connection: :socket.socket() | nil,
          peer: pos_integer() | nil
        }

  # {SOL_SOCKET, SO_PEERCRED}: struct ucred, three native integers of 32 bits.
  @peercred {1, 17}
  @peercred_size 12
  # inode(7): what kind of file it is.
  @s_ifmt 0o170000
  @s_ifsock 0o140000

  @doc """
  Starts listening, at this address, or at one that nobody has used before.

  An error is a number, such as 24: the BEAM has no descriptor left, or 98: somebody else listens there; or
  `:bad_rendezvous`: the directory is not the BEAM's user's alone.
  """
  @spec open(String.t() | nil) :: {:ok, t()} | {:error, Errno.reason()}
  def open(nil) do
    name = Base.encode16(:crypto.strong_rand_bytes(16), case: :lower)
    open("@linx-netlink-port-" <> name)
  end

  def open(address) do
    with :ok <- check_directory(address),
         :ok <- remove_leftover(address) do
      listen(address)
    end
  end

  defp listen(address) do
    with {:ok, listener} <- open_socket() do
      with :ok <- :socket.bind(listener, sockaddr(address)),
           :ok <- :socket.listen(listener, 8) do
        {:ok, %__MODULE__{listener: listener, address: address}}
      else
        {:error, reason} ->
          _ = :socket.close(listener)
          {:error, Errno.to_code(reason)}
      end
    end
  end

  defp open_socket do
    with {:error, reason} <- :socket.open(:local, :seqpacket, :default),
         do: {:error, Errno.to_code(reason)}
  end

  defp sockaddr("@" <> name), do: %{family: :local, path: <<0, name::binary>>}
  defp sockaddr(path), do: %{family: :local, path: path}

  # Whoever may write there could put a socket of his own in the place of this one.
  defp check_directory("@" <> _name), do: :ok

  defp check_directory(path) do
    case File.stat(Path.dirname(path)) do
      {:ok, %File.Stat{type: :directory, mode: mode, uid: uid}} ->
        if Bitwise.band(mode, 0o077) == 0 and uid == own_uid(),
          do: :ok,
          else: {:error, :bad_rendezvous}

      {:ok, _no_directory} ->
        {:error, Errno.to_code(:enotdir)}

      {:error, reason} ->
        {:error, Errno.to_code(reason)}
    end
  end

  # Only a socket that nobody listens at: whatever else is there is somebody's.
  defp remove_leftover("@" <> _name), do: :ok

  defp remove_leftover(path) do
    with {:ok, socket} <- open_socket() do
      result = :socket.connect(socket, sockaddr(path))
      _ = :socket.close(socket)

      _ = if result == {:error, :econnrefused} and socket_file?(path), do: File.rm(path)
      :ok
    end
  end

  # To connect to a plain file is refused, too.
  defp socket_file?(path) do
    case File.lstat(path) do
      {:ok, %File.Stat{mode: mode}} -> Bitwise.band(mode, @s_ifmt) == @s_ifsock
      {:error, _reason} -> false
    end
  end

  @doc """
  Lets the port program in, if it is there already.

  If not, it is `:wait`, and a `{:"$socket", listener, :select, _}` message to the calling process tells
  when to try again. An error is a number, such as 24: the BEAM has no descriptor left.
  """
  @spec accept(t(), guest()) :: {:ok, t()} | :wait | {:error, pos_integer()}
  def accept(%__MODULE__{} = rendezvous, guest) do
    case :socket.accept(rendezvous.listener, :nowait) do
      {:ok, connection} -> admit(rendezvous, connection, guest)
      {:select, _info} -> :wait
      {:error, reason} -> {:error, Errno.to_code(reason)}
    end
  end

  @doc """
  Takes the hello, if it is there already. The results are those of
  `Linx.Netlink.Port.Program.Pair.receive_message/1`.
  """
  @spec receive_hello(t()) ::
          Pair.message() | {:wait, :socket.select_info()} | :closed | {:error, term()}
  def receive_hello(%__MODULE__{connection: connection}), do: Pair.receive_message(connection)

  @doc "Stops listening, and ends the connection if there is one."
  @spec close(t() | nil) :: :ok
  def close(nil), do: :ok

  def close(%__MODULE__{} = rendezvous) do
    _ = remove(rendezvous.address)
    _ = if rendezvous.connection, do: :socket.close(rendezvous.connection)
    _ = :socket.close(rendezvous.listener)
    :ok
  end

  # Before the socket is closed: later it may be another's.
  defp remove("@" <> _name), do: :ok
  defp remove(path), do: _ = File.rm(path)

  defp admit(rendezvous, connection, guest) do
    with {:ok, <<pid::native-32, uid::native-32, _gid::native-32>>} <-
           :socket.getopt_native(connection, @peercred, @peercred_size),
         true <- welcome?(guest, pid, uid) do
      {:ok, %{rendezvous | connection: connection, peer: pid}}
    else
      _stranger ->
        _ = :socket.close(connection)
        accept(rendezvous, guest)
    end
  end

  defp welcome?({:pid, expected}, pid, _uid), do: pid == expected
  defp welcome?(:launched, _pid, uid), do: uid == 0 or uid == own_uid()

  defp own_uid, do: File.stat!("/proc/self").uid
end
