defmodule Linx.Netlink.Port.Server.FlightsTest do
  use ExUnit.Case, async: true

  alias Linx.Netlink.Port.Server.Flights

  # Longer than others wait for a quick flight, in milliseconds.
  @long 1_000

  defp open(name), do: {:open, name}

  defp add(flights, id, command), do: Flights.add(flights, id, command)

  # Lets leave whatever may, numbered on from `next`: who is in which flight.
  defp leave(flights, next, now \\ 0) do
    case Flights.board(flights) do
      {:none, flights} ->
        {[], flights}

      {queue, party, flights} ->
        {others, flights} =
          flights |> Flights.launch(queue, next, party, now) |> leave(next + 1, now)

        {[{next, for({id, _command} <- party, do: id)} | others], flights}
    end
  end

  # These have been opened quickly.
  defp quick(names) do
    flights = names |> Enum.with_index() |> Enum.reduce(%Flights{}, &add_named/2)
    {left, flights} = leave(flights, 1_000)
    Enum.reduce(left, flights, fn {flight, _ids}, flights -> landed(flights, flight) end)
  end

  defp add_named({name, id}, flights), do: add(flights, id, open(name))

  defp landed(flights, flight, now \\ 0) do
    {[_ | _], flights} = Flights.land(flights, flight, now)
    flights
  end

  test "those who ask for what is under way share the next flight" do
    flights = add(%Flights{}, 1, open("red"))
    assert {[{10, [1]}], flights} = leave(flights, 10)
    flights = flights |> add(2, open("red")) |> add(3, open("red"))
    assert {[], flights} = leave(flights, 11)
    assert {[1], flights} = Flights.land(flights, 10, @long)
    assert {[{11, [2, 3]}], _flights} = leave(flights, 11)
  end

  test "nobody waits for a file of which it is not known that it is quick" do
    flights =
      %Flights{}
      |> add(1, open("red"))
      |> add(2, open("blue"))
      |> add(3, {:term, "red"})
      |> add(4, {:term, "red"})

    assert {[{10, [1]}, {11, [2]}, {12, [3]}, {13, [4]}], _flights} = leave(flights, 10)
  end

  test "those who ask for what is quick share flights, wherever they lead" do
    flights = ~w(red blue) |> quick() |> add(1, open("red")) |> add(2, open("blue"))
    assert {[{10, [2, 1]}], flights} = leave(flights, 10)
    flights = flights |> add(3, open("red")) |> add(4, open("blue"))
    assert {[], flights} = leave(flights, 11)
    assert {[_, _], flights} = Flights.land(flights, 10, 1)
    assert {[{11, [4, 3]}], _flights} = leave(flights, 11)
  end

  test "a second flight leaves when there are enough for it, and no third" do
    flights = add(quick(["red"]), 1, open("red"))
    assert {[{10, [1]}], flights} = leave(flights, 10)
    flights = Enum.reduce(2..4, flights, &add(&2, &1, open("red")))
    assert {[], flights} = leave(flights, 11)
    flights = add(flights, 5, open("red"))
    assert {[{11, [2, 3, 4, 5]}], flights} = leave(flights, 11)
    flights = Enum.reduce(6..20, flights, &add(&2, &1, open("red")))
    assert {[], flights} = leave(flights, 12)
    assert {[{12, ids}], _flights} = flights |> landed(10) |> leave(12)
    assert ids == Enum.to_list(6..20)
  end

  test "a flight holds no more than the port program reads at once" do
    large = open(String.duplicate("x", 8_000))
    flights = Enum.reduce(1..3, %Flights{}, &add(&2, &1, large))
    assert {[{10, [1, 2]}], flights} = leave(flights, 10)
    assert {[{11, [3]}], _flights} = flights |> landed(10, @long) |> leave(11)
  end

  test "a flight holds no more than one request can ask for, quick or not" do
    for flights <- [%Flights{}, quick(["red"])] do
      flights = Enum.reduce(1..600, flights, &add(&2, &1, open("red")))
      {left, _flights} = leave(flights, 10)
      assert [253 | _] = sizes = for({_flight, ids} <- left, do: length(ids))
      assert Enum.max(sizes) == 253
    end
  end

  test "what takes long doesn't become quick" do
    {[{10, [1]}], flights} = %Flights{} |> add(1, open("red")) |> leave(10)
    flights = landed(flights, 10, @long)
    flights = flights |> add(2, open("red")) |> add(3, open("blue"))
    assert {[{11, [2]}, {12, [3]}], _flights} = leave(flights, 11)
  end

  test "a quick flight that has not landed soon is asked for again, each on its own" do
    flights =
      ~w(red blue green)
      |> quick()
      |> add(1, open("red"))
      |> add(2, open("blue"))
      |> add(3, open("blue"))

    {[{10, [2, 3, 1]}], flights} = leave(flights, 10)
    soon = Flights.patience(flights)
    flights = flights |> add(4, open("red")) |> add(5, open("green"))
    assert {[], flights} = flights |> Flights.lose_patience(soon - 1) |> leave(11)
    flights = Flights.lose_patience(flights, soon)
    {left, flights} = leave(flights, 11)
    assert left |> Enum.map(&elem(&1, 1)) |> Enum.sort() == [[1, 4], [2, 3], [5]]
    # Whoever is answered first has the answer.
    assert {[2, 3, 1], _flights} = Flights.land(flights, 10, soon)
  end

  test "where all in a flight asked for the same, they are not asked for again" do
    flights = ~w(red blue) |> quick() |> add(1, open("red")) |> add(2, open("red"))
    {[{10, [1, 2]}], flights} = leave(flights, 10)
    flights = flights |> add(3, open("red")) |> add(4, open("blue"))
    flights = Flights.lose_patience(flights, Flights.patience(flights))
    assert {[{11, [4]}], flights} = leave(flights, 11)
    assert {[{12, [3]}], _flights} = flights |> landed(10, @long) |> leave(12)
  end

  test "nobody is woken for a flight that nobody else waits for" do
    flights = add(quick(["red"]), 1, open("red"))
    assert Flights.patience(flights) == nil
    {[_flight], flights} = leave(flights, 10)
    assert Flights.patience(flights) == nil
    assert is_integer(flights |> add(2, open("red")) |> Flights.patience())
  end

  test "those who waited for a flight that is given up leave without it" do
    {[{10, [1]}], flights} = %Flights{} |> add(1, open("red")) |> leave(10)
    {[], flights} = flights |> add(2, open("red")) |> leave(11)
    assert {[{11, [2]}], flights} = flights |> Flights.give_up(10) |> leave(11)
    assert {[1], flights} = Flights.land(flights, 10, 0)
    assert {[2], flights} = Flights.land(flights, 11, 0)
    assert {[], ^flights} = Flights.land(flights, 11, 0)
  end

  test "those who waited for what is given up leave without it, but not for ever" do
    {flights, next} =
      Enum.reduce(1..4, {%Flights{}, 10}, fn id, {flights, next} ->
        {[{^next, [^id]}], flights} = flights |> add(id, open("red")) |> leave(next)
        {Flights.give_up_all(flights, open("red")), next + 1}
      end)

    # Four hold a thread each.
    assert {[], flights} = flights |> add(5, open("red")) |> leave(next)
    assert {[{^next, [6]}], flights} = flights |> add(6, open("blue")) |> leave(next)
    assert Flights.aboard?(flights, 1)
    flights = landed(flights, 10, @long)
    refute Flights.aboard?(flights, 1)
    assert {[{15, [5]}], _flights} = leave(flights, 15)
  end

  test "whatever happens, everybody leaves, and nothing is left" do
    for seed <- 1..200 do
      :rand.seed(:exsss, {seed, seed, seed})
      world = %{flights: %Flights{}, next: 1, now: 0, up: [], waiting: MapSet.new()}
      world = 1..300 |> Enum.reduce(world, fn _step, world -> step(world) end) |> wind_up()
      assert {seed, world.waiting} == {seed, MapSet.new()}
      assert %Flights{queues: queues, flights: flights} = world.flights
      assert {seed, queues, flights} == {seed, %{}, %{}}
    end
  end

  defp step(world) do
    case :rand.uniform(10) do
      n when n <= 4 -> ask(world)
      n when n <= 6 -> fly(world)
      n when n <= 8 -> touch_down(world)
      9 -> pass(world, Enum.random([1, 7, 30]))
      10 -> refuse(world)
    end
  end

  defp ask(%{next: id} = world) do
    command = Enum.random([open("red"), open("blue"), open("green"), {:term, "info"}])
    flights = Flights.add(world.flights, id, command)
    %{world | flights: flights, next: id + 1, waiting: MapSet.put(world.waiting, id)}
  end

  defp fly(world) do
    {left, flights} = leave(world.flights, world.next, world.now)
    up = Enum.map(left, &elem(&1, 0))
    %{world | flights: flights, next: world.next + length(left), up: up ++ world.up}
  end

  defp refuse(world) do
    case Flights.board(world.flights) do
      {:none, flights} -> %{world | flights: flights}
      {queue, party, flights} -> %{world | flights: Flights.put_back(flights, queue, party)}
    end
  end

  defp touch_down(%{up: []} = world), do: world

  defp touch_down(%{up: up} = world) do
    flight = Enum.random(up)
    {ids, flights} = Flights.land(world.flights, flight, world.now)
    waiting = Enum.reduce(ids, world.waiting, &MapSet.delete(&2, &1))
    %{world | flights: flights, up: List.delete(up, flight), waiting: waiting}
  end

  defp pass(world, time) do
    now = world.now + time
    %{world | flights: Flights.lose_patience(world.flights, now), now: now}
  end

  defp wind_up(world) do
    world = fly(world)
    if world.up == [], do: world, else: world |> touch_down() |> wind_up()
  end
end
