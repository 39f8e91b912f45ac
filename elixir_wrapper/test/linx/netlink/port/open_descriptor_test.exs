defmodule Linx.Netlink.Port.OpenDescriptorTest do
  @moduledoc "A plain descriptor, for `:gen_tcp` and `:gen_udp`: who closes it, and when."

  use Linx.Netlink.Port.Test.Case

  alias Linx.Netlink.Port

  # More bytes than the kernel keeps for a peer that doesn't read.
  @much 20_000_000
  @bind [bind: %{family: :inet, addr: :any, port: 0}]

  defp socket?(fd), do: match?({:ok, "socket:" <> _}, File.read_link("/proc/self/fd/#{fd}"))

  defp await_closed(fd), do: eventually("#{fd} is closed", fn -> not socket?(fd) end)

  defp netns do
    {:ok, netns} = Port.new_netns()
    netns
  end

  for netns <- [:new, :host], backend <- [:inet, :socket] do
    @tag netns: netns, backend: backend
    test ":gen_udp of #{backend} does not close it (#{netns}): close_descriptor/2 does, after it",
         it do
      netns = if it.netns == :host, do: :host, else: netns()
      {:ok, fd} = Port.open_descriptor(netns, {:inet, :dgram, :udp}, @bind)
      {:ok, socket} = :gen_udp.open(0, inet_backend: it.backend, fd: fd)
      :ok = :gen_udp.close(socket)
      assert socket?(fd)
      {:ok, socket} = :gen_udp.open(0, inet_backend: it.backend, fd: fd)
      assert :ok = Port.close_descriptor(fd, socket)
      assert {:ok, {_any, port}} = :inet.sockname(socket)
      assert port > 0
      assert socket?(fd)
      :ok = :gen_udp.close(socket)
      await_closed(fd)
    end

    @tag netns: netns, backend: backend
    test ":gen_tcp of #{backend} neither (#{netns}), and it is closed when its owner dies", it do
      netns = if it.netns == :host, do: :host, else: netns()
      test = self()

      {owner, monitor} =
        spawn_monitor(fn ->
          {:ok, fd} = Port.open_descriptor(netns, {:inet, :stream, :tcp}, @bind ++ [listen: 1])
          {:ok, socket} = :gen_tcp.listen(0, inet_backend: it.backend, fd: fd)
          :ok = Port.close_descriptor(fd, socket)
          send(test, {:listens, fd})
          receive do: (:never -> socket)
        end)

      assert_receive {:listens, fd}, 10_000
      assert socket?(fd)
      Process.exit(owner, :kill)
      assert_receive {:DOWN, ^monitor, :process, ^owner, :killed}, 10_000
      await_closed(fd)
    end
  end

  test "one that nothing uses is closed at once" do
    {:ok, fd} = Port.open_descriptor(:host, {:inet, :dgram, :udp})
    assert :ok = Port.close_descriptor(fd)
    refute socket?(fd)
  end

  test "a socket that is closed already closes it soon" do
    {:ok, fd} = Port.open_descriptor(:host, {:inet, :dgram, :udp}, @bind)
    {:ok, socket} = :gen_udp.open(0, fd: fd)
    :ok = :gen_udp.close(socket)
    :ok = Port.close_descriptor(fd, socket)
    await_closed(fd)
  end

  for way <- [:return, :shutdown, :kill] do
    @tag way: way
    test "what a peer has not taken yet is sent first, when the owner ends (#{way})", %{way: way} do
      {:ok, listener} = :gen_tcp.listen(0, [:binary, active: false, ip: {127, 0, 0, 1}])
      {:ok, port} = :inet.port(listener)
      test = self()

      {owner, monitor} =
        spawn_monitor(fn ->
          {:ok, fd} = Port.open_descriptor(:host, {:inet, :stream, :tcp})
          options = [:binary, active: false, fd: fd, high_watermark: 2 * @much]
          {:ok, socket} = :gen_tcp.connect({127, 0, 0, 1}, port, options)
          :ok = Port.close_descriptor(fd, socket)
          :ok = :gen_tcp.send(socket, :binary.copy("x", @much))
          send(test, {:sent, fd})
          if way != :return, do: Process.exit(self(), way)
        end)

      {:ok, accepted} = :gen_tcp.accept(listener, 10_000)
      assert_receive {:DOWN, ^monitor, :process, ^owner, _reason}, 10_000
      assert_received {:sent, fd}
      assert {:ok, _all} = :gen_tcp.recv(accepted, @much, 60_000)
      assert {:error, :closed} = :gen_tcp.recv(accepted, 0, 10_000)
      await_closed(fd)
      Enum.each([accepted, listener], &:gen_tcp.close/1)
    end
  end

  test "an error is the one of open/3" do
    {:error, error} = Port.open_descriptor("/there/is/none", {:inet, :dgram, :udp})
    assert {error.stage, error.errno} == {:open, :enoent}
    {:error, error} = Port.open_descriptor(:host, {:inet, :dgram, 99})
    assert {error.stage, error.errno} == {:socket, :eprotonosupport}
  end
end
