defmodule Linx.Netlink.Port.Host do
  @moduledoc """
  A socket in the BEAM's own network namespace: no port program is needed for that one.

  The options mean what they mean to the port program, and are applied in the same order. What they
  need, they need from the BEAM.

  ## Example

      iex> {:ok, socket} = Linx.Netlink.Port.Host.open(0, %{memberships: [1]})
      iex> :socket.close(socket)
      :ok
      iex> Linx.Netlink.Port.Host.open(99, %{})
      {:error, {:socket, 93}}
  """

  alias Linx.Netlink.Port.{Descriptor, Errno, Options, Sockaddr, What}
  alias Linx.Netlink.Port.Program.Pair

  @typedoc "The stage that failed, and its error number."
  @type reason() :: {:socket | :setsockopt | :bind | :listen, pos_integer()}

  @eperm 1

  @doc "Opens a socket and sets it up."
  @spec open(integer() | What.numbers(), Options.wire()) ::
          {:ok, :socket.socket()} | {:error, reason()}
  def open(what, options) do
    {domain, type, protocol} = What.numbers(what)

    case :socket.open(domain, type, protocol) do
      {:ok, socket} -> set_up(socket, domain, options)
      {:error, reason} -> {:error, {:socket, Errno.to_code(reason)}}
    end
  end

  @doc """
  A descriptor of a socket, which nobody owns, in place of the socket.

  The BEAM gives none away. But one that comes to it by a message is nobody's: so it sends it to itself, over
  a socket that only hears itself.

  ## Example

      iex> {:ok, socket} = Linx.Netlink.Port.Host.open(0, %{})
      iex> {:ok, fd} = Linx.Netlink.Port.Host.detach(socket)
      iex> {:socket.sockname(socket), Linx.Netlink.Port.close_descriptor(fd)}
      {{:error, :closed}, :ok}
  """
  @spec detach(:socket.socket()) :: {:ok, Descriptor.t()} | {:error, {:port, pos_integer()}}
  def detach(socket) do
    result =
      with {:ok, mirror} <- :socket.open(:local, :dgram, :default) do
        fd = through(mirror, socket)
        _ = :socket.close(mirror)
        fd
      end

    _ = :socket.close(socket)
    with {:error, reason} <- result, do: {:error, {:port, Errno.to_code(reason)}}
  end

  defp through(mirror, socket) do
    # Without a name, it gets one that nobody has.
    with :ok <- :socket.bind(mirror, %{family: :local, path: ""}),
         {:ok, name} <- :socket.sockname(mirror),
         :ok <- :socket.connect(mirror, name),
         {:ok, fd} <- :socket.getopt(socket, {:otp, :fd}),
         :ok <- Pair.send_message(mirror, "fd", fd),
         {:ok, "fd", fds, _truncated?} <- Pair.poll_message(mirror) do
      case fds do
        [fd] -> {:ok, fd}
        [] -> {:error, :emfile}
      end
    end
  end

  defp set_up(socket, domain, options) do
    # Joining binds too, if nothing else has.
    options =
      if Map.has_key?(options, :memberships), do: Map.put_new(options, :groups, 0), else: options

    outcome =
      each(Options.table(), fn {name, _of, form} ->
        case options do
          %{^name => value} -> set(socket, domain, form, value)
          _not_asked_for -> :ok
        end
      end)

    with {:error, reason} <- outcome do
      _ = :socket.close(socket)
      {:error, reason}
    else
      :ok -> {:ok, socket}
    end
  end

  defp each(list, fun) do
    Enum.reduce_while(list, :ok, fn element, :ok ->
      case fun.(element) do
        :ok -> {:cont, :ok}
        error -> {:halt, error}
      end
    end)
  end

  defp set(socket, _domain, {:buffer, forced, plain}, size) do
    with {:error, {:setsockopt, @eperm}} <- setsockopt(socket, forced, <<size::native-32>>) do
      setsockopt(socket, plain, <<size::native-32>>)
    end
  end

  defp set(socket, _domain, {:interface, at}, name), do: setsockopt(socket, at, name)

  defp set(socket, _domain, {:memberships, at}, groups),
    do: each(groups, &setsockopt(socket, at, <<&1::native-32>>))

  defp set(socket, _domain, :groups, mask), do: bind(socket, Descriptor.address(mask))
  defp set(socket, _domain, :address, address), do: bind(socket, Sockaddr.native(address))

  defp set(socket, _domain, :backlog, backlog),
    do: failed(:listen, :socket.listen(socket, min(backlog, 0x7FFFFFFF)))

  defp set(socket, domain, form, value),
    do: setsockopt(socket, Options.place(form, domain), integer(value))

  defp integer(true), do: <<1::native-32>>
  defp integer(false), do: <<0::native-32>>
  defp integer(number), do: <<number::native-32>>

  defp bind(socket, address), do: failed(:bind, :socket.bind(socket, address))

  defp setsockopt(socket, at, value),
    do: failed(:setsockopt, :socket.setopt_native(socket, at, value))

  defp failed(_stage, :ok), do: :ok
  defp failed(stage, {:error, reason}), do: {:error, {stage, Errno.to_code(reason)}}
end
