defmodule LinxTest do
  @moduledoc "What Linx promises, whoever serves it. `port_program` is what only the port program is tried with."

  use ExUnit.Case, async: false

  alias Linx.Netlink.{Monitor, Port, Socket}

  @newlink 16

  setup do
    name = "lnp-linx-#{System.pid()}-#{System.unique_integer([:positive])}"
    ip(["netns", "add", name])
    on_exit(fn -> System.cmd("ip", ["netns", "del", name], stderr_to_stdout: true) end)
    %{name: name, path: "/run/netns/" <> name}
  end

  defp ip(args), do: {_output, 0} = System.cmd("ip", args)

  # SO_NETNS_COOKIE
  defp cookie(%Socket{socket: socket}) do
    {:ok, cookie} = :socket.getopt_native(socket, {1, 71}, 8)
    cookie
  end

  defp bound?(%Socket{socket: socket}) do
    {:ok, %{addr: <<_pad::16, port::native-32, _groups::32>>}} = :socket.sockname(socket)
    port != 0
  end

  # A process in the namespace, that ends with this BEAM's end of its input.
  defp inside(name) do
    port =
      Elixir.Port.open({:spawn, "ip netns exec #{name} sh -c 'echo $$; exec cat'"}, [:binary])

    assert_receive {^port, {:data, pid}}, 5_000
    {port, pid |> String.trim() |> String.to_integer()}
  end

  test ":host, {:path, path} and {:pid, pid} are where they should be, and bound", context do
    {port, pid} = inside(context.name)
    {:ok, host} = Socket.open(:host, 0)
    {:ok, by_path} = Socket.open({:path, context.path}, 0)
    {:ok, by_pid} = Socket.open({:pid, pid}, 0)
    assert Enum.all?([host, by_path, by_pid], &bound?/1)
    assert cookie(by_path) == cookie(by_pid)
    refute cookie(by_path) == cookie(host)
    for socket <- [host, by_path, by_pid], do: :ok = Socket.close(socket)
    Elixir.Port.close(port)
  end

  test "every protocol that Linx uses can be had", context do
    for protocol <- [0, 12, 16],
        do: assert({:ok, _} = Socket.open({:path, context.path}, protocol))
  end

  test "errors are those of the NIF", context do
    assert {:error, {:open, 2}} = Socket.open({:path, context.path <> "-none"}, 0)
    assert {:error, {:setns, 22}} = Socket.open({:path, "/etc/passwd"}, 0)
    assert {:error, {:socket, 93}} = Socket.open({:path, context.path}, 99)
    assert {:error, {:open, 2}} = Socket.open({:pid, 0x7FFFFFFF}, 0)
  end

  test "a monitor is told what happens in its namespace, and not elsewhere", context do
    {:ok, here} = Monitor.start_link({:path, context.path}, self())
    {:ok, there} = Monitor.start_link(:host, self())
    ip(["-n", context.name, "link", "add", "br0", "type", "bridge"])
    assert_receive {:netlink, ^here, @newlink}, 5_000
    refute_received {:netlink, ^there, _type}
  end

  test "a monitor that can't be had is an error of its start", context do
    Process.flag(:trap_exit, true)
    assert {:error, {:open, 2}} = Monitor.start_link({:path, context.path <> "-none"}, self())
  end

  @tag :port_program
  test "init/1 works while the port program is being started again", context do
    for _round <- 1..5 do
      {:ok, %{program: %{os_pid: os_pid}}} = Port.info()
      {_output, 0} = System.cmd("/bin/sh", ["-c", "kill -KILL #{os_pid}"])
      assert {:ok, monitor} = Monitor.start_link({:path, context.path}, self())
      GenServer.stop(monitor)
    end
  end

  @tag :port_program
  test "init/1 works, or fails with an error, while the server is being restarted", context do
    Process.flag(:trap_exit, true)
    server = Process.whereis(Port)
    monitor = Process.monitor(server)
    Process.exit(server, :kill)

    case Monitor.start_link({:path, context.path}, self()) do
      {:ok, pid} -> GenServer.stop(pid)
      {:error, reason} -> assert reason == {:port, 32}
    end

    assert_receive {:DOWN, ^monitor, :process, ^server, :killed}, 5_000
    await_server()
    assert {:ok, pid} = Monitor.start_link({:path, context.path}, self())
    GenServer.stop(pid)
  end

  # Its supervisor starts it before it answers anybody.
  defp await_server do
    Supervisor.which_children(Linx.Netlink.Port.Application.Supervisor)
    assert is_pid(Process.whereis(Port))
  end
end
