defmodule Linx.Netlink.Port.ServerTest do
  @moduledoc "What many callers, or strange ones, ask of a server in the same moment."

  use Linx.Netlink.Port.Test.Case

  alias Linx.Netlink.Port
  alias Linx.Netlink.Port.{Call, Lane, Wire}

  # A process of a node that there isn't, as NEW_PID_EXT.
  @stranger <<131, 88, 119, 7, "a@there", 38::32, 0::32, 1::32>>

  setup do
    %{namespace: Namespace.create(), server: start_server()}
  end

  # The server looks at nothing before all of it is there, and nobody gets past it.
  defp while_suspended(server, fun) do
    :ok = :sys.suspend(server)
    server |> :sys.get_state() |> Map.fetch!(:lane) |> Lane.close()
    result = fun.()
    :ok = :sys.resume(server)
    result
  end

  defp await_messages(server, count) do
    eventually("#{count} messages have come", fn ->
      Process.info(Process.whereis(server), :message_queue_len) == {:message_queue_len, count}
    end)
  end

  test "600 callers at once share requests, none of which asks for too much", context do
    %{server: server, namespace: namespace} = context
    # Known to be quick from here on.
    {:ok, _socket} = Port.open(namespace.path, :route, server: server)

    open = fn ->
      {:ok, socket} = Port.open(namespace.path, :route, server: server)
      Namespace.assert_inside(socket, namespace)
    end

    callers =
      while_suspended(server, fn ->
        callers = for _number <- 1..600, do: spawn_caller(open)
        await_messages(server, 600)
        callers
      end)

    assert length(results(callers)) == 600
    {:ok, %{program: program}} = Port.info(server)
    assert program.requests.ok < 600
  end

  test "a call from another node is refused, and keeps no answer from others", context do
    %{server: server, namespace: namespace} = context
    {:ok, _socket} = Port.open(namespace.path, :route, server: server)

    caller =
      while_suspended(server, fn ->
        # Less than the call before it had: its time is the next thing that would wake the server.
        options = [server: server, timeout: 3_000]
        caller = spawn_caller(fn -> Port.open(namespace.path, :route, options) end)
        await_messages(server, 1)
        from = {:erlang.binary_to_term(@stranger), make_ref()}
        send(server, {:"$gen_call", from, {:info, Wire.info(), Call.time(nil)}})
        caller
      end)

    assert [{:ok, _socket}] = results([caller])
  end
end
