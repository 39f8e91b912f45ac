defmodule Linx.Netlink.Port.RequestsTest do
  use ExUnit.Case, async: true

  alias Linx.Netlink.Port.Requests

  # Each asks for something else, unless it is told what.
  defp add(requests, deadline, options \\ []) do
    from = Keyword.get(options, :from, {self(), make_ref()})
    command = Keyword.get(options, :command, {:term, inspect(deadline)})
    {_id, requests} = Requests.add(requests, from, :one, deadline, command)
    requests
  end

  defp lined_up(deadlines, options \\ []) do
    Enum.reduce(deadlines, %Requests{}, &add(&2, &1, options))
  end

  # What is sent: of each flight the id, or the id and how many share it.
  defp flushed(requests) do
    test = self()

    requests =
      Requests.flush(requests, fn id, _command, count ->
        send(test, {:sent, if(count == 1, do: id, else: {id, count})})
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

  defp same, do: [command: {:open, "the same entry"}]

  defp deadlines(landed), do: for({id, request} <- landed, do: {id, request && request.deadline})

  test "ids grow, and are never used again" do
    {[1], requests} = [1] |> lined_up() |> flushed()
    {[{1, _request}], requests} = Requests.land(requests, 1)
    assert {[2], requests} = requests |> add(1) |> flushed()
    assert Requests.known?(requests, 1)
    refute Requests.known?(requests, 3)
    refute Requests.known?(%Requests{}, 1)
  end

  test "a request can be answered once, and not before it has been sent" do
    requests = lined_up([1])
    assert {[], ^requests} = Requests.land(requests, 1)
    {[1], requests} = flushed(requests)
    assert {[{1, %{expect: :one}}], requests} = Requests.land(requests, 1)
    assert {[], _requests} = Requests.land(requests, 1)
  end

  test "those lined up are sent in order" do
    {sent, requests} = [1, 2, 3] |> lined_up() |> flushed()
    assert sent == [1, 2, 3]
    refute Requests.queued?(requests)
    assert Requests.count(requests) == 3
  end

  test "those that don't get through stay lined up" do
    requests = lined_up([1, 2, 3])
    requests = Requests.flush(requests, fn id, _, _ -> if id == 1, do: :ok, else: :busy end)
    assert {[2, 3], _requests} = flushed(requests)
  end

  test "those whose time was up, and those whose caller is gone, are not sent" do
    {pid, monitor} = spawn_monitor(fn -> :ok end)
    assert_receive {:DOWN, ^monitor, :process, ^pid, _reason}, 10_000
    requests = [1, 2] |> lined_up() |> add(3, from: {pid, make_ref()})
    {[_first], requests} = Requests.expire(requests, 1)
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

  test "those who ask for what is under way share the next flight" do
    {[1], requests} = [10] |> lined_up(same()) |> flushed()
    assert {[], requests} = requests |> add(20, same()) |> add(30, same()) |> flushed()
    refute Requests.queued?(requests)
    assert Requests.count(requests) == 3

    {landed, requests} = Requests.land(requests, 1)
    assert deadlines(landed) == [{1, 10}]
    assert {[{2, 2}], requests} = flushed(requests)
    {landed, requests} = Requests.land(requests, 2)
    assert deadlines(landed) == [{2, 20}, {3, 30}]
    assert {[4], _requests} = requests |> add(40, same()) |> flushed()
  end

  test "nobody waits for what somebody else has asked for" do
    assert {[1, 2, 3], _requests} =
             [1]
             |> lined_up(same())
             |> add(2, command: {:open, "another entry"})
             |> add(3, command: {:term, "the same entry"})
             |> flushed()
  end

  test "a flight holds no more than the port program reads at once" do
    large = [command: {:open, String.duplicate("x", 8_000)}]
    {[1], requests} = [1] |> lined_up(large) |> flushed()
    {[], requests} = 2..4 |> Enum.reduce(requests, &add(&2, &1, large)) |> flushed()
    {_landed, requests} = Requests.land(requests, 1)
    assert {[{2, 2}], requests} = flushed(requests)
    {_landed, requests} = Requests.land(requests, 2)
    assert {[4], _requests} = flushed(requests)
  end

  test "a flight that takes too long is waited for no longer, and is told from none when it lands" do
    {[1], requests} = [10] |> lined_up(same()) |> flushed()
    {[], requests} = requests |> add(20, same()) |> add(30, same()) |> flushed()
    {[%{deadline: 10}], requests} = Requests.expire(requests, 10)
    assert {[{2, 2}], requests} = flushed(requests)
    assert {[], requests} = Requests.land(requests, 1)

    {[%{deadline: 20}], requests} = Requests.expire(requests, 20)
    {landed, requests} = Requests.land(requests, 2)
    assert deadlines(landed) == [{2, nil}, {3, 30}]
    assert requests == %Requests{next_id: 4}
  end

  test "each is sent to two port programs at most" do
    {[1, 2], requests} = [10, 20] |> lined_up() |> flushed()
    assert {[], requests} = requests |> add(30) |> Requests.resend()
    assert {[1, 2, 3], requests} = flushed(requests)
    assert {[_one, _two], requests} = Requests.resend(requests)
    assert {[3], _requests} = flushed(requests)
  end

  test "those who waited for a flight of the port program that died wait for one of the next" do
    {[1], requests} = [10] |> lined_up(same()) |> flushed()
    {[], requests} = requests |> add(20, same()) |> flushed()
    assert {[], requests} = Requests.resend(requests)
    assert {[1], requests} = flushed(requests)
    {_landed, requests} = Requests.land(requests, 1)
    assert {[2], requests} = flushed(requests)
    # It was on its way to one port program only.
    assert {[], _requests} = Requests.resend(requests)
  end

  test "probes are not sent to another port program" do
    {[1], requests} = [10] |> lined_up(from: :probe) |> flushed()
    assert {[%{from: :probe}], %Requests{table: table}} = Requests.resend(requests)
    assert table == %{}
  end

  test "there is no deadline where there is no request" do
    assert Requests.next_deadline(%Requests{}) == nil
  end
end
