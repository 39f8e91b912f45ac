defmodule Linx.Netlink.PortTest do
  use Linx.Netlink.Port.Test.Case

  alias Linx.Netlink.Port
  alias Linx.Netlink.Port.Error

  @sol_socket 1

  defp buffer(socket, number) do
    {:ok, <<size::native-32>>} = :socket.getopt_native(socket, {@sol_socket, number}, 4)
    size
  end

  # A process in a namespace of its own, that ends with its input.
  defp process_in(namespace) do
    port =
      Elixir.Port.open({:spawn_executable, System.find_executable("ip")}, [
        :binary,
        args: ["netns", "exec", namespace.name, "sh", "-c", "echo in; exec cat"]
      ])

    assert_receive {^port, {:data, "in\n"}}, 10_000
    {:os_pid, os_pid} = Elixir.Port.info(port, :os_pid)
    os_pid
  end

  describe "open/3 opens a socket" do
    test "in the namespace of a name" do
      namespace = Namespace.create()
      {:ok, socket} = Port.open({:name, namespace.name}, :route)
      Namespace.assert_inside(socket, namespace)
    end

    test "in the namespace of a path" do
      namespace = Namespace.create()
      {:ok, socket} = Port.open({:path, namespace.path}, :route)
      Namespace.assert_inside(socket, namespace)
      {:ok, socket} = Port.open(namespace.path, 0)
      Namespace.assert_inside(socket, namespace)
      {:ok, socket} = Port.open({:path, to_charlist(namespace.path)}, 0)
      Namespace.assert_inside(socket, namespace)
    end

    test "in the namespace of a process" do
      namespace = Namespace.create()
      {:ok, socket} = Port.open({:pid, process_in(namespace)}, :route)
      Namespace.assert_inside(socket, namespace)
    end

    test "in the BEAM's own namespace, without a port program" do
      server = start_server(executable: "/there/is/none")
      {:ok, socket} = Port.open(:host, :route, server: server)
      assert Namespace.cookie(socket) == Namespace.host_cookie()
      assert %{"lo" => 1} = Rtnetlink.links(socket)
    end

    test "of every protocol that has a name" do
      namespace = Namespace.create()
      {:ok, socket} = Port.open({:name, namespace.name}, :generic)
      assert {:ok, 16} = :socket.getopt(socket, :socket, :protocol)
      {:ok, socket} = Port.open(:host, :kobject_uevent)
      assert {:ok, 15} = :socket.getopt(socket, :socket, :protocol)
    end

    test "that belongs to the caller and closes with it, and leaves no descriptor" do
      namespace = Namespace.create()
      before = Descriptors.count()

      {pid, monitor} =
        spawn_caller(fn ->
          {:ok, socket} = Port.open({:name, namespace.name}, :route)
          assert %{owner: owner} = :socket.info(socket)
          assert owner == self()
          :opened
        end)

      assert_receive {:result, ^pid, :opened}, 10_000
      assert_receive {:DOWN, ^monitor, :process, ^pid, :normal}, 10_000
      Descriptors.await(before)
    end

    test "over which the namespace can be changed" do
      namespace = Namespace.create()
      {:ok, socket} = Port.open({:name, namespace.name}, :route)
      assert :ok = Rtnetlink.create_bridge(socket, "made0")
      assert %{"made0" => index} = Rtnetlink.links(socket)
      assert :ok = Rtnetlink.add_address(socket, index, {192, 0, 2, 7})
      assert {index, {192, 0, 2, 7}} in Rtnetlink.addresses(socket)
      assert Namespace.ip(["-n", namespace.name, "addr", "show", "made0"]) =~ "192.0.2.7/24"
    end
  end

  describe "open/3 sets a socket up" do
    test "with the netlink options, in the namespace and in the BEAM's own" do
      namespace = Namespace.create()
      options = [ext_ack: true, cap_ack: true, strict_check: true, no_enobufs: true]

      for netns <- [:host, {:name, namespace.name}] do
        {:ok, socket} = Port.open(netns, :route, options)
        for number <- [11, 10, 12, 5], do: assert(netlink_option(socket, number) == 1)

        {:ok, socket} =
          Port.open(netns, :route, Enum.map(options, fn {key, true} -> {key, false} end))

        for number <- [11, 10, 12, 5], do: assert(netlink_option(socket, number) == 0)
      end
    end

    test "to listen to all namespaces that it knows by number" do
      namespace = Namespace.create()

      for netns <- [:host, {:name, namespace.name}] do
        {:ok, socket} = Port.open(netns, :route, listen_all_nsid: true)
        assert netlink_option(socket, 8) == 1
      end
    end

    test "with buffers beyond the system's limit" do
      namespace = Namespace.create()
      size = 8 * 1024 * 1024

      for netns <- [:host, {:name, namespace.name}] do
        {:ok, socket} = Port.open(netns, :route, rcvbuf: size, sndbuf: size)
        # The kernel doubles it, for its own book-keeping.
        assert buffer(socket, 8) == 2 * size
        assert buffer(socket, 7) == 2 * size
      end
    end

    test "with groups, so that their events arrive" do
      namespace = Namespace.create()
      {:ok, socket} = Port.open({:name, namespace.name}, :route, groups: 1)
      Namespace.ip(["-n", namespace.name, "link", "set", "lo", "up"])
      assert {:ok, <<_::32, 16::native-16, _rest::binary>>} = :socket.recv(socket, 0, [], 10_000)
    end

    test "with memberships, so that their events arrive" do
      namespace = Namespace.create()
      # RTNLGRP_LINK
      {:ok, socket} = Port.open({:name, namespace.name}, :route, memberships: [1])
      Namespace.ip(["-n", namespace.name, "link", "set", "lo", "up"])
      assert {:ok, <<_::32, 16::native-16, _rest::binary>>} = :socket.recv(socket, 0, [], 10_000)
    end

    test "with groups 0 as a plain bind" do
      namespace = Namespace.create()

      for netns <- [:host, {:name, namespace.name}] do
        {:ok, socket} = Port.open(netns, :route, groups: 0)
        assert {:error, :einval} = :socket.bind(socket, %{family: 16, addr: <<0::80>>})
      end
    end

    test "or says which step failed" do
      namespace = Namespace.create()

      for netns <- [:host, {:name, namespace.name}] do
        assert {:error, %Error{stage: :setsockopt, errno: :einval, code: 22}} =
                 Port.open(netns, :route, memberships: [100_000])

        assert {:error, %Error{stage: :socket, errno: :eprotonosupport, code: 93}} =
                 Port.open(netns, 99)
      end
    end
  end

  describe "open/3 refuses" do
    test "what names no namespace" do
      names = ["", ".", "..", "a/b", "/etc/passwd", "../x", "a\0b"]
      others = [nil, :guest, 1, {:pid, 0}, {:pid, -1}, {:pid, "1"}, {:name, :blue}, {:path, nil}]

      for netns <- Enum.map(names, &{:name, &1}) ++ others do
        assert_raise ArgumentError, fn -> Port.open(netns, :route) end
      end
    end

    test "what is no protocol" do
      for protocol <- [:rout, "0", nil, 0x80000000] do
        assert_raise ArgumentError, fn -> Port.open(:host, protocol) end
      end
    end

    test "options that are unknown or of a wrong type" do
      wrong = [
        ext_ack: 1,
        strict_check: nil,
        rcvbuf: 0,
        sndbuf: "1",
        groups: -1,
        groups: 0x100000000,
        memberships: 1,
        memberships: [0],
        memberships: [1 | 2],
        timeout: 0,
        timeout: :infinity,
        colour: :blue
      ]

      for option <- wrong do
        assert_raise ArgumentError, fn -> Port.open(:host, :route, [option]) end
      end

      assert_raise ArgumentError, fn -> Port.open(:host, :route, [:ext_ack]) end
      assert_raise ArgumentError, fn -> Port.open(:host, :route, %{}) end
    end
  end

  describe "open/3 returns an error" do
    test "that knows what was asked for, and says what to do" do
      assert {:error, %Error{} = error} = Port.open({:name, "lnp-none"}, :route)

      assert %{
               stage: :open,
               errno: :enoent,
               code: 2,
               netns: {:name, "lnp-none"},
               protocol: :route
             } = error

      assert Exception.message(error) =~ "lnp-none"
      assert Exception.message(error) =~ "ip netns list"
    end

    test "for a process that is gone" do
      assert {:error, %Error{stage: :open} = error} = Port.open({:pid, 0x7FFFFFFF}, :route)
      assert error.errno in [:enoent, :esrch]
    end

    test "for a path that can't be one" do
      assert {:error, %Error{stage: :open, errno: :einval}} = Port.open("/a\0b", :route)
      long = String.duplicate("/", 4_096)
      assert {:error, %Error{stage: :open, errno: :enametoolong}} = Port.open(long, :route)
    end

    test "for a request that is larger than the port program takes" do
      memberships = Enum.to_list(1..300_000)

      assert {:error, %Error{stage: :port, errno: :emsgsize}} =
               Port.open("/proc/self/ns/net", :route, memberships: memberships)
    end

    test "for a server that isn't there" do
      assert {:error, %Error{stage: :port, errno: :epipe}} =
               Port.open("/proc/self/ns/net", :route, server: :there_is_none)
    end
  end

  describe "info/1" do
    test "tells what the port program is, and what the server counts" do
      server = start_server()
      assert {:ok, %{program: program, server: counts}} = Port.info(server)
      assert %{protocol: 1, version: "0.1.0", os_pid: os_pid, uptime_ms: uptime} = program
      assert File.exists?("/proc/#{os_pid}")
      assert is_integer(uptime)
      assert :sys_admin in program.capabilities
      assert %{ok: 0, error: 0} = program.requests
      assert program.max_in_flight == 256
      assert %{in_flight: 0, unclaimed: 0, starts: 1, executable: executable} = counts
      assert File.exists?(executable)
    end

    test "counts what was served" do
      server = start_server()
      namespace = Namespace.create()
      {:ok, _socket} = Port.open(namespace.path, :route, server: server)
      {:error, _error} = Port.open("/etc/passwd", :route, server: server)
      assert {:ok, %{program: %{requests: %{ok: 1, error: 1}}}} = Port.info(server)
    end

    test "passes the settings on to the port program" do
      server = start_server(args: ["--max-in-flight", "7"])
      assert {:ok, %{program: %{max_in_flight: 7}}} = Port.info(server)
    end

    test "is an error where there is no server" do
      assert {:error, %Error{stage: :port, errno: :epipe} = error} = Port.info(:there_is_none)
      assert Exception.message(error) =~ "its server is not running"
    end
  end

  describe "start_link/1" do
    test "refuses settings that are unknown or of a wrong type" do
      wrong = [timeout: 0, launcher: "sudo", args: [1], executable: 1, colour: :blue]

      for setting <- wrong do
        assert_raise ArgumentError, fn -> Port.start_link([setting]) end
      end
    end

    test "starts no port program before it is needed" do
      server = start_server()
      assert :sys.get_state(server).program == nil
    end

    test "puts a launcher in front of the port program" do
      # nice runs what follows, in its own place, as sudo does.
      server = start_server(launcher: ["nice", "-n", "7"])
      namespace = Namespace.create()
      {:ok, socket} = Port.open(namespace.path, :route, server: server)
      Namespace.assert_inside(socket, namespace)
      assert niceness(os_pid(server)) == niceness(System.pid()) + 7
    end

    # The 19th field of its stat.
    defp niceness(os_pid) do
      [_name, fields] = "/proc/#{os_pid}/stat" |> File.read!() |> String.split(") ", parts: 2)
      fields |> String.split() |> Enum.at(16) |> String.to_integer()
    end

    test "takes what isn't given from the application's configuration" do
      Application.put_env(:linx_netlink_port, :args, ["--max-in-flight", "9"])
      on_exit(fn -> Application.delete_env(:linx_netlink_port, :args) end)
      assert {:ok, %{program: %{max_in_flight: 9}}} = Port.info(start_server())
    end

    test "lets several servers live side by side" do
      servers = for _number <- 1..3, do: start_server()
      assert 3 = servers |> Enum.map(&os_pid/1) |> Enum.uniq() |> length()
    end
  end

  test "a server that stops takes its port program with it" do
    server = start_server()
    os_pid = os_pid(server)
    :ok = stop_supervised(server)
    await_gone(os_pid)
  end

  test "10,000 opens and closes leave no descriptor in either process" do
    namespace = Namespace.create()
    server = start_server()
    before = Descriptors.count_both(server)

    for _number <- 1..10_000 do
      {:ok, socket} = Port.open(namespace.path, :route, server: server)
      :ok = :socket.close(socket)
    end

    Descriptors.await_both(server, before)
  end

  test "callers who open faster than descriptors can be closed are held up, and fill no table" do
    before = Descriptors.count()

    1..64
    |> Enum.map(fn _number -> Task.async(fn -> open_and_close(100) end) end)
    |> Task.await_many(60_000)

    # At most 64 are to be closed when nobody waits any more.
    assert Descriptors.count() <= before + 64 + 8
  end

  defp open_and_close(count) do
    for _number <- 1..count do
      {:ok, socket} = Port.open("/proc/self/ns/net", :route, timeout: 30_000)
      :ok = :socket.close(socket)
    end
  end

  test "many callers at once get each its own" do
    namespaces = for _number <- 1..4, do: Namespace.create()

    1..32
    |> Enum.map(fn number ->
      namespace = Enum.at(namespaces, rem(number, 4))

      Task.async(fn ->
        for _number <- 1..25 do
          {:ok, socket} = Port.open(namespace.path, :route, timeout: 30_000)
          Namespace.assert_inside(socket, namespace)
          :ok = :socket.close(socket)
        end
      end)
    end)
    |> Task.await_many(60_000)
  end
end
