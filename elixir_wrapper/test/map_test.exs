defmodule Linx.Netlink.Port.MapTest do
  @moduledoc "docs/ARCHITECTURE.md draws which room of the wrapper uses which. Is it so?"

  use ExUnit.Case, async: true

  alias Linx.Netlink.Port.Test.Map.{Drawing, Sources}

  @page "docs/ARCHITECTURE.md"

  setup_all do
    uses = Sources.uses()
    rooms = Sources.files() |> Enum.group_by(&Sources.room/1)
    insides = for {room, [_, _ | _]} <- rooms, do: room

    floors =
      for room <- [nil | insides], into: %{} do
        arrows = if room, do: Sources.inside(uses, room), else: Sources.between_rooms(uses)
        {room, arrows}
      end

    %{drawing: Drawing.read(), rooms: rooms, floors: floors, uses: uses}
  end

  test "every room is drawn, every room of several files from the inside, and no other", it do
    for {room, files} <- it.rooms, tl(files) != [] do
      drawn = it.drawing |> Map.get(room, []) |> names()
      there = Enum.map(files, &Sources.name/1)
      assert {room, Enum.sort(drawn)} == {room, Enum.sort(there)}
    end

    assert it.drawing[nil] |> names() |> Enum.sort() == it.rooms |> Map.keys() |> Enum.sort()
    assert Enum.sort(Map.keys(it.drawing)) == Enum.sort(Map.keys(it.floors))
  end

  test "every arrow is drawn, and every drawn arrow is there", it do
    wrong =
      for {floor, real} <- it.floors do
        drawn = it.drawing |> Map.get(floor, []) |> arrows()

        missing =
          for {{from, to} = arrow, use} <- real,
              arrow not in drawn,
              do: "#{say(use)}: #{@page} draws no arrow from #{from} to #{to}"

        idle =
          for {from, to} = arrow <- drawn, not is_map_key(real, arrow) do
            "#{@page} draws #{from} ──► #{to}, and nothing in #{place(it, floor, from)} uses " <>
              place(it, floor, to)
          end

        missing ++ idle
      end

    fail_with(wrong)
  end

  test "every drawn arrow points down", it do
    wrong =
      for {_floor, lines} <- it.drawing do
        names = names(lines)

        for {from, to} <- arrows(lines),
            to not in tl(Enum.drop_while(names, &(&1 != from))),
            do: "#{@page} draws #{from} ──► #{to}, which points up"
      end

    fail_with(wrong)
  end

  test "nothing uses what uses it", it do
    wrong =
      for {_floor, arrows} <- it.floors,
          {{from, to}, use} <- arrows,
          back = way(arrows, to, from),
          do: Enum.map_join([use | back], ", and ", &say/1)

    fail_with(wrong)
  end

  test "the compiler knows of no use that the sources don't name", it do
    environment = [{"MIX_ENV", to_string(Mix.env())}]

    {graph, 0} = System.cmd("mix", ~w(xref graph --no-compile --format plain), env: environment)

    {seen, _file} =
      graph
      |> String.split("\n", trim: true)
      |> Enum.flat_map_reduce(nil, fn line, file ->
        case Regex.run(~r/\A(\W*)(\S+\.ex)\b/u, line, capture: :all_but_first) do
          ["", file] -> {[], file}
          [_branch, used] -> {[{file, used}], file}
        end
      end)

    seen = for {"lib/" <> _ = file, "lib/" <> _ = used} <- seen, do: {file, used}
    assert length(seen) > 50
    fail_with(for use <- seen -- it.uses, do: say(use))
  end

  defp fail_with(wrong) do
    wrong = List.flatten(wrong)
    assert wrong == [], "\n" <> Enum.join(wrong, "\n")
  end

  defp names(lines), do: for({name, _uses} <- lines, do: name)
  defp arrows(lines), do: for({from, uses} <- lines, to <- uses, do: {from, to})
  defp say({using, used}), do: "#{using} uses #{used}"

  # Where a room is, or a module of one.
  defp place(it, nil, room) do
    case it.rooms[room] do
      nil -> room
      [file] -> file
      [beside | _inside] -> Path.rootname(beside)
    end
  end

  defp place(it, room, name),
    do: it.rooms |> Map.get(room, []) |> Enum.find(name, &(Sources.name(&1) == name))

  # The files that show how to get from one to another, if there is a way.
  defp way(arrows, from, to, seen \\ [])
  defp way(_arrows, same, same, _seen), do: []

  defp way(arrows, from, to, seen) do
    Enum.find_value(arrows, fn {{here, next}, use} ->
      if here == from and next not in seen, do: more(use, way(arrows, next, to, [from | seen]))
    end)
  end

  defp more(_use, nil), do: nil
  defp more(use, rest), do: [use | rest]
end
