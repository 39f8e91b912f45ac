defmodule Linx.Netlink.Port.RequestsTest do
  use ExUnit.Case, async: true

  alias Linx.Netlink.Port.Requests

  defp add(requests, deadline, from \\ {self(), make_ref()}) do
    Requests.add(requests, from, :one, deadline, "command")
  end

  defp lined_up(deadlines) do
    Enum.reduce(deadlines, %Requests{}, fn deadline, requests ->
      {id, requests} = add(requests, deadline)
      Requests.enqueue(requests, id)
    end)
  end

  defp flushed(requests) do
    test = self()

    requests =
      Requests.flush(requests, fn id, "command" ->
        send(test, {:sent, id})
        :ok
      end)

    {collect(), requests}
  end

  defp collect do
    receive do
      {:sent, id} -> [id | collect()]
    after
      0 -> []
    end
  end

  test "ids grow, and are never used again" do
    {first, requests} = add(%Requests{}, 1)
    {_request, requests} = Requests.pop(requests, first)
    {second, requests} = add(requests, 1)
    assert second > first
    assert Requests.known?(requests, first)
    refute Requests.known?(requests, second + 1)
    refute Requests.known?(%Requests{}, 1)
  end

  test "a request can be answered once" do
    {id, requests} = add(%Requests{}, 1)
    assert {%{expect: :one}, requests} = Requests.pop(requests, id)
    assert {nil, _requests} = Requests.pop(requests, id)
  end

  test "those lined up are sent in order" do
    {sent, requests} = [1, 2, 3] |> lined_up() |> flushed()
    assert sent == [1, 2, 3]
    refute Requests.queued?(requests)
    assert Requests.count(requests) == 3
  end

  test "those that don't get through stay lined up" do
    requests = lined_up([1, 2, 3])
    requests = Requests.flush(requests, fn id, _command -> if id == 1, do: :ok, else: :busy end)
    assert {[2, 3], _requests} = flushed(requests)
  end

  test "those that have been answered, and those whose caller is gone, are not sent" do
    {pid, monitor} = spawn_monitor(fn -> :ok end)
    assert_receive {:DOWN, ^monitor, :process, ^pid, _reason}, 10_000
    {id, requests} = [1, 2] |> lined_up() |> add(3, {pid, make_ref()})
    requests = Requests.enqueue(requests, id)
    {_request, requests} = Requests.pop(requests, 1)
    assert {[2], requests} = flushed(requests)
    assert Requests.count(requests) == 1
  end

  test "those whose time is up are taken out" do
    requests = lined_up([10, 30, 20])
    assert Requests.next_deadline(requests) == 10
    {expired, requests} = Requests.expire(requests, 20)
    assert [10, 20] = expired |> Enum.map(& &1.deadline) |> Enum.sort()
    assert Requests.next_deadline(requests) == 30
    assert {[2], _requests} = flushed(requests)
  end

  test "each is sent to two port programs at most" do
    {[1, 2], requests} = [10, 20] |> lined_up() |> flushed()
    {id, requests} = add(requests, 30)
    requests = Requests.enqueue(requests, id)
    assert {[], requests} = Requests.resend(requests)
    assert {[1, 2, 3], requests} = flushed(requests)
    assert {[_one, _two], requests} = Requests.resend(requests)
    assert {[3], _requests} = flushed(requests)
  end

  test "probes are not sent to another port program" do
    {id, requests} = add(%Requests{}, 10, :probe)
    {[^id], requests} = requests |> Requests.enqueue(id) |> flushed()
    assert {[%{from: :probe}], %Requests{table: table}} = Requests.resend(requests)
    assert table == %{}
  end

  test "there is no deadline where there is no request" do
    assert Requests.next_deadline(%Requests{}) == nil
  end
end
