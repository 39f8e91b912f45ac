defmodule Linx.Netlink.Port.Test.Helpers do
  @moduledoc "What several tests do."

  import ExUnit.Assertions
  import ExUnit.Callbacks

  alias Linx.Netlink.Port

  # linux/socket.h.
  @sol_netlink 270

  @patience 20_000
  # Of what builds something first.
  @building 300_000

  @doc "A server of the test's own, with its own port program."
  def start_server(settings \\ []) do
    name = :"server_#{System.unique_integer([:positive])}"
    start_supervised!({Port, [name: name] ++ settings}, id: name)
    name
  end

  @doc "Puts a server with other settings in the place of the default one, until the test is over."
  def replace_default_server(settings) do
    supervisor = Linx.Netlink.Port.Application.Supervisor
    :ok = Supervisor.terminate_child(supervisor, Port)
    on_exit(fn -> {:ok, _pid} = Supervisor.restart_child(supervisor, Port) end)
    start_supervised!({Port, settings}, id: Port)
  end

  @doc "The port program of a server, started if need be."
  def os_pid(server), do: info(server).program.os_pid

  @doc "What the port program and the server have to tell."
  def info(server) do
    {:ok, info} = Port.info(server)
    info
  end

  @doc "Sends a signal to a process of the operating system."
  def signal(os_pid, signal) do
    {_output, 0} = System.cmd("/bin/sh", ["-c", "kill -#{signal} #{os_pid}"])
    :ok
  end

  @doc "The same to one that may be gone by then. Waits until a signal that ends it has."
  def strike(os_pid, :STOP), do: send_signal(os_pid, :STOP)

  def strike(os_pid, signal) do
    eventually("process #{os_pid} is gone", fn ->
      # Again and again: one that is just starting returns from the first SIGSEGV, by Rust's runtime.
      send_signal(os_pid, signal)
      gone?(os_pid)
    end)
  end

  defp send_signal(os_pid, signal) do
    System.cmd("/bin/sh", ["-c", "kill -#{signal} #{os_pid}"], stderr_to_stdout: true)
    :ok
  end

  @doc "What a netlink socket has as an option of SOL_NETLINK: a number."
  def netlink_option(socket, number) do
    {:ok, <<value::native-32, _rest::binary>>} =
      :socket.getopt_native(socket, {@sol_netlink, number}, 8)

    value
  end

  @doc "Starts 500 processes, one after the other, and kills each at another moment."
  def kill_500(fun) do
    for number <- 1..500 do
      {pid, monitor} = spawn_monitor(fun)
      # The later, the more often it has yielded.
      for _turn <- 0..rem(number, 50), do: :erlang.yield()
      Process.exit(pid, :kill)
      assert_receive {:DOWN, ^monitor, :process, ^pid, :killed}, @patience
    end
  end

  @doc "Waits until something holds that nobody tells of."
  def eventually(what, fun, deadline \\ System.monotonic_time(:millisecond) + @patience) do
    cond do
      fun.() -> :ok
      System.monotonic_time(:millisecond) > deadline -> flunk("in vain: #{what}")
      true -> :erlang.yield() && eventually(what, fun, deadline)
    end
  end

  @doc "Stops a process, and waits until each of its threads has been."
  def stop(os_pid) do
    signal(os_pid, :STOP)
    await_stopped(os_pid)
  end

  @doc "Waits until each of its threads has been stopped."
  def await_stopped(os_pid) do
    eventually("process #{os_pid} is stopped", fn ->
      os_pid |> threads() |> Enum.all?(&stopped?/1)
    end)
  end

  defp threads(os_pid), do: Path.wildcard("/proc/#{os_pid}/task/*/stat")

  # A thread that has ended in between needs no stopping.
  defp stopped?(path) do
    case File.read(path) do
      {:ok, stat} -> stat =~ ~r/\) [TZX]/
      {:error, _reason} -> true
    end
  end

  @doc "Kills a server's port program, and waits until the server knows."
  def kill_program(server) do
    program = :sys.get_state(server).program
    monitor = Elixir.Port.monitor(program.port)
    signal(program.process.pid, :KILL)
    assert_receive {:DOWN, ^monitor, :port, _port, _reason}, @patience
    # What the server got before the port was closed, it has dealt with.
    assert :sys.get_state(server).program == nil
    :ok
  end

  @doc "Waits until a process of the operating system is gone. Nothing tells; the kernel must be asked."
  def await_gone(os_pid) do
    eventually("process #{os_pid} is gone", fn -> gone?(os_pid) end)
  end

  @doc "Whether it has ended. One that is only waited for by its parent has."
  def gone?(os_pid) do
    case File.read("/proc/#{os_pid}/stat") do
      {:ok, stat} -> stat =~ ~r/\) Z/
      {:error, _reason} -> true
    end
  end

  @doc "Waits until a port has said this. Returns all that it has said by then."
  def await_output(port, expected, output \\ "") do
    if output =~ expected do
      output
    else
      assert_receive {^port, message}, @building

      case message do
        {:data, data} -> await_output(port, expected, output <> data)
        {:exit_status, _status} -> flunk("it ended, having said only #{output}")
      end
    end
  end

  @doc "The processes that a process has started, and those that they have."
  def descendants(os_pid) do
    children = for {child, ^os_pid} <- parents(), do: child
    children ++ Enum.flat_map(children, &descendants/1)
  end

  @doc "The port programs of this BEAM's servers."
  def port_programs do
    for os_pid <- descendants(System.pid()),
        {:ok, command} <- [File.read("/proc/#{os_pid}/cmdline")],
        command =~ "--rendezvous",
        do: os_pid
  end

  defp parents do
    for path <- Path.wildcard("/proc/[0-9]*/status"),
        {:ok, status} <- [File.read(path)],
        [_line, parent] <- [Regex.run(~r/^PPid:\s*(\d+)$/m, status)],
        do: {path |> Path.dirname() |> Path.basename(), parent}
  end

  @doc "What was logged of port programs, line by line."
  def log_lines(log), do: log |> String.split("\n") |> Enum.filter(&(&1 =~ "port program"))

  @doc "Runs a function in a process of its own, and tells how it ended."
  def spawn_caller(fun) do
    test = self()
    spawn_monitor(fn -> send(test, {:result, self(), fun.()}) end)
  end

  @doc "What callers have to tell, all of whom end well; in so many milliseconds each, at most."
  def results(callers, patience \\ @patience) do
    for {pid, monitor} <- callers do
      assert_receive {:result, ^pid, result}, patience
      assert_receive {:DOWN, ^monitor, :process, ^pid, :normal}, @patience
      result
    end
  end

  @doc """
  Waits until a server has so many requests in flight. Asking it is what gives it time to get there.
  """
  def await_in_flight(server, count) do
    eventually("#{count} requests are in flight", fn ->
      map_size(:sys.get_state(server).requests.table) == count
    end)
  end

  @doc "How long a function takes, in milliseconds, and what it returns."
  def timed(fun) do
    {microseconds, result} = :timer.tc(fun)
    {div(microseconds, 1000), result}
  end
end
