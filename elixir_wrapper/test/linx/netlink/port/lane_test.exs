defmodule Linx.Netlink.Port.LaneTest do
  @moduledoc "Callers get past an idle server, and nothing is lost on the way."

  use Linx.Netlink.Port.Test.Case

  alias Linx.Netlink.Port
  alias Linx.Netlink.Port.{Call, Descriptor, Lane, Wire}
  alias Linx.Netlink.Port.Descriptor.Closer

  if System.schedulers_online() == 1 do
    @moduletag skip: "there is no lane where the BEAM has one scheduler"
  end

  setup do
    server = start_server()
    namespace = Namespace.create()
    {:ok, command} = Wire.open(namespace.path, 0, %{})
    # It is up, and has nothing to do.
    os_pid = os_pid(server)
    %{server: server, namespace: namespace, command: command, os_pid: os_pid}
  end

  # A request in the lane, sent to a port program that doesn't answer for now.
  defp send_late(context) do
    stop(context.os_pid)
    assert {:late, lane, flight} = Lane.request(context.server, :one, context.command)
    {lane, flight}
  end

  # It has answered, whether or not anybody has looked.
  defp await_answer(context) do
    signal(context.os_pid, :CONT)
    eventually("it has answered", fn -> info(context.server).program.requests.ok == 1 end)
  end

  defp hand_over(context, flight) do
    GenServer.call(
      context.server,
      {:handed_over, flight, {:one, context.command, Call.time(nil)}}
    )
  end

  # The server has come upon it, and keeps it.
  defp await_early(context, flight) do
    await_answer(context)

    eventually("the server has found it", fn ->
      info(context.server)
      Map.has_key?(:sys.get_state(context.server).strays.early, flight)
    end)
  end

  defp assert_opened({:ok, fd, id, closer}, namespace) do
    {:ok, socket} = Descriptor.adopt(fd, 0)
    Closer.adopted(closer, id)
    Namespace.assert_inside(socket, namespace)
    :ok = :socket.close(socket)
  end

  test "an idle server isn't asked", %{server: server, namespace: namespace} do
    :erlang.trace(Process.whereis(server), true, [:receive])

    eventually("a socket has come without a call of the server", fn ->
      {:ok, socket} = Port.open(namespace.path, :route, server: server)
      Namespace.assert_inside(socket, namespace)
      not received_a_call?()
    end)
  end

  defp received_a_call? do
    receive do
      {:trace, _server, :receive, {:"$gen_call", _from, _request}} -> true
      {:trace, _server, :receive, _message} -> received_a_call?()
    after
      0 -> false
    end
  end

  test "while the server has something to do, it is the one that is asked", context do
    stop(context.os_pid)

    caller =
      spawn_caller(fn -> Port.open(context.namespace.path, :route, server: context.server) end)

    await_in_flight(context.server, 1)
    assert Lane.request(context.server, :one, context.command) == :closed
    signal(context.os_pid, :CONT)
    assert [{:ok, _socket}] = results([caller])
  end

  test "what takes longer is the server's, which gives its answer to the caller", context do
    {_lane, flight} = send_late(context)

    handed_over =
      spawn_caller(fn ->
        context |> hand_over(flight) |> assert_opened(context.namespace)
      end)

    await_in_flight(context.server, 1)
    signal(context.os_pid, :CONT)
    assert results([handed_over]) == [:ok]
  end

  test "an answer that the server comes upon first waits for its caller", context do
    {_lane, flight} = send_late(context)
    await_early(context, flight)
    context |> hand_over(flight) |> assert_opened(context.namespace)
  end

  test "an answer that another caller comes upon goes to the server", context do
    {lane, flight} = send_late(context)
    # Without the closer's knowledge, it is nobody's.
    before = Descriptors.count()
    Closer.claimed(lane.closer, flight)
    await_answer(context)
    Lane.open(lane)

    {:ok, socket} = Port.open(context.namespace.path, :route, server: context.server)
    Namespace.assert_inside(socket, context.namespace)
    :ok = :socket.close(socket)
    Descriptors.await(before)
  end

  test "a server that ends closes the answers that it keeps, and what callers have sent on to it",
       context do
    before = Descriptors.count()
    {lane, flight} = send_late(context)
    await_early(context, flight)
    {:ok, fd} = Port.Native.open_in_netns(context.namespace.path, 0)
    Closer.watch(lane.closer, [{{:found, make_ref()}, lane.server, [fd]}])
    Process.exit(lane.server, :kill)
    Closer.claimed(lane.closer, flight)
    Descriptors.await(before)
  end

  test "the next port program gets what one that is gone has not answered", context do
    {_lane, flight} = send_late(context)
    kill_program(context.server)
    context |> hand_over(flight) |> assert_opened(context.namespace)
  end

  test "what comes for a caller who is gone is closed, whether it came before or after",
       context do
    before = Descriptors.count()
    stop(context.os_pid)
    caller = spawn_caller(fn -> Lane.request(context.server, :one, context.command) end)
    assert [{:late, _lane, flight}] = results([caller])

    eventually("the server has heard of it", fn ->
      Map.has_key?(:sys.get_state(context.server).strays.lost, flight)
    end)

    await_answer(context)
    Descriptors.await(before)
    refute Map.has_key?(:sys.get_state(context.server).strays.lost, flight)
  end

  test "no descriptor is left of 500 callers who are killed while they open sockets", context do
    before = Descriptors.count_both(context.server)
    kill_500(fn -> open_for_ever(context) end)
    Descriptors.await_both(context.server, before)
  end

  test "a caller who is suspended in the lane holds up nobody else", context do
    for number <- 1..50 do
      caller = spawn_link(fn -> open_for_ever(context) end)
      for _turn <- 0..number, do: :erlang.yield()
      true = :erlang.suspend_process(caller)
      {:ok, socket} = Port.open(context.namespace.path, :route, server: context.server)
      Namespace.assert_inside(socket, context.namespace)
      :ok = :socket.close(socket)
      true = :erlang.resume_process(caller)
      Process.unlink(caller)
      Process.exit(caller, :kill)
    end
  end

  defp open_for_ever(context) do
    {:ok, _socket} = Port.open(context.namespace.path, :route, server: context.server)
    open_for_ever(context)
  end

  test "what is asked for in vain by one who is killed leaves the lane open", context do
    ask = fn ->
      {:ok, [error: _reason]} = Port.open_many([{"/nowhere", :route}], server: context.server)
      Process.exit(self(), :kill)
    end

    {caller, monitor} = spawn_monitor(ask)
    assert_receive {:DOWN, ^monitor, :process, ^caller, :killed}
    Descriptors.settle(context.server)
    assert :sys.get_state(context.server).strays == %Port.Server.Strays{}
  end

  test "a server that is gone leaves no lane behind", %{server: server} do
    pid = Process.whereis(server)
    assert :ets.member(Lane, pid)
    Process.exit(pid, :kill)
    eventually("its lane is forgotten", fn -> not :ets.member(Lane, pid) end)
  end
end
