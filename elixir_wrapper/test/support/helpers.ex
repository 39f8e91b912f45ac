defmodule Linx.Netlink.Port.Test.Helpers do
  @moduledoc "What several tests do."

  import ExUnit.Assertions
  import ExUnit.Callbacks

  alias Linx.Netlink.Port

  @patience 10_000

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
  def os_pid(server) do
    {:ok, info} = Port.info(server)
    info.program.os_pid
  end

  @doc "Sends a signal to a process of the operating system."
  def signal(os_pid, signal) do
    {_output, 0} = System.cmd("/bin/sh", ["-c", "kill -#{signal} #{os_pid}"])
    :ok
  end

  @doc "Stops a process, and waits until each of its threads has been."
  def stop(os_pid) do
    signal(os_pid, :STOP)
    await_stopped(os_pid, System.monotonic_time(:millisecond) + @patience)
  end

  defp await_stopped(os_pid, deadline) do
    cond do
      os_pid |> threads() |> Enum.all?(&stopped?/1) -> :ok
      System.monotonic_time(:millisecond) > deadline -> flunk("process #{os_pid} doesn't stop")
      true -> :erlang.yield() && await_stopped(os_pid, deadline)
    end
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
  def await_gone(os_pid), do: await_gone(os_pid, System.monotonic_time(:millisecond) + @patience)

  defp await_gone(os_pid, deadline) do
    cond do
      gone?(os_pid) -> :ok
      System.monotonic_time(:millisecond) > deadline -> flunk("process #{os_pid} is still there")
      true -> :erlang.yield() && await_gone(os_pid, deadline)
    end
  end

  # One that has ended and is only waited for by its parent is gone.
  defp gone?(os_pid) do
    case File.read("/proc/#{os_pid}/stat") do
      {:ok, stat} -> stat =~ ~r/\) Z/
      {:error, _reason} -> true
    end
  end

  @doc "Runs a function in a process of its own, and tells how it ended."
  def spawn_caller(fun) do
    test = self()
    spawn_monitor(fn -> send(test, {:result, self(), fun.()}) end)
  end

  @doc """
  Waits until a server has so many requests in flight. Asking it is what gives it time to get there.
  """
  def await_in_flight(server, count, deadline \\ System.monotonic_time(:millisecond) + @patience) do
    in_flight = map_size(:sys.get_state(server).requests.table)

    cond do
      in_flight == count -> :ok
      System.monotonic_time(:millisecond) > deadline -> flunk("#{in_flight} are in flight")
      true -> await_in_flight(server, count, deadline)
    end
  end

  @doc "How long a function takes, in milliseconds, and what it returns."
  def timed(fun) do
    {microseconds, result} = :timer.tc(fun)
    {div(microseconds, 1000), result}
  end
end
