defmodule Linx.Netlink.Port.Test.Unit do
  @moduledoc """
  A unit of systemd, as far as privileges go: what systemd would do, done by `setpriv`. There is no
  systemd to do it in a container or on many machines that run tests.
  """

  @doc "The words that start the unit's command as it says; later texts add to earlier ones."
  def command(texts) do
    settings = texts |> Enum.join("\n") |> settings()
    last = fn key -> settings |> Map.fetch!(key) |> List.last() end

    Enum.join(
      [
        "setpriv --reset-env --reuid=#{last.("User")} --regid=#{last.("User")}",
        "--groups=#{Enum.join(settings["SupplementaryGroups"], ",")}",
        "--inh-caps=#{capabilities(settings["AmbientCapabilities"])}",
        "--ambient-caps=#{capabilities(settings["AmbientCapabilities"])}",
        "--bounding-set=#{capabilities(settings["CapabilityBoundingSet"])}",
        if(last.("NoNewPrivileges") == "yes", do: "--no-new-privs", else: ""),
        last.("ExecStart")
      ],
      " "
    )
  end

  @doc "The settings of a unit: all values of each key, in their order."
  def settings(text) do
    for [key, value] <- Regex.scan(~r/^(\w+)=(.*)$/m, text, capture: :all_but_first),
        reduce: %{} do
      settings -> Map.update(settings, key, [value], &(&1 ++ [value]))
    end
  end

  defp capabilities(values) do
    names = values |> Enum.flat_map(&String.split/1) |> Enum.map(&String.downcase/1)
    Enum.join(["-all" | Enum.map(names, &String.replace_prefix(&1, "cap_", "+"))], ",")
  end
end
