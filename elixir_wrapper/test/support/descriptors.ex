defmodule Linx.Netlink.Port.Test.Descriptors do
  @moduledoc "Counts open descriptors, as the kernel lists them."

  import ExUnit.Assertions

  alias Linx.Netlink.Port.Descriptor.Closer
  alias Linx.Netlink.Port.Test.Helpers

  @patience 10_000

  @doc "How many this BEAM has open, with the default server's port program running."
  def count do
    {:ok, _info} = Linx.Netlink.Port.info()
    length(list("self"))
  end

  @doc "How many another process has open."
  def count(os_pid), do: length(list(os_pid))

  @doc """
  Waits until this BEAM has no more open than it had.

  What the code under test closes, it has closed when `settle/1` returns. What the BEAM closes for the
  dead (ports, sockets of processes that are gone), it closes a little later, and tells nobody: those
  of an earlier test may have been among the expected.
  """
  def await(expected), do: await("self", fn -> count() end, expected)

  @doc "The same for another process."
  def await(os_pid, expected), do: await(os_pid, fn -> count(os_pid) end, expected)

  @doc "How many this BEAM and a server's port program have open; for `await_both/2`."
  def count_both(server) do
    os_pid = Helpers.os_pid(server)
    {count(), os_pid, count(os_pid)}
  end

  @doc "Waits until both have no more open than they had."
  def await_both(server, {here, os_pid, there}) do
    settle(server)
    await(here)
    await(os_pid, there)
  end

  @doc "Waits until a server has closed whatever it has to close by now."
  def settle(server \\ Linx.Netlink.Port), do: Closer.watched(:sys.get_state(server).closer)

  @doc "Waits until descriptors are closed that a closer will close when it hears of a death."
  def await_closed(fds, closer) do
    0 = Closer.watched(closer) |> await_nothing(closer)
    for fd <- fds, do: refute(File.exists?("/proc/self/fd/#{fd}"))
  end

  defp await_nothing(0, _closer), do: 0
  defp await_nothing(_some, closer), do: closer |> Closer.watched() |> await_nothing(closer)

  defp await(os_pid, count, expected) do
    deadline = System.monotonic_time(:millisecond) + @patience
    await(os_pid, count, expected, deadline)
  end

  defp await(os_pid, count, expected, deadline) do
    now = count.()

    cond do
      now <= expected ->
        :ok

      System.monotonic_time(:millisecond) < deadline ->
        :erlang.yield()
        await(os_pid, count, expected, deadline)

      true ->
        flunk("""
        #{now} descriptors are open, expected at most #{expected}:
        #{os_pid |> targets() |> Enum.frequencies() |> inspect(pretty: true)}
        """)
    end
  end

  defp list(os_pid), do: File.ls!("/proc/#{os_pid}/fd")

  defp targets(os_pid) do
    for fd <- list(os_pid), {:ok, target} <- [File.read_link("/proc/#{os_pid}/fd/#{fd}")] do
      String.replace(target, ~r/\[\d+\]/, "")
    end
  end
end
