defmodule Linx.Netlink.Port.Test.Map.Sources do
  @moduledoc """
  Who uses whom, by the modules that are named in the sources, types too.

  A room is a file or a folder of `lib/linx/netlink/port`, with the file beside it that has its name; or, above
  that, of `lib/linx/netlink`, or of `lib`.
  """

  @tops ["lib/linx/netlink/port/", "lib/linx/netlink/", "lib/"]

  @typedoc "A file, and one that it uses."
  @type pair() :: {Path.t(), Path.t()}

  @typedoc "Who uses whom among neighbours, and a pair of files that shows it."
  @type arrows() :: %{optional({String.t(), String.t()}) => pair()}

  @doc "Every file of the wrapper."
  @spec files() :: [Path.t(), ...]
  def files, do: Path.wildcard("lib/**/*.ex")

  @doc "The room that a file is in."
  @spec room(Path.t()) :: String.t()
  def room(file), do: file |> names() |> hd()

  @doc "What a file is called in its room. The one beside the folder has the room's name."
  @spec name(Path.t()) :: String.t()
  def name(file), do: file |> names() |> tl() |> Enum.join("/") |> default(room(file))

  defp default("", name), do: name
  defp default(name, _room), do: name

  defp names(file) do
    top = Enum.find(@tops, &String.starts_with?(file, &1))
    file |> String.replace_prefix(top, "") |> Path.rootname() |> Path.split()
  end

  @doc "Every file with every other that it names."
  @spec uses() :: [pair()]
  def uses do
    trees =
      for file <- files(),
          do: {file, file |> File.read!() |> Code.string_to_quoted!() |> one_by_one()}

    home = for {file, tree} <- trees, module <- modules(tree), into: %{}, do: {module, file}

    for {file, tree} <- trees,
        module <- named(tree),
        used = home[module],
        used not in [nil, file],
        uniq: true,
        do: {file, used}
  end

  @doc "The arrows between the rooms."
  @spec between_rooms([pair()]) :: arrows()
  def between_rooms(uses),
    do: for({a, b} = use <- uses, room(a) != room(b), into: %{}, do: {{room(a), room(b)}, use})

  @doc "The arrows between the modules of a room."
  @spec inside([pair()], String.t()) :: arrows()
  def inside(uses, room) do
    for {a, b} = use <- uses, room(a) == room, room(b) == room, into: %{} do
      {{name(a), name(b)}, use}
    end
  end

  defp modules(tree) do
    collect(tree, fn
      {:defmodule, _meta, [{:__aliases__, _, names} | _body]} -> [names]
      _other -> []
    end)
  end

  # An alias of several as several aliases.
  defp one_by_one(tree) do
    Macro.prewalk(tree, fn
      {:alias, meta, [{{:., _, [{:__aliases__, _, group}, :{}]}, _, members}]} ->
        each =
          for {:__aliases__, _, names} <- members,
              do: {:alias, meta, [{:__aliases__, meta, group ++ names}]}

        {:__block__, meta, each}

      other ->
        other
    end)
  end

  # By their full names, whatever they are called here.
  defp named(tree) do
    aliases = tree |> collect(&called/1) |> Map.new()

    collect(tree, fn
      {:__aliases__, _meta, [first | rest]} -> [Map.get(aliases, first, [first]) ++ rest]
      _other -> []
    end)
  end

  defp called({:alias, _meta, [{:__aliases__, _, names}]}), do: [{List.last(names), names}]

  defp called({:alias, _meta, [{:__aliases__, _, names}, [as: {:__aliases__, _, [as]}]]}),
    do: [{as, names}]

  defp called(_other), do: []

  defp collect(tree, fun) do
    {_tree, found} = Macro.prewalk(tree, [], fn node, found -> {node, fun.(node) ++ found} end)
    found
  end
end
