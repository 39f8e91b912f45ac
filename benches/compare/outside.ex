defmodule Bench.Outside do
  @moduledoc "A program that measures for itself: it reads a command, and answers with numbers."

  @patience 600_000

  def start(command, args) do
    Port.open({:spawn_executable, command}, [:binary, :exit_status, {:line, 65_536}, args: args])
  end

  def ask(port, command) do
    Port.command(port, [command, "\n"])
    hear(port)
  end

  @doc "The numbers of a line."
  def hear(port) do
    port |> line("") |> String.split() |> Enum.map(&String.to_integer/1)
  end

  defp line(port, so_far) do
    receive do
      {^port, {:data, {:eol, rest}}} -> so_far <> rest
      {^port, {:data, {:noeol, part}}} -> line(port, so_far <> part)
      {^port, {:exit_status, status}} -> raise "#{inspect(Port.info(port))} ended: #{status}"
    after
      @patience -> raise "no answer from #{inspect(Port.info(port))}"
    end
  end
end
