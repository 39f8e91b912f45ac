defmodule Linx.Netlink.Socket do
  @moduledoc """
  A netlink socket, in the shape that Linx gives it: written for a NIF, and unaware that it has gone.

  It keeps nothing but the `:socket`, and binds through the descriptor that `:socket` tells.
  """

  alias Linx.Netlink.Socket.Native

  defstruct [:socket, :netns]

  @af_netlink 16
  @sol_netlink 270
  @add_membership 1

  def open(netns, protocol, opts \\ []) do
    with {:ok, socket} <- open_socket(netns, protocol),
         :ok <- bind(socket),
         :ok <- join(socket, Keyword.get(opts, :groups, [])) do
      {:ok, %__MODULE__{socket: socket, netns: netns}}
    end
  end

  def close(%__MODULE__{socket: socket}), do: :socket.close(socket)

  defp open_socket(:host, protocol), do: :socket.open(@af_netlink, :raw, protocol)
  defp open_socket({:pid, pid}, protocol), do: adopt("/proc/#{pid}/ns/net", protocol)
  defp open_socket({:path, path}, protocol), do: adopt(path, protocol)

  defp adopt(path, protocol) do
    with {:ok, fd} <- Native.open_in_netns(path, protocol) do
      case :socket.open(fd) do
        {:ok, socket} ->
          {:ok, socket}

        {:error, _reason} = error ->
          Native.close_fd(fd)
          error
      end
    end
  end

  defp bind(socket) do
    {:ok, fd} = :socket.getopt(socket, {:otp, :fd})

    case Native.bind_netlink(fd, 0) do
      :ok ->
        :ok

      {:error, errno} ->
        :socket.close(socket)
        {:error, {:bind, errno}}
    end
  end

  defp join(socket, groups) do
    Enum.reduce_while(groups, :ok, fn group, :ok ->
      case :socket.setopt_native(socket, {@sol_netlink, @add_membership}, <<group::native-32>>) do
        :ok -> {:cont, :ok}
        {:error, reason} -> {:halt, {:error, {:membership, reason}}}
      end
    end)
  end
end
