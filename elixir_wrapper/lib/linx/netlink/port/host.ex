defmodule Linx.Netlink.Port.Host do
  @moduledoc """
  A netlink socket in the BEAM's own network namespace: no port program is needed for that one.

  The options mean what they mean to the port program, and are applied in the same order. What they
  need, they need from the BEAM.

  ## Example

      iex> {:ok, socket} = Linx.Netlink.Port.Host.open(0, %{memberships: [1]})
      iex> :socket.close(socket)
      :ok
      iex> Linx.Netlink.Port.Host.open(99, %{})
      {:error, {:socket, 93}}
  """

  alias Linx.Netlink.Port.{Descriptor, Errno, Options}

  @typedoc "The step that failed, and its error number."
  @type reason() :: {:socket | :setsockopt | :bind, pos_integer()}

  # linux/netlink.h, and asm-generic/socket.h.
  @sol_netlink 270
  @sol_socket 1
  @add_membership 1
  @flags [ext_ack: 11, cap_ack: 10, strict_check: 12, no_enobufs: 5, listen_all_nsid: 8]
  # With CAP_NET_ADMIN above the system's limit, without it up to it.
  @buffers [rcvbuf: {33, 8}, sndbuf: {32, 7}]

  @doc "Opens a socket and sets it up."
  @spec open(integer(), Options.wire()) :: {:ok, :socket.socket()} | {:error, reason()}
  def open(protocol, options) do
    case :socket.open(16, :raw, protocol) do
      {:ok, socket} -> set_up(socket, options)
      {:error, reason} -> {:error, {:socket, Errno.to_code(reason)}}
    end
  end

  defp set_up(socket, options) do
    with :ok <- each(@flags, options, &flag(socket, &1, &2)),
         :ok <- each(@buffers, options, &buffer(socket, &1, &2)),
         :ok <- bind(socket, options),
         :ok <- join(socket, Map.get(options, :memberships, [])) do
      {:ok, socket}
    else
      {:error, reason} ->
        _ = :socket.close(socket)
        {:error, reason}
    end
  end

  defp each(known, options, set) do
    Enum.reduce_while(known, :ok, fn {key, number}, :ok ->
      case options do
        %{^key => value} -> continue(set.(number, value))
        _not_asked_for -> {:cont, :ok}
      end
    end)
  end

  defp continue(:ok), do: {:cont, :ok}
  defp continue(error), do: {:halt, error}

  defp flag(socket, number, value) do
    setsockopt(socket, {@sol_netlink, number}, if(value, do: 1, else: 0))
  end

  defp buffer(socket, {force, plain}, size) do
    with {:error, {:setsockopt, 1}} <- setsockopt(socket, {@sol_socket, force}, size) do
      setsockopt(socket, {@sol_socket, plain}, size)
    end
  end

  defp bind(socket, %{groups: groups}), do: bind_to(socket, groups)
  defp bind(socket, %{memberships: _groups}), do: bind_to(socket, 0)
  defp bind(_socket, _options), do: :ok

  defp bind_to(socket, groups) do
    case :socket.bind(socket, Descriptor.address(groups)) do
      :ok -> :ok
      {:error, reason} -> {:error, {:bind, Errno.to_code(reason)}}
    end
  end

  defp join(socket, groups) do
    Enum.reduce_while(groups, :ok, fn group, :ok ->
      continue(setsockopt(socket, {@sol_netlink, @add_membership}, group))
    end)
  end

  defp setsockopt(socket, option, value) do
    case :socket.setopt_native(socket, option, <<value::native-32>>) do
      :ok -> :ok
      {:error, reason} -> {:error, {:setsockopt, Errno.to_code(reason)}}
    end
  end
end
