defmodule Linx.Netlink.Port.Test.DoomedBeam do
  @moduledoc "Another BEAM with a port program, to be killed, or ended in other ways."

  import ExUnit.Assertions
  import Linx.Netlink.Port.Test.Helpers

  alias Linx.Netlink.Port.Test.{Fixture, Hanging}

  @enforce_keys [:port, :os_pid, :program, :directory, :temporary]
  defstruct @enforce_keys

  @fixture Path.expand("../fixtures/orphan.exs", __DIR__)
  @patience 60_000

  @typedoc """
  How a BEAM ends: by a signal, or by `System.halt/1`, `System.stop/1` or `:init.stop/1`. Each is called with
  7.
  """
  @type ending() :: :kill | :halt | :stop | :init_stop

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
        # Whoever reads what it says is told its status only when nobody holds its stderr any more.
        :stderr_to_stdout,
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

  @doc """
  Ends it, and waits for its exit status. Returns how many microseconds its port program outlives it; nothing
  else does.
  """
  def finish(%__MODULE__{port: port, os_pid: os_pid, program: program} = beam, ending \\ :kill) do
    descendants = descendants(os_pid)
    assert program in descendants
    status = begin_to_end(beam, ending)
    await_gone(os_pid)
    start = System.monotonic_time(:microsecond)
    await_gone(program)
    time = System.monotonic_time(:microsecond) - start

    assert_receive {^port, {:exit_status, ^status}}, @patience
    Enum.each(descendants, &await_gone/1)
    assert File.ls!(beam.directory) == []
    # Others may have come meanwhile, and a number may be part of another.
    ours = ~r/(?<!\d)(#{os_pid}|#{program})(?!\d)/
    assert Enum.filter(Fixture.temporary() -- beam.temporary, &(&1 =~ ours)) == []
    time
  end

  # Returns the exit status that it will have.
  defp begin_to_end(beam, :kill) do
    signal(beam.os_pid, :KILL)
    137
  end

  defp begin_to_end(beam, ending) do
    true = Port.command(beam.port, "#{ending}\n")
    7
  end
end
