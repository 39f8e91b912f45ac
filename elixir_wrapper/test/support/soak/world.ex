defmodule Linx.Netlink.Port.Test.Soak.World do
  @moduledoc """
  What a soak takes place in: a server, namespaces, and files that hang.

  The seed of each process that acts at random comes from the one of the soak, so that it does the same
  again; not at the same moment, of course.
  """

  alias Linx.Netlink.Port.Test.{Fixture, Namespace}
  alias Linx.Netlink.Port.Test.Soak.Tally

  @enforce_keys [:seed, :namespaces, :directory, :flags]
  defstruct @enforce_keys

  @namespaces 4
  # The moods of the world.
  @calm 1
  @over 2

  def new(seed) do
    namespaces =
      for _number <- 1..@namespaces do
        namespace = Namespace.add()
        {namespace, Namespace.tie(namespace)}
      end

    %__MODULE__{
      seed: seed,
      namespaces: namespaces,
      directory: Fixture.make_directory(),
      flags: :atomics.new(2, [])
    }
  end

  @doc "Seeds the calling process, which acts under this number."
  def seed(world, number), do: :rand.seed(:exsss, {world.seed, number, 0})

  def random_namespace(world) do
    {namespace, _tie} = Enum.random(world.namespaces)
    namespace
  end

  @doc "A path whose lookup hangs, or of nothing, where it has just been let go."
  def hanging_path(_world) do
    case :persistent_term.get(__MODULE__, nil) do
      nil -> "/there/is/none"
      path -> path
    end
  end

  def hangs_at(path), do: :persistent_term.put(__MODULE__, path)

  def calm_down(world), do: :atomics.put(world.flags, @calm, 1)
  def calm?(world), do: :atomics.get(world.flags, @calm) == 1
  def finish(world), do: :atomics.put(world.flags, @over, 1)
  def over?(world), do: :atomics.get(world.flags, @over) == 1

  @doc "Removes it all, and notes if a namespace is kept alive by anything."
  def remove(world) do
    for {namespace, _tie} <- world.namespaces, do: Namespace.remove(namespace)
    File.rm_rf!(world.directory)
    for {_namespace, tie} <- world.namespaces, do: await_gone(tie)
  end

  defp await_gone(tie) do
    Namespace.await_gone(tie)
  rescue
    _error in ExUnit.AssertionError -> Tally.broken("a namespace is kept alive")
  end
end
