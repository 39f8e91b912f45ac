defmodule Linx.Netlink.Port.Test.Attempt do
  @moduledoc "A call of a server whose port program does not come up, or is none."

  import ExUnit.{Assertions, CaptureLog}
  import Linx.Netlink.Port.Test.Helpers

  alias Linx.Netlink.Port
  alias Linx.Netlink.Port.Error

  @timeout 1_000

  @doc "How long a call may take, in milliseconds, if nothing else is said."
  def timeout, do: @timeout

  @doc "One call, its error, how long it took, and what the log says about it."
  def call(executable, settings \\ []) do
    server = start_server(Keyword.merge([executable: executable, timeout: @timeout], settings))
    parent = self()

    log =
      capture_log(fn ->
        {time, result} = timed(fn -> Port.open("/proc/self/ns/net", :route, server: server) end)
        send(parent, {:called, time, result})
        # The time of the call may be up a moment before that of the start.
        eventually("nothing is left of it", fn -> :sys.get_state(server).program == nil end)
      end)

    assert_received {:called, time, {:error, %Error{stage: :port} = error}}
    refute listening?()
    %{server: server, error: error, time: time, log: log, lines: log_lines(log)}
  end

  @doc "Whether this BEAM listens at a rendezvous: at an abstract address that nobody has closed."
  def listening? do
    ours =
      for fd <- File.ls!("/proc/self/fd"),
          {:ok, "socket:[" <> inode} <- [File.read_link("/proc/self/fd/#{fd}")],
          do: String.trim_trailing(inode, "]")

    "/proc/net/unix"
    |> File.stream!()
    |> Stream.filter(&(&1 =~ "@linx-netlink-port-"))
    |> Enum.any?(fn line -> line |> String.split() |> Enum.at(6) |> Kernel.in(ours) end)
  end
end
