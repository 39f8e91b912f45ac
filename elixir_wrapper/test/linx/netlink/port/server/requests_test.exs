defmodule Linx.Netlink.Port.Server.RequestsTest do
  use ExUnit.Case, async: true

  alias Linx.Netlink.Port.Server.Requests

  @now 0

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

  # What is sent: the flights.
  defp flushed(requests) do
    test = self()

    requests =
      Requests.flush(requests, @now, fn id, _commands ->
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

  defp land(requests, flight), do: Requests.land(requests, flight, @now)

  defp same, do: [command: {:open, "the same entry"}]
  defp other, do: [command: {:open, "another entry"}]

  # Both of them are known to be opened quickly.
  defp both_quick do
    {[first], requests} = [10] |> lined_up(same()) |> flushed()
    {_landed, requests} = land(requests, first)
    {[second], requests} = requests |> add(20, other()) |> flushed()
    {_landed, requests} = land(requests, second)
    requests
  end

  # Whose they were, by their deadlines.
  defp deadlines(landed), do: for({_id, request} <- landed, do: request && request.deadline)

  test "numbers grow, and are never used again" do
    {[2], requests} = [1] |> lined_up() |> flushed()
    {[{1, _request}], requests} = land(requests, 2)
    assert {[4], _requests} = requests |> add(1) |> flushed()
  end

  test "a request can be answered once, and not before it has been sent" do
    requests = lined_up([1])
    assert {[], ^requests} = land(requests, 2)
    {[2], requests} = flushed(requests)
    assert {[{1, %{expect: :one}}], requests} = land(requests, 2)
    assert {[], _requests} = land(requests, 2)
  end

  test "those lined up are sent in order" do
    test = self()

    send = fn _id, [{:term, text}] ->
      send(test, {:sent, text})
      :ok
    end

    requests = [10, 20, 30] |> lined_up() |> Requests.flush(@now, send)
    assert collect() == ["10", "20", "30"]
    refute Requests.queued?(requests)
    assert Requests.count(requests) == 3
  end

  test "those that don't get through stay lined up" do
    requests = lined_up([1, 2, 3])

    requests =
      Requests.flush(requests, @now, fn _id, [{:term, text}] ->
        if text == "1", do: :ok, else: :busy
      end)

    assert Requests.queued?(requests)
    assert {[5, 6], _requests} = flushed(requests)
  end

  test "those whose time was up, and those whose caller is gone, are not sent" do
    {pid, monitor} = spawn_monitor(fn -> :ok end)
    assert_receive {:DOWN, ^monitor, :process, ^pid, _reason}, 10_000
    requests = [1, 2] |> lined_up() |> add(3, from: {pid, make_ref()})
    {[_first], requests} = Requests.expire(requests, 1)
    assert {[flight], requests} = flushed(requests)
    assert Requests.count(requests) == 1
    assert {[{2, %{deadline: 2}}], _requests} = land(requests, flight)
  end

  test "those whose time is up are taken out" do
    requests = lined_up([10, 30, 20])
    assert Requests.next_deadline(requests) == 10
    {expired, requests} = Requests.expire(requests, 20)
    assert [10, 20] = expired |> Enum.map(& &1.deadline) |> Enum.sort()
    assert Requests.next_deadline(requests) == 30
    assert {[_flight], _requests} = flushed(requests)
  end

  test "those who share a flight are told together, but for those whose time was up" do
    {[first], requests} = [10] |> lined_up(same()) |> flushed()
    {[], requests} = requests |> add(20, same()) |> add(30, same()) |> flushed()
    assert Requests.count(requests) == 3
    {landed, requests} = land(requests, first)
    assert deadlines(landed) == [10]

    {[second], requests} = flushed(requests)
    {[%{deadline: 20}], requests} = Requests.expire(requests, 20)
    {landed, requests} = land(requests, second)
    assert deadlines(landed) == [nil, 30]
    assert Requests.count(requests) == 0
  end

  test "a flight that takes too long is waited for no longer" do
    {[first], requests} = [10] |> lined_up(same()) |> flushed()
    {[], requests} = requests |> add(20, same()) |> flushed()
    {[%{deadline: 10}], requests} = Requests.expire(requests, 10)
    assert {[_second], requests} = flushed(requests)
    {landed, _requests} = land(requests, first)
    assert deadlines(landed) == [nil]
  end

  test "those who wait behind a flight that takes too long are not left waiting by all" do
    {[_hanging], requests} = [1_000] |> lined_up(same()) |> flushed()
    {[], requests} = requests |> add(20, same()) |> add(30, same()) |> flushed()
    {[%{deadline: 20}], requests} = Requests.expire(requests, 20)
    assert {[flight], requests} = flushed(requests)
    {landed, _requests} = land(requests, flight)
    assert deadlines(landed) == [30]
  end

  test "nothing is kept of those who waited for what never came" do
    {_flights, requests} =
      Enum.map_reduce(1..6, lined_up([]), fn deadline, requests ->
        {sent, requests} = requests |> add(deadline, same()) |> flushed()
        {[_expired], requests} = Requests.expire(requests, deadline)
        {sent, requests}
      end)

    # Four hang, and there is no fifth.
    {[], requests} = requests |> add(100, same()) |> flushed()
    assert Requests.count(requests) == 1
    {[_expired], requests} = Requests.expire(requests, 100)

    assert [{{:same, _command}, %{count: 0, given_up: [_, _, _, _]}}] =
             Map.to_list(requests.flights.queues)
  end

  test "one whose time is up early takes nobody with it who was in the same flight" do
    requests = both_quick()

    {[_together], requests} = requests |> add(5, same()) |> add(1_000, other()) |> flushed()
    {[%{deadline: 5}], requests} = Requests.expire(requests, 5)
    {[again], requests} = flushed(requests)
    {landed, requests} = land(requests, again)
    assert deadlines(landed) == [1_000]
    assert Requests.count(requests) == 0
  end

  test "what was refused is not known to be quick" do
    for refuse <- [&Requests.turn_away/3, &Requests.land(&1, &2, &3, :refused)] do
      {[first], requests} = [10] |> lined_up(same()) |> flushed()
      {_landed, requests} = refuse.(requests, first, @now)
      {[second], requests} = requests |> add(20, other()) |> flushed()
      {_landed, requests} = land(requests, second)
      both = requests |> add(30, same()) |> add(40, other())
      assert {[_alone, _alone_too], _requests} = flushed(both)
    end
  end

  test "one that is turned away where it is asked for again waits for the first asking" do
    requests = both_quick()

    {[together], requests} = requests |> add(1_000, same()) |> add(1_000, other()) |> flushed()
    {[], requests} = Requests.expire(requests, Requests.patience(requests))
    {[alone, _other_alone], requests} = flushed(requests)
    {landed, requests} = Requests.turn_away(requests, alone, @now)
    assert deadlines(landed) == [nil]
    {landed, requests} = land(requests, together)
    assert deadlines(landed) == [1_000, 1_000]
    assert Requests.count(requests) == 0

    {[only], requests} = requests |> add(30) |> flushed()
    {landed, _requests} = Requests.turn_away(requests, only, @now)
    assert deadlines(landed) == [30]
  end

  test "each is sent to two port programs at most" do
    {[_, _], requests} = [10, 20] |> lined_up() |> flushed()
    assert {[], requests} = requests |> add(30) |> Requests.resend()
    assert {[_, _, _], requests} = flushed(requests)
    assert {[_one, _two], requests} = Requests.resend(requests)
    assert {[flight], requests} = flushed(requests)
    {landed, _requests} = land(requests, flight)
    assert deadlines(landed) == [30]
  end

  test "one that is asked for again, of the same port program, has been sent to one" do
    {[first], requests} = [10, 20] |> lined_up(same()) |> flushed()
    {_landed, requests} = land(requests, first)
    {[second], requests} = requests |> add(30, other()) |> flushed()
    {_landed, requests} = land(requests, second)

    # Both are known to be quick, and aren't.
    {[_together], requests} = requests |> add(40, same()) |> add(50, other()) |> flushed()
    assert Requests.patience(requests) <= 40
    assert {[%{deadline: 40}], requests} = Requests.expire(requests, 40)
    assert {[_alone], requests} = flushed(requests)
    assert {[], requests} = Requests.resend(requests)
    assert {[_once_more], _requests} = flushed(requests)
  end

  test "those who waited for a flight of the port program that died wait for one of the next" do
    {[_first], requests} = [10] |> lined_up(same()) |> flushed()
    {[], requests} = requests |> add(20, same()) |> flushed()
    assert {[], requests} = Requests.resend(requests)
    assert {[flight], requests} = flushed(requests)
    {landed, _requests} = land(requests, flight)
    assert deadlines(landed) == [10, 20]
  end

  test "probes are not sent to another port program" do
    {[_probe], requests} = [10] |> lined_up(from: :probe) |> flushed()
    assert {[%{from: :probe}], %Requests{table: table}} = Requests.resend(requests)
    assert table == %{}
  end

  test "there is no deadline where there is no request" do
    assert Requests.next_deadline(%Requests{}) == nil
    assert Requests.patience(%Requests{}) == nil
  end
end
