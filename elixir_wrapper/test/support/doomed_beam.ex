defmodule Linx.Netlink.Port.Test.DoomedBeam do
  @moduledoc "Another BEAM with a port program, to be killed."

  import ExUnit.Assertions
  import Linx.Netlink.Port.Test.Helpers

  alias Linx.Netlink.Port.Test.{Fixture, Hanging}

  @enforce_keys [:port, :os_pid, :program, :directory, :temporary]
  defstruct @enforce_keys

  @fixture Path.expand("../fixtures/orphan.exs", __DIR__)
  @patience 60_000

  @doc """
  Starts one that opens a socket in a namespace, and waits for files that hang. It puts its own files, if
  it has any, into a directory.
  """
  def start(namespace, hanging, directory) do
    ebin = Application.app_dir(:linx_netlink_port, "ebin")
    temporary = Fixture.temporary()

    port =
      Port.open({:spawn_executable, System.find_executable("elixir")}, [
        :binary,
        :exit_status,
        line: 1_000,
        env: [{~c"TMPDIR", to_charlist(directory)}],
        args: ["-pa", ebin, @fixture, namespace.path | hanging]
      ])

    assert_receive {^port, {:data, {:eol, line}}}, @patience
    [os_pid, program] = String.split(line)
    Hanging.await_threads(program, length(hanging))

    %__MODULE__{
      port: port,
      os_pid: os_pid,
      program: program,
      directory: directory,
      temporary: temporary
    }
  end

  @doc "Kills it. Returns how many microseconds its port program outlives it; nothing else does."
  def kill(%__MODULE__{port: port, os_pid: os_pid, program: program} = beam) do
    descendants = descendants(os_pid)
    assert program in descendants
    start = System.monotonic_time(:microsecond)
    signal(os_pid, :KILL)
    await_gone(program)
    time = System.monotonic_time(:microsecond) - start

    assert_receive {^port, {:exit_status, 137}}, @patience
    Enum.each(descendants, &await_gone/1)
    assert File.ls!(beam.directory) == []
    # Others may have come meanwhile, and a number may be part of another.
    ours = ~r/(?<!\d)(#{os_pid}|#{program})(?!\d)/
    assert Enum.filter(Fixture.temporary() -- beam.temporary, &(&1 =~ ours)) == []
    time
  end
end
