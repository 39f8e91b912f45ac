defmodule Linx.Netlink.Port.FlatTest do
  @moduledoc """
  Nothing is left of what was opened and closed, whoever was killed in between: no descriptor in either
  process, and no namespace.

  `mix test --only flat` does it ten thousand times of each kind, which takes minutes.
  """

  use Linx.Netlink.Port.Test.Case, async: false

  import ExUnit.CaptureLog

  alias Linx.Netlink.Port

  @tcp {:inet, :stream, :tcp}

  @kinds [:socket, :descriptor, :netlink, :opened, :new_system, :new_user]

  for {count, tag} <- [{300, nil}, {10_000, :flat}] do
    @tag timeout: 900_000
    if tag, do: @tag(tag)

    test "#{count} of each kind, and callers and port programs that are killed" do
      server = start_server()

      # The port program keeps the user namespace to which those belong that it makes for its user.
      {:ok, netns} = Port.new_netns(owner: :user, server: server)
      tie = Namespace.tie_descriptor(netns.fd)
      before = Descriptors.count_both(server)
      for kind <- @kinds, _time <- 1..unquote(count), do: use(kind, netns, server)
      Descriptors.await_both(server, before)
      {here, _os_pid, _there} = before

      capture_log(fn ->
        for round <- 1..div(unquote(count), 30) do
          callers =
            for kind <- @kinds do
              spawn_monitor(fn -> for _ <- 1..100, do: attempt(kind, netns, server) end)
            end

          # At whichever moment that is.
          for _time <- 1..rem(round * 7, 50), do: :erlang.yield()
          if rem(round, 5) == 0, do: kill(server)
          for {pid, _monitor} <- callers, do: Process.exit(pid, :kill)

          for {pid, monitor} <- callers,
              do: assert_receive({:DOWN, ^monitor, :process, ^pid, _}, 20_000)
        end
      end)

      Descriptors.settle(server)
      Descriptors.await(here)
      :ok = Port.close_netns(netns)
      Namespace.await_gone(tie)
    end
  end

  # It may be down already, after the last time.
  defp kill(server) do
    with {:ok, info} <- Port.info(server), do: strike(info.program.os_pid, :KILL)
  end

  # What a killed caller has claimed is its own, and nobody's then.
  defp attempt(:descriptor, netns, server), do: attempt(:socket, netns, server)

  defp attempt(kind, netns, server) do
    use(kind, netns, server)
  rescue
    _error in [FunctionClauseError, MatchError] -> :ok
  end

  defp use(:socket, netns, server), do: close_socket(Port.open(netns, @tcp, server: server))
  defp use(:netlink, netns, server), do: close_socket(Port.open(netns, :route, server: server))

  defp use(:descriptor, netns, server) do
    {:ok, fd} = Port.open_descriptor(netns, @tcp, server: server)
    :ok = Port.close_descriptor(fd)
  end

  defp use(:opened, netns, server), do: close_netns(Port.open_netns(netns, server: server))

  defp use(:new_system, _netns, server),
    do: close_netns(Port.new_netns(owner: :system, server: server))

  defp use(:new_user, _netns, server),
    do: close_netns(Port.new_netns(owner: :user, server: server))

  defp close_socket({:ok, socket}), do: :ok = :socket.close(socket)
  defp close_netns({:ok, netns}), do: :ok = Port.close_netns(netns)
end
