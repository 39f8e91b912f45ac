defmodule Linx.Netlink.Monitor do
  @moduledoc "Tells a subscriber of the links that come and go, in the shape of Linx: opened in `init/1`."

  use GenServer

  alias Linx.Netlink.Socket

  @rtnlgrp_link 1

  def start_link(netns, subscriber),
    do: GenServer.start_link(__MODULE__, {netns, subscriber})

  @impl true
  def init({netns, subscriber}) do
    case Socket.open(netns, 0, groups: [@rtnlgrp_link]) do
      {:ok, socket} -> {:ok, %{socket: socket, subscriber: subscriber}, {:continue, :receive}}
      {:error, reason} -> {:stop, reason}
    end
  end

  @impl true
  def handle_continue(:receive, state), do: receive_all(state)

  @impl true
  def handle_info({:"$socket", _socket, :select, _ref}, state), do: receive_all(state)

  defp receive_all(state) do
    case :socket.recv(state.socket.socket, 0, [], :nowait) do
      {:ok, <<_length::native-32, type::native-16, _rest::binary>>} ->
        send(state.subscriber, {:netlink, self(), type})
        receive_all(state)

      {:select, _info} ->
        {:noreply, state}
    end
  end
end
