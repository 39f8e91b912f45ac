defmodule Linx.Netlink.Port.Descriptor.CloserTest do
  use Linx.Netlink.Port.Test.Case

  alias Linx.Netlink.Port.Descriptor.Closer

  # A descriptor like those that come from the port program: open, and nobody's.
  defp descriptor do
    {:ok, fd} = Linx.Netlink.Port.Native.open_in_netns("/proc/self/ns/net", 0)
    Descriptors.settle()
    fd
  end

  defp open?(fd), do: File.exists?("/proc/self/fd/#{fd}")

  test "closes what has been adopted" do
    closer = Closer.start()
    fds = [descriptor(), descriptor()]
    Closer.watch(closer, [{1, self(), fds}])
    assert Closer.watched(closer) == 2
    Closer.adopted(closer, 1)
    assert Closer.watched(closer) == 0
    refute Enum.any?(fds, &open?/1)
  end

  test "leaves alone what has been claimed" do
    closer = Closer.start()
    fd = descriptor()
    Closer.watch(closer, [{1, self(), [fd]}])
    Closer.claimed(closer, 1)
    assert Closer.watched(closer) == 0
    assert open?(fd)
    Linx.Netlink.Port.Native.close_fd(fd)
  end

  test "closes what was on its way to a caller who died, whenever that was" do
    closer = Closer.start()
    [early, late] = [descriptor(), descriptor()]
    {pid, monitor} = spawn_monitor(fn -> receive do: (:die -> :ok) end)
    Closer.watch(closer, [{1, pid, [early]}])
    assert Closer.watched(closer) == 1
    send(pid, :die)
    assert_receive {:DOWN, ^monitor, :process, ^pid, :normal}, 10_000
    Closer.watch(closer, [{2, pid, [late]}])
    # Its own notice of the death is on its way as the test's was.
    Descriptors.await_closed([early, late], closer)
  end

  test "doesn't close a number twice" do
    closer = Closer.start()
    fd = descriptor()
    Closer.watch(closer, [{1, self(), [fd]}])
    Closer.adopted(closer, 1)
    assert Closer.watched(closer) == 0
    # The lowest free number is given out again.
    again = descriptor()
    assert again == fd
    Closer.adopted(closer, 1)
    Closer.claimed(closer, 1)
    assert Closer.watched(closer) == 0
    assert open?(again)
    Linx.Netlink.Port.Native.close_fd(again)
  end

  for word <- [:adopted, :claimed] do
    test "outlives its server until nothing is left to watch: #{word}" do
      test = self()

      {server, server_monitor} =
        spawn_monitor(fn ->
          send(test, {:closer, Closer.start()})
          receive do: (:die -> :ok)
        end)

      assert_receive {:closer, closer}, 10_000
      monitor = Process.monitor(closer.pid)
      fd = descriptor()
      Closer.watch(closer, [{1, self(), [fd]}])
      send(server, :die)
      assert_receive {:DOWN, ^server_monitor, :process, ^server, :normal}, 10_000
      assert Closer.watched(closer) == 1
      apply(Closer, unquote(word), [closer, 1])
      assert_receive {:DOWN, ^monitor, :process, _pid, :normal}, 10_000
      assert open?(fd) == unquote(word == :claimed)
      if open?(fd), do: Linx.Netlink.Port.Native.close_fd(fd)
    end
  end

  test "closes what several callers have adopted" do
    closer = Closer.start()
    fds = for id <- 1..100, do: {id, descriptor()}
    Closer.watch(closer, for({id, fd} <- fds, do: {id, self(), [fd]}))
    for {id, _fd} <- fds, do: Closer.adopted(closer, id)
    assert Closer.watched(closer) == 0
    refute Enum.any?(fds, fn {_id, fd} -> open?(fd) end)
  end
end
