defmodule Linx.Netlink.Port.NativeTest do
  use Linx.Netlink.Port.Test.Case

  import ExUnit.CaptureLog

  alias Linx.Netlink.Port.Native

  @enoent 2
  @ebadf 9
  @eacces 13
  @einval 22
  @enametoolong 36
  @enotsock 88
  @eprotonosupport 93

  defp adopt(fd) do
    {:ok, socket} = :socket.open(fd)
    :ok = Native.close_fd(fd)
    socket
  end

  defp leads_to?(fd, namespace) do
    case File.read_link("/proc/self/fd/#{fd}") do
      {:ok, target} -> target == namespace.path or target =~ "net:["
      {:error, :enoent} -> false
    end
  end

  defp nonblocking?(fd) do
    [_all, octal] = Regex.run(~r/flags:\s+(\d+)/, File.read!("/proc/self/fdinfo/#{fd}"))
    Bitwise.band(String.to_integer(octal, 8), 0o4000) != 0
  end

  # It gives way, and can be killed, at another place each time.
  defp bind_for_ever(fd) do
    :erlang.bump_reductions(:rand.uniform(4_000))
    Native.bind_netlink(fd, 0)
    bind_for_ever(fd)
  end

  describe "open_in_netns/2" do
    test "gives a descriptor whose socket is in the namespace" do
      namespace = Namespace.create()
      {:ok, fd} = Native.open_in_netns(namespace.path, 0)
      assert is_integer(fd)
      fd |> adopt() |> Namespace.assert_inside(namespace)
    end

    test "gives a descriptor that is close-on-exec, and not bound" do
      namespace = Namespace.create()
      {:ok, fd} = Native.open_in_netns(namespace.path, 0)
      flags = File.read!("/proc/self/fdinfo/#{fd}")
      assert [_all, octal] = Regex.run(~r/flags:\s+(\d+)/, flags)
      assert Bitwise.band(String.to_integer(octal, 8), 0o2000000) != 0
      assert {:ok, %{addr: <<0::16, 0::32, 0::32>>}} = fd |> adopt() |> :socket.sockname()
    end

    test "leaves the descriptor to the caller, who closes it with close_fd/1" do
      namespace = Namespace.create()
      {:ok, fd} = Native.open_in_netns(namespace.path, 0)
      Descriptors.settle()
      assert File.exists?("/proc/self/fd/#{fd}")
      assert :ok = Native.close_fd(fd)
      refute File.exists?("/proc/self/fd/#{fd}")
    end

    test "takes the path as iodata, and any protocol that the kernel knows" do
      namespace = Namespace.create()
      {:ok, fd} = Native.open_in_netns(["/run", [?/, "netns/"], namespace.name], 16)
      assert {:ok, 16} = fd |> adopt() |> :socket.getopt(:socket, :protocol)
    end

    test "takes a relative path as the BEAM's" do
      namespace = Namespace.create()
      here = File.cwd!()
      on_exit(fn -> File.cd!(here) end)
      File.cd!("/run/netns")
      {:ok, fd} = Native.open_in_netns(namespace.name, 0)
      fd |> adopt() |> Namespace.assert_inside(namespace)
    end

    test "takes /proc/self and /proc/thread-self as the BEAM's, however they are written" do
      namespace = Namespace.create()
      {:ok, file} = :file.open(namespace.path, [:read, :raw])
      [number] = for fd <- File.ls!("/proc/self/fd"), leads_to?(fd, namespace), do: fd
      here = File.cwd!()
      on_exit(fn -> File.cd!(here) end)
      File.cd!("/proc")

      for path <- [
            "/proc/self/fd/#{number}",
            "/proc/thread-self/fd/#{number}",
            "//proc/./self//fd/#{number}",
            ["/proc/self", ?/, "fd/", number],
            "self/fd/#{number}"
          ] do
        {:ok, fd} = Native.open_in_netns(path, 0)
        fd |> adopt() |> Namespace.assert_inside(namespace)
      end

      {:ok, socket} = Linx.Netlink.Port.open({:path, "/proc/self/fd/#{number}"}, :route)
      Namespace.assert_inside(socket, namespace)
      :ok = :file.close(file)
      assert {:error, {:open, @enoent}} = Native.open_in_netns("/proc/self/fd/#{number}", 0)
    end

    test "tells what is no network namespace, at once and without side effects" do
      directory = Fixture.directory()
      fifo = Path.join(directory, "fifo")
      {_output, 0} = System.cmd("mkfifo", [fifo])
      plain = Path.join(directory, "plain")
      File.write!(plain, "")

      for path <- [fifo, plain, directory, "/dev/null", "/dev/tty", "/proc/self/ns/mnt"] do
        {milliseconds, result} = timed(fn -> Native.open_in_netns(path, 0) end)
        assert {path, result} == {path, {:error, {:setns, @einval}}}
        assert milliseconds < 1_000
      end
    end

    test "tells a stale name, whose namespace is gone" do
      stale = "/run/netns/lnp-#{System.pid()}-stale"
      File.write!(stale, "")
      on_exit(fn -> File.rm!(stale) end)
      assert {:error, {:setns, @einval}} = Native.open_in_netns(stale, 0)
    end

    test "tells a file that is missing, and a directory on the way that is none" do
      assert {:error, {:open, @enoent}} = Native.open_in_netns("/run/netns/lnp-there-is-none", 0)
      assert {:error, {:open, @enoent}} = Native.open_in_netns("", 0)
      assert {:error, {:open, 20}} = Native.open_in_netns("/etc/passwd/net", 0)
    end

    test "tells a file that may not be reached" do
      directory = Fixture.directory()
      File.write!(Path.join(directory, "net"), "")
      File.chmod!(directory, 0o700)
      File.chown!(directory, 65_534)
      assert {:error, {:open, @eacces}} = Native.open_in_netns(Path.join(directory, "net"), 0)
    end

    test "tells a protocol that the kernel doesn't know" do
      namespace = Namespace.create()
      assert {:error, {:socket, @eprotonosupport}} = Native.open_in_netns(namespace.path, 99)
      assert {:error, {:socket, _einval}} = Native.open_in_netns(namespace.path, -1)
    end

    test "refuses a path with a NUL byte, and one that is too long" do
      assert {:error, {:open, @einval}} = Native.open_in_netns("/run/netns/a\0b", 0)
      long = String.duplicate("/", 4_096)
      assert {:error, {:open, @enametoolong}} = Native.open_in_netns(long, 0)
      # Too long comes first, as it does with open(2).
      assert {:error, {:open, @enametoolong}} = Native.open_in_netns(long <> "\0", 0)
      just_right = String.duplicate("/", 4_095)
      assert {:error, {:setns, @einval}} = Native.open_in_netns(just_right, 0)
    end

    test "raises on arguments of a wrong type" do
      for path <- [:atom, 1, nil, [256], ["a" | :b], <<1::3>>] do
        assert_raise ArgumentError, fn -> Native.open_in_netns(path, 0) end
      end

      for protocol <- [:route, "0", nil, 1.0, 0x80000000, -0x80000001] do
        assert_raise ArgumentError, fn -> Native.open_in_netns("/run/netns/x", protocol) end
      end
    end
  end

  describe "bind_netlink/2" do
    test "leaves a socket that is in use as it is: its receives hold up nobody" do
      {:ok, fd} = Native.open_in_netns("/proc/self/ns/net", 0)
      socket = adopt(fd)
      {:ok, number} = :socket.getopt(socket, {:otp, :fd})
      assert :ok = Native.bind_netlink(number, 0)
      assert nonblocking?(number)
      # Were it blocking, nothing but a message could end this.
      assert {:error, :timeout} = :socket.recv(socket, 0, [], 10)
    end

    test "binds without a port program, so that events of the groups arrive" do
      namespace = Namespace.create()
      {:ok, fd} = Native.open_in_netns(namespace.path, 0)
      replace_default_server(executable: "/there/is/none")

      # RTMGRP_LINK
      assert :ok = Native.bind_netlink(fd, 1)
      socket = adopt(fd)
      assert {:ok, %{addr: <<_::48, 1::native-32>>}} = :socket.sockname(socket)
      Namespace.ip(["-n", namespace.name, "link", "set", "lo", "up"])

      assert {:ok, <<_length::32, 16::native-16, _rest::binary>>} =
               :socket.recv(socket, 0, [], 10_000)
    end

    test "leaves the descriptor open" do
      namespace = Namespace.create()
      {:ok, fd} = Native.open_in_netns(namespace.path, 0)
      assert :ok = Native.bind_netlink(fd, 0)
      fd |> adopt() |> Namespace.assert_inside(namespace)
    end

    test "leaves no descriptor and no process, whenever its caller is killed" do
      {:ok, fd} = Native.open_in_netns("/proc/self/ns/net", 0)
      before = Descriptors.count()
      processes = length(Process.list())

      kill_500(fn -> bind_for_ever(fd) end)

      Descriptors.await(before)
      # Others start some, too, but not hundreds.
      eventually("they are gone", fn -> length(Process.list()) < processes + 50 end)
      assert :ok = Native.close_fd(fd)
    end

    test "returns the kernel's error number" do
      namespace = Namespace.create()
      {:ok, fd} = Native.open_in_netns(namespace.path, 0)
      assert :ok = Native.bind_netlink(fd, 0)
      assert {:error, @einval} = Native.bind_netlink(fd, 0)
      assert :ok = Native.close_fd(fd)
      assert {:error, @ebadf} = Native.bind_netlink(99_999, 0)
      assert {:error, @ebadf} = Native.bind_netlink(-1, 0)
      assert {:error, @enotsock} = Native.bind_netlink(0, 0)
    end

    test "raises on arguments of a wrong type or out of range" do
      for {fd, groups} <- [{1, -1}, {1, 0x100000000}, {1, :link}, {nil, 0}, {"1", 0}] do
        assert_raise ArgumentError, fn -> Native.bind_netlink(fd, groups) end
      end
    end
  end

  describe "close_fd/1" do
    test "is :ok for what isn't open" do
      assert :ok = Native.close_fd(99_999)
      assert :ok = Native.close_fd(0x7FFFFFFF)
      assert :ok = Native.close_fd(-1)
    end

    test "raises on what can't be a descriptor" do
      for fd <- [nil, :fd, "1", 1.0, 0x80000000] do
        assert_raise ArgumentError, fn -> Native.close_fd(fd) end
      end
    end
  end

  describe "without a port program" do
    test "is an error: it isn't there" do
      replace_default_server(executable: "/there/is/none")
      assert {:error, {:port, @enoent}} = Native.open_in_netns("/proc/self/ns/net", 0)
    end

    test "is an error: it can't be run" do
      replace_default_server(executable: Fixture.directory())
      assert {:error, {:port, @eacces}} = Native.open_in_netns("/proc/self/ns/net", 0)
    end

    test "is an error: it died" do
      replace_default_server(executable: Fixture.script("exit 0\n"))
      assert {:error, {:port, 32}} = Native.open_in_netns("/proc/self/ns/net", 0)
    end

    test "is an error: no answer in time" do
      replace_default_server(executable: Fixture.script("exec sleep 1000\n"), timeout: 200)
      assert {:error, {:port, 110}} = Native.open_in_netns("/proc/self/ns/net", 0)
    end

    test "is an error: the application isn't started, which is said" do
      on_exit(fn -> :ok = Application.ensure_started(:linx_netlink_port) end)

      log =
        capture_log(fn ->
          :ok = Application.stop(:linx_netlink_port)
          assert {:error, {:port, 107}} = Native.open_in_netns("/proc/self/ns/net", 0)
        end)

      assert log =~ "the application :linx_netlink_port isn't started"
      assert {:error, error} = Linx.Netlink.Port.open("/proc/self/ns/net", :route)
      assert error.errno == :enotconn
      assert Exception.message(error) =~ "the application :linx_netlink_port isn't started"
    end

    test "is an error: there is no server" do
      replace_default_server([])
      :ok = stop_supervised(Linx.Netlink.Port)
      assert {:error, {:port, 32}} = Native.open_in_netns("/proc/self/ns/net", 0)
    end
  end
end
