defmodule Linx.Netlink.Port.Test.Beam do
  @moduledoc """
  Another BEAM, with other privileges. It is talked to over its standard input and output, and ends when
  they do.
  """

  alias Linx.Netlink.Port.Test.Machine

  @patience 30_000

  @doc """
  Starts it on a machine, with a command for a shell there, and the application in it with this
  configuration. It lives as long as the calling process.
  """
  def start(machine, command, config \\ []) do
    [executable | words] =
      Machine.inside(machine, ["/bin/sh", "-c", "cd /; exec #{command} \"$@\"", "sh"])

    {:ok, beam, _node} =
      :peer.start_link(%{
        connection: :standard_io,
        exec: {String.to_charlist(System.find_executable(executable)), charlists(words)},
        wait_boot: @patience
      })

    :ok = call(beam, Application, :put_all_env, [[{:logger, level: :none} | config]])
    {:ok, _applications} = call(beam, Application, :ensure_all_started, [:linx_netlink_port])
    beam
  end

  @doc "Calls a function there."
  def call(beam, module, function, arguments),
    do: :peer.call(beam, module, function, arguments, @patience)

  @doc "Ends it from outside, without a chance for it to do anything about it."
  def kill(beam) do
    os_pid = call(beam, System, :pid, [])

    await_end(beam, fn ->
      {_output, 0} = System.cmd("/bin/sh", ["-c", "kill -KILL #{os_pid}"])
    end)
  end

  @doc "Has it end itself by a function of one argument, the status."
  def finish(beam, module, function) do
    await_end(beam, fn -> :peer.cast(beam, module, function, [0]) end)
  end

  defp await_end(beam, finish) do
    Process.unlink(beam)
    monitor = Process.monitor(beam)
    finish.()

    receive do
      {:DOWN, ^monitor, :process, ^beam, _reason} -> :ok
    after
      @patience -> raise "the BEAM is still there"
    end
  end

  defp charlists(words), do: Enum.map(words, &String.to_charlist/1)
end
