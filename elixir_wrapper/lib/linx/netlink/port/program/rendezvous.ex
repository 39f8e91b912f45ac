defmodule Linx.Netlink.Port.Program.Rendezvous do
  @moduledoc """
  Where the port program finds its server: a listening socket that lives for one connection.

  Its address is abstract and random. There is no file, so none can be left behind, however the
  BEAM ends. (An abstract address belongs to a network namespace: a `:launcher` must not start the
  port program in another one.) Anybody on the machine may connect, so nothing is believed before
  the kernel has said who the peer is: the process that was started, or, where a launcher stands
  between, one of root's or of one's own. Others are closed and the wait goes on.

  ## Example

      iex> alias Linx.Netlink.Port.Program.{Pair, Rendezvous}
      iex> {:ok, rendezvous} = Rendezvous.open()
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

  @doc "Starts listening. An error is a number, such as 24: the BEAM has no descriptor left."
  @spec open() :: {:ok, t()} | {:error, pos_integer()}
  def open do
    name = "linx-netlink-port-" <> Base.encode16(:crypto.strong_rand_bytes(16), case: :lower)

    case :socket.open(:local, :seqpacket, :default) do
      {:ok, listener} -> listen(listener, name)
      {:error, reason} -> {:error, Errno.to_code(reason)}
    end
  end

  defp listen(listener, name) do
    with :ok <- :socket.bind(listener, %{family: :local, path: <<0, name::binary>>}),
         :ok <- :socket.listen(listener, 8) do
      {:ok, %__MODULE__{listener: listener, address: "@" <> name}}
    else
      {:error, reason} ->
        _ = :socket.close(listener)
        {:error, Errno.to_code(reason)}
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
  @spec receive_hello(t()) :: Pair.message() | :wait | :closed | {:error, term()}
  def receive_hello(%__MODULE__{connection: connection}), do: Pair.receive_message(connection)

  @doc "Stops listening, and ends the connection if there is one."
  @spec close(t() | nil) :: :ok
  def close(nil), do: :ok

  def close(%__MODULE__{} = rendezvous) do
    _ = if rendezvous.connection, do: :socket.close(rendezvous.connection)
    _ = :socket.close(rendezvous.listener)
    :ok
  end

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
