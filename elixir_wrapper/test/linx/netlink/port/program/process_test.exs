defmodule Linx.Netlink.Port.Program.ProcessTest do
  use Linx.Netlink.Port.Test.Case, async: false

  import ExUnit.CaptureLog

  alias Linx.Netlink.Port.Program.Process, as: OSProcess

  @patience 30_000

  test "one that can't be killed is told of, and others are killed meanwhile" do
    # Nothing in its own namespace can kill process 1, pid_namespaces(7). And nobody waits for the shell's child:
    # it is gone all the same.
    script = "sleep 1000 & echo $!; exec sleep 1000"
    parent = Port.open({:spawn_executable, "/bin/sh"}, [:binary, line: 100, args: ["-c", script]])
    assert_receive {^parent, {:data, {:eol, child}}}, @patience
    {:os_pid, parent} = Port.info(parent, :os_pid)
    processes = for pid <- [1, String.to_integer(child), parent], do: OSProcess.identify(pid)

    log =
      capture_log(fn ->
        kill_and_wait(Enum.take(processes, 2), fn -> await_gone(child) end)
      end)

    assert log =~ "process 1 was to be killed, and is still there"
    refute log =~ "process #{child} "
    kill_and_wait(Enum.drop(processes, 2))
  end

  # Those who do it belong to no application.
  defp kill_and_wait(processes, meanwhile \\ fn -> :ok end) do
    before = Process.list()
    :ok = OSProcess.kill(processes)
    init = Process.whereis(:init)

    monitors =
      for pid <- Process.list() -- before,
          Process.info(pid, :group_leader) == {:group_leader, init},
          do: Process.monitor(pid)

    meanwhile.()
    for monitor <- monitors, do: assert_receive({:DOWN, ^monitor, _, _, _}, @patience)
  end
end
