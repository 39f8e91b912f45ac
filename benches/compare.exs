# Measures ways to open a netlink socket in another network namespace, side by side. Started by
# script/bench, which builds what is compared and makes a place for the namespaces.

for file <-
      ~w(nif outside echo way measure stats json machine netnses stage progress parts ratios report) do
  Code.require_file("compare/#{file}.ex", __DIR__)
end

defmodule Bench do
  @moduledoc "One run: measures the parts that were asked for, writes the figures, prints them."

  alias Bench.{Json, Machine, Parts, Progress, Ratios, Report, Stage}

  @names Map.new(
           ~w(drop_in open linx busy many callers namespaces rootless program)a,
           &{to_string(&1), &1}
         )

  @doc "An empty string stands for what is not given: all, and every pause."
  def run([built, python, results, mode, only, pause]) do
    {size, parts} = Parts.choose(mode, @names[only], pause(pause))
    stage = Stage.set(built, python, Parts.netnses(size, parts))
    descriptors = Stage.descriptors(stage)
    before = Machine.look()
    measured = measure(parts, stage)
    load = Machine.load(before)
    Stage.flat!(descriptors, stage)

    measured = Map.merge(measured, %{machine: Machine.describe(), load: load})
    measured = Map.put(measured, :ratios, Ratios.all(measured))
    File.write!(results, Json.encode(measured))
    Report.print(measured)
  end

  defp pause(""), do: nil
  defp pause(milliseconds), do: String.to_integer(milliseconds)

  defp measure([], _stage), do: %{}

  defp measure([part | later], stage) do
    seconds = later |> Enum.map(& &1.seconds) |> Enum.sum()
    tell = Progress.teller(part.words, part.rounds, part.seconds, seconds)
    figures = part.run.(stage, tell)
    later |> measure(stage) |> put(part.name, figures)
  end

  defp put(measured, {group, name}, figures),
    do: Map.update(measured, group, %{name => figures}, &Map.put(&1, name, figures))

  defp put(measured, name, figures), do: Map.put(measured, name, figures)
end

Bench.run(System.argv())
