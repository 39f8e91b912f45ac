defmodule Bench.Stage do
  @moduledoc "What all parts of a run use: namespaces, and programs to compare with."

  alias Bench.{Echo, Netnses, Nif, Outside, Way}
  alias Linx.Netlink.Port

  @few 8

  @enforce_keys [:netnses, :few, :outside, :wire, :echo, :home]
  defstruct @enforce_keys

  @doc """
  `built` is the folder with what was built for it, `python` the one that has pyroute2, which is not
  there for a single comparison.
  """
  def set(built, python, count) do
    Nif.load!(Path.join(built, "nif.so"))
    {:ok, info} = Port.info()
    floor = Path.join(built, "floor")
    netnses = Netnses.make(count, floor)
    few = Enum.take(netnses, @few)
    paths = Enum.map(few, & &1.path)
    [program | words] = wire = [Path.join(built, "wire"), info.server.executable]
    {:ok, echo} = Echo.start_link(Path.join(built, "echo"))

    %__MODULE__{
      netnses: netnses,
      few: few,
      wire: wire,
      echo: echo,
      home: Way.cookie_here(),
      outside: %{
        floor: Outside.start(floor, paths),
        pyroute2: File.exists?(python) && start_pyroute2(python, paths),
        wire: Outside.start(program, words ++ paths)
      }
    }
  end

  defp start_pyroute2(python, paths),
    do: Outside.start(python, [Path.join(__DIR__, "pyroute2_open.py") | paths])

  @doc "How many descriptors everybody has open who opens some. Nothing that is measured may change it."
  def descriptors(stage) do
    {:ok, info} = Port.info()
    # It waits a moment: a thread that has answered may not have closed everything yet.
    [client, program] = Outside.ask(stage.outside.wire, "descriptors")

    %{
      beam: Nif.descriptors(),
      program: length(File.ls!("/proc/#{info.program.os_pid}/fd")),
      wire_client: client,
      wire_program: program
    }
  end

  @doc "Fails if it has changed."
  def flat!(before, stage) do
    case descriptors(stage) do
      ^before -> :ok
      now -> raise "descriptors leaked: #{inspect(before)} became #{inspect(now)}"
    end
  end
end
