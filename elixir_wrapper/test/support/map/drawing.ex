defmodule Linx.Netlink.Port.Test.Map.Drawing do
  @moduledoc """
  What docs/ARCHITECTURE.md draws: a line for each room, with its name, what it is for, and arrows to those
  that it uses.

      netns     finding the namespace's file          ──► errno

  Before the first heading of a third level are the rooms; under each such heading, the modules of one of them.
  """

  @page Path.expand("../../../../docs/ARCHITECTURE.md", __DIR__)
  @title "\n## The rooms of the wrapper\n"

  @typedoc "A room, or a module in one, and what it uses."
  @type line() :: {String.t(), [String.t()]}

  @doc "The lines from the top: of the rooms (`nil`), and of each room that is drawn from the inside."
  @spec read() :: %{optional(String.t() | nil) => [line(), ...]}
  def read do
    [_before, section] = @page |> File.read!() |> String.split(@title, parts: 2)
    [rooms | insides] = section |> String.split("\n## ") |> hd() |> String.split("\n### ")
    Map.new([{nil, lines(rooms)} | Enum.map(insides, &inside/1)])
  end

  defp inside(text) do
    [_all, room] = Regex.run(~r/\A[^\n]*`(\w+)`/, text)
    {room, lines(text)}
  end

  defp lines(text) do
    lines = for "    " <> line <- String.split(text, "\n"), do: line(line)

    if lines == [],
      do: raise("nothing is drawn in #{@page}, above or below a heading of the wrapper's rooms")

    lines
  end

  defp line(text) do
    {what, uses} =
      case String.split(text, "──►", parts: 2) do
        [what, uses] -> {what, uses |> String.split(",") |> Enum.map(&String.trim/1)}
        [what] -> {what, []}
      end

    {what |> String.split() |> hd(), uses}
  end
end
