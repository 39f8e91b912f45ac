defmodule Linx.Netlink.Port.Test.Document do
  @moduledoc "The pages of the project, and the code in them, for tests that do what they say."

  @repository Path.expand("../../..", __DIR__)

  def path(name), do: Path.join(@repository, name)

  def read!(name), do: name |> path() |> File.read!()

  @doc "A section of a page: what stands below the heading that begins so, up to the next one."
  def section!(name, heading) do
    [_before | sections] = name |> read!() |> String.split(~r/^## /m)
    [section] = Enum.filter(sections, &String.starts_with?(&1, heading))
    section
  end

  @doc "The blocks of code in a language."
  def code(text, language) do
    for [code] <- Regex.scan(~r/^```#{language}\n(.*?)^```$/ms, text, capture: :all_but_first),
        do: code
  end
end
