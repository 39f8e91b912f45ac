defmodule Bench.Echo do
  @moduledoc """
  The floor of any port program: one that gives back what it gets (echo.c), behind a GenServer.

  What it gets is a request for a socket, as the port program would.
  """

  use GenServer

  def start_link(executable), do: GenServer.start_link(__MODULE__, executable)

  @doc "One request there and back."
  def ask(echo, path), do: GenServer.call(echo, {:ask, path})

  @doc "Its process."
  def os_pid(echo), do: GenServer.call(echo, :os_pid)

  @impl true
  def init(executable) do
    {:ok, {Port.open({:spawn_executable, executable}, [:binary, packet: 4]), nil}}
  end

  @impl true
  def handle_call({:ask, path}, from, {port, nil}) do
    Port.command(port, :erlang.term_to_binary({1, {:open_in_netns, path, 0}}))
    {:noreply, {port, from}}
  end

  def handle_call(:os_pid, _from, {port, nil}) do
    {:os_pid, os_pid} = Port.info(port, :os_pid)
    {:reply, os_pid, {port, nil}}
  end

  @impl true
  def handle_info({port, {:data, answer}}, {port, from}) do
    GenServer.reply(from, {:ok, answer})
    {:noreply, {port, nil}}
  end
end
