defmodule Linx.Netlink.Port.Test.Resident do
  @moduledoc """
  A process of the operating system that stays where a command puts it, and keeps it there: a network
  namespace, say. It ends with the process that started it, however that ends.
  """

  @enforce_keys [:port, :pid]
  defstruct @enforce_keys

  @patience 10_000

  @doc "Starts it with a command that runs another, such as `unshare`, and waits until it is there."
  def start([command | words]) do
    stay = ["/bin/sh", "-c", "echo $$; exec cat >/dev/null"]
    options = [:binary, :exit_status, line: 80, args: words ++ stay]
    port = Port.open({:spawn_executable, System.find_executable(command)}, options)

    receive do
      {^port, {:data, {:eol, line}}} -> %__MODULE__{port: port, pid: String.to_integer(line)}
      {^port, {:exit_status, status}} -> raise "#{command} ended with status #{status}"
    after
      @patience -> raise "#{command} does not get anywhere"
    end
  end
end
