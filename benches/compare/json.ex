defmodule Bench.Json do
  @moduledoc "As much JSON as results need; the oldest OTP that is supported has none."

  def encode(value), do: IO.iodata_to_binary([value(value, "\n"), "\n"])

  defp value(map, indent) when is_map(map) do
    deeper = indent <> "  "

    pairs =
      for {key, value} <- Enum.sort(map),
          do: [deeper, value(to_string(key), deeper), ": ", value(value, deeper)]

    ["{", Enum.intersperse(pairs, ","), indent, "}"]
  end

  defp value(list, indent) when is_list(list),
    do: ["[", list |> Enum.map(&value(&1, indent)) |> Enum.intersperse(", "), "]"]

  defp value(nil, _indent), do: "null"
  defp value(atom, indent) when is_atom(atom), do: value(to_string(atom), indent)

  defp value(number, _indent) when is_number(number), do: to_string(number)

  defp value(text, _indent) when is_binary(text),
    do: [?", String.replace(text, ~w(\\ "), &("\\" <> &1)), ?"]
end
