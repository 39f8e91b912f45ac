defmodule Linx.Netlink.Port.Test.Scene do
  @moduledoc "A server, its port program, and callers who want a socket in a namespace."

  import Linx.Netlink.Port.Test.Helpers

  alias Linx.Netlink.Port
  alias Linx.Netlink.Port.Test.Namespace

  @doc "A server, and its port program, which is stopped."
  def start_stopped_server(settings \\ []) do
    server = start_server(settings)
    os_pid = os_pid(server)
    stop(os_pid)
    {server, os_pid}
  end

  @doc "Opens a socket, proves where it is, and closes it: `:ok`, or the error's name."
  def open_inside(server, namespace, options \\ []) do
    case Port.open(namespace.path, :route, [server: server] ++ options) do
      {:ok, socket} ->
        Namespace.assert_inside(socket, namespace)
        :socket.close(socket)

      {:error, error} ->
        {:error, error.errno}
    end
  end

  @doc "Callers that do so once each."
  def start_callers(count, server, namespace, options \\ []) do
    for _number <- 1..count,
        do: spawn_caller(fn -> open_inside(server, namespace, options) end)
  end

  @doc "The same, of whom a server has not answered one: its port program doesn't."
  def start_waiting_callers(count, server, namespace) do
    callers = start_callers(count, server, namespace)
    await_in_flight(server, count)
    callers
  end
end
