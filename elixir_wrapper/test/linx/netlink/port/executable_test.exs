defmodule Linx.Netlink.Port.ExecutableTest do
  @moduledoc "What is not the port program, in the place of the port program."

  use Linx.Netlink.Port.Test.Case

  import ExUnit.CaptureLog

  alias Linx.Netlink.Port
  alias Linx.Netlink.Port.Error

  @timeout 1_000

  # One call, its error, how long it took, and what the log says about it.
  defp call(executable, settings \\ []) do
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

  # An abstract address of this BEAM's that nobody closed would be in here.
  defp listening? do
    ours =
      for fd <- File.ls!("/proc/self/fd"),
          {:ok, "socket:[" <> inode} <- [File.read_link("/proc/self/fd/#{fd}")],
          do: String.trim_trailing(inode, "]")

    "/proc/net/unix"
    |> File.stream!()
    |> Stream.filter(&(&1 =~ "@linx-netlink-port-"))
    |> Enum.any?(fn line -> line |> String.split() |> Enum.at(6) |> Kernel.in(ours) end)
  end

  test "one that is missing is ENOENT, at once, and one line in the log" do
    call = call("/there/is/none")
    assert call.error.errno == :enoent
    assert call.time < @timeout
    assert [line] = call.lines
    assert line =~ "/there/is/none"
    assert line =~ "mix compile"
  end

  test "one that may not be executed is EACCES" do
    path = Fixture.script("exit 0\n", 0o644)
    call = call(path)
    assert call.error.errno == :eacces
    assert call.time < @timeout
    assert [line] = call.lines
    assert line =~ path
    assert line =~ "permission"
  end

  test "a directory is EACCES" do
    path = Fixture.directory()
    call = call(path)
    assert call.error.errno == :eacces
    assert [line] = call.lines
    assert line =~ path
  end

  test "a file that the kernel can't run is EPIPE" do
    path = Fixture.script("")
    File.write!(path, <<0, 1, 2, 3>>)
    call = call(path)
    assert call.error.errno == :epipe
    assert hd(call.lines) =~ path
  end

  test "one that prints rubbish is EPROTO, at once" do
    path = Fixture.script("echo 'usage: something else'\nexec sleep 1000\n")
    call = call(path)
    assert call.error.errno == :eproto
    assert call.time < @timeout
    assert [line] = call.lines
    assert line =~ path
    assert line =~ "right file"
  end

  test "one that prints rubbish without end is EPROTO, and killed" do
    call = call(Fixture.script("exec yes 2>/dev/null\n"))
    assert call.error.errno == :eproto
    assert call.time < @timeout
  end

  test "one that prints what would be a frame of zeros is no danger" do
    call = call(Fixture.script("exec cat /dev/zero 2>/dev/null\n"))
    assert call.error.errno == :eproto
    assert call.time < @timeout
  end

  test "one that never says hello is ETIMEDOUT, in time, and killed" do
    directory = Fixture.directory()
    path = Fixture.script("echo $$ > #{directory}/pid\nexec sleep 1000\n")
    call = call(path)
    assert call.error.errno == :etimedout
    # The server rounds to milliseconds. A busy machine may take much longer.
    assert call.time in (@timeout - 1)..(@timeout + 20_000)
    assert [line] = call.lines
    assert line =~ path
    assert line =~ "hello"
    directory |> Path.join("pid") |> File.read!() |> String.trim() |> await_gone()
  end

  test "one that ends at once is EPIPE" do
    path = Fixture.script("exit 7\n")
    call = call(path)
    assert call.error.errno == :epipe
    assert call.time < @timeout
    assert Enum.all?(call.lines, &(&1 =~ path and &1 =~ "status 7"))
  end

  test "one that speaks another version of the protocol is EPROTO, at once" do
    body = "hello(2)\nsys.stdin.read()\n"
    call = call(Impostor.script(body), timeout: 5_000)
    assert call.error.errno == :eproto
    assert [line] = call.lines
    assert line =~ "version 2"
  end

  test "one that says something else than hello is EPROTO" do
    body = "connection.sendmsg([b'good day'], rights([theirs.fileno()]))\nsys.stdin.read()\n"
    call = call(Impostor.script(body), timeout: 5_000)
    assert call.error.errno == :eproto
  end

  test "one that says hello with no pair is EPROTO" do
    body = "connection.send(hellos[1])\nsys.stdin.read()\n"
    call = call(Impostor.script(body), timeout: 5_000)
    assert call.error.errno == :eproto
  end

  test "one that says hello from another process is not believed" do
    call = call(Impostor.with_strange_guest())
    assert call.error.errno == :etimedout
  end

  test "one that says hello and then rubbish is replaced, and its caller gets an error" do
    body = """
    hello()
    sys.stdin.buffer.read(4)
    os.write(1, b"oh dear, oh dear")
    sys.stdin.read()
    """

    call = call(Impostor.script(body), timeout: 5_000)
    assert call.error.errno == :eproto
    assert hd(call.lines) =~ "right file"
  end

  test "one that answers what can't be understood gives an error, and is kept" do
    body = """
    hello()
    frame(request()[:14] + bytes([119, 9]) + b"zyxwvutsr")
    sys.stdin.read()
    """

    server = start_server(executable: Impostor.script(body))

    assert {:error, %Error{stage: :port, errno: :eproto}} =
             Port.open("/proc/self/ns/net", :route, server: server)

    assert :sys.get_state(server).program != nil
    assert_raise ArgumentError, fn -> String.to_existing_atom("zyxwvut" <> "sr") end
  end

  test "descriptors and frames that nobody asked for are closed and dropped" do
    body = """
    hello()
    asked = request()
    ours.sendmsg([#{Impostor.bytes({999, :ok})}], rights([0, 1, 2]))
    ours.sendmsg([b"rubbish"], rights([0]))
    frame(#{Impostor.bytes({:good, :day})})
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).detach()
    ours.sendmsg([asked[:14] + bytes([119, 2]) + b"ok"], rights([netlink, 1, 2, 0]))
    sys.stdin.read()
    """

    server = start_server(executable: Impostor.script(body))

    # That descriptors are closed again is checked when the test is over, as always.
    log =
      capture_log(fn ->
        {:ok, socket} = Port.open("/proc/self/ns/net", :route, server: server)
        :ok = :socket.close(socket)
      end)

    assert log =~ "answered a request that it doesn't have"
    assert log =~ "no reply, dropped"
    assert log =~ "more descriptors than were asked for"
    assert Descriptors.settle(server) == 0
  end

  test "one that dies of a request is sent it twice, not more, and its caller gets an error" do
    log = Path.join(Fixture.directory(), "requests")

    body = """
    hello()
    request()
    open("#{log}", "a").write("request\\n")
    """

    call = call(Impostor.script(body), timeout: 10_000)
    assert call.error.errno == :epipe
    assert File.read!(log) == "request\nrequest\n"
  end

  # Answers each request with these words, and these descriptors.
  defp answering(words, fds) do
    Impostor.script("""
    hello()
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).detach()
    other = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16).detach()
    tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM).detach()
    file = os.open("/dev/null", os.O_RDONLY)
    pipe = os.pipe()[0]
    answer = #{Impostor.bytes(words)}[1:]
    fds = [#{fds}]
    while True:
        ours.sendmsg([request()[:14] + answer], rights(fds) if fds else [])
    """)
  end

  test "one that answers without the descriptors is EPROTO for those who miss theirs" do
    server = start_server(executable: answering(:ok, ""))

    assert {:error, %Error{stage: :port, errno: :eproto} = error} =
             Port.open("/proc/self/ns/net", :route, server: server)

    refute Exception.message(error) =~ "ulimit"
    server = start_server(executable: answering({:ok, [:ok, :ok, :ok]}, "netlink"))

    assert {:ok,
            [{:ok, socket}, {:error, %Error{errno: :eproto}}, {:error, %Error{errno: :eproto}}]} =
             Port.open_many(List.duplicate({"/proc/self/ns/net", :route}, 3), server: server)

    :ok = :socket.close(socket)
    assert Descriptors.settle(server) == 0
  end

  for fd <- ["other", "tcp", "file", "pipe"] do
    test "one that hands over something else is EPROTO, and what came is closed: #{fd}" do
      server = start_server(executable: answering(:ok, unquote(fd)))

      assert {:error, %Error{stage: :port, errno: :eproto}} =
               Port.open("/proc/self/ns/net", :route, server: server)

      assert Descriptors.settle(server) == 0
    end
  end

  for fd <- ["netlink", "tcp", "file"] do
    test "one that hands over something else in place of a UDP socket is EPROTO: #{fd}" do
      server = start_server(executable: answering(:ok, unquote(fd)))

      assert {:error, %Error{stage: :port, errno: :eproto}} =
               Port.open("/proc/self/ns/net", {:inet, :dgram, :udp}, server: server)

      assert Descriptors.settle(server) == 0
    end
  end

  test "one that always sends more than was asked for is replaced, and doesn't flood the log" do
    server = start_server(executable: answering(:ok, "netlink, tcp"))

    log =
      capture_log(fn ->
        for _number <- 1..100 do
          {:ok, socket} = Port.open("/proc/self/ns/net", :route, server: server)
          :ok = :socket.close(socket)
        end
      end)

    assert length(log_lines(log)) < 50
    assert log =~ "again and again"
    assert Descriptors.settle(server) == 0
  end

  test "one that sends nothing but what can't be understood is replaced, and doesn't flood the log" do
    body = """
    hello()
    try:
        while True:
            frame(#{Impostor.bytes({:good, :day})})
    except OSError:
        pass
    """

    call = call(Impostor.script(body), timeout: 5_000)
    assert call.error.errno == :eproto
    assert length(call.lines) < 100
  end

  for status <- [0, 1, 2, 3, 4, 8, 101, 137] do
    test "one that ends before its hello with status #{status} gets advice, and no launcher's" do
      call = call(Fixture.script("exit #{unquote(status)}\n"))
      assert Exception.message(call.error) =~ "it ended before it answered, and the log says how"

      assert Enum.all?(
               call.lines,
               &(&1 =~ ~r/status #{unquote(status)} before it said hello; \w/)
             )

      refute call.log =~ "launcher"
    end
  end

  for status <- [0, 1, 2, 3, 126, 127] do
    test "a launcher that ends with status #{status} is told as the launcher, with advice" do
      launcher = Fixture.script("exit #{unquote(status)}\n")
      call = call("/there/is/none", launcher: [launcher, "-n"])
      assert call.error.errno == :epipe

      for line <- call.lines do
        assert line =~
                 "the launcher #{launcher} of the port program /there/is/none ended with status"

        assert line =~ ~r/before the port program said hello; \w/
      end
    end
  end

  test "one that the kernel doesn't execute for want of a capability in the bounding set is told as that" do
    path = Path.join(Fixture.directory(), "linx-netlink-port")
    File.cp!(Port.Program.Executable.default(), path)
    {_output, 0} = System.cmd("setcap", ["cap_sys_admin,cap_sys_ptrace=ep", path])

    code = """
    Application.put_env(:linx_netlink_port, :executable, #{inspect(path)})
    {:ok, _started} = Application.ensure_all_started(:linx_netlink_port)
    {:error, %{errno: :epipe}} = Linx.Netlink.Port.info()
    """

    ebin = Application.app_dir(:linx_netlink_port, "ebin")
    words = ["--bounding-set=-sys_ptrace", "elixir", "-pa", ebin, "-e", code]
    {output, 0} = System.cmd("setpriv", words, stderr_to_stdout: true)
    assert output =~ "status 1 before it said hello"
    assert output =~ "bounding set lacks CAP_SYS_PTRACE"
    refute output =~ "CAP_SYS_ADMIN"
  end

  test "whatever bytes its path, its launcher and what it says have, the log is printable" do
    noise = <<"lnp-\e[2J", 255, 254, "\n", 0x202E::utf8>>
    directory = Path.join(Fixture.directory(), noise)
    File.mkdir_p!(directory)
    path = Path.join(directory, noise)
    impostor = Impostor.script("hello()\nframe(#{Impostor.bytes({:good, noise})})\nsys.exit(7)\n")
    File.cp!(impostor, path)

    for {executable, launcher} <- [
          {path, []},
          {path <> ".gone", []},
          {path, ["env"]},
          {path, [noise]},
          {path, [path <> ".gone"]}
        ] do
      call = call(executable, launcher: launcher)
      assert String.valid?(Exception.message(call.error))
      text = String.replace(call.log, ~r/\e\[\d*m/, "")
      assert text =~ "port program"
      assert String.valid?(text)
      refute text =~ ~r/[\p{Cf}\e]/u

      assert Enum.all?(
               String.split(text, "\n", trim: true),
               &(&1 =~ "port program" or &1 =~ "Temporary")
             )
    end
  end

  test "a launcher that isn't there is ENOENT, and the error says that it is the launcher" do
    call = call("/there/is/none", launcher: ["lnp-no-such-launcher", "-n"])
    assert call.error.errno == :enoent
    assert Exception.message(call.error) =~ "its launcher is not there"
    refute Exception.message(call.error) =~ "mix compile"
    assert [line] = call.lines
    assert line =~ "lnp-no-such-launcher"
  end

  test "one that ends the pair is looked at for its end, and not again and again" do
    body = "hello()\ntheirs.close()\nrequest()\nours.close()\nsys.stdin.read()\n"
    server = start_server(executable: Impostor.script(body))
    :erlang.trace_pattern({Port.Program, :listen, 1}, true)
    :erlang.trace(Process.whereis(server), true, [:call])

    capture_log(fn ->
      assert {:error, %Error{errno: :epipe}} =
               Port.open("/proc/self/ns/net", :route, server: server)
    end)

    :erlang.trace_pattern({Port.Program, :listen, 1}, false)
    assert length(calls_of_listen()) < 32
  end

  defp calls_of_listen do
    receive do
      {:trace, _server, :call, {Port.Program, :listen, _arguments}} = call ->
        [call | calls_of_listen()]
    after
      0 -> []
    end
  end

  test "one that closes the rendezvous without a hello, and lives on, is EPROTO" do
    call = call(Impostor.script("connection.close()\nsys.stdin.read()\n"), timeout: 5_000)
    assert call.error.errno == :eproto
    assert [line] = call.lines
    assert line =~ "without a hello"
  end

  describe "a server that is killed while its port program starts" do
    test "leaves nothing, and its caller gets an error" do
      server = start_server(executable: Fixture.script("exec sleep 1000\n"))
      caller = spawn_caller(fn -> Port.open("/proc/self/ns/net", :route, server: server) end)
      await_in_flight(server, 1)
      assert listening?()
      %{program: program, health: %{up?: false}} = :sys.get_state(server)

      server |> Process.whereis() |> Process.exit(:kill)
      assert [{:error, %Error{stage: :port, errno: :epipe}}] = results([caller])
      eventually("nobody listens", fn -> not listening?() end)
      await_gone(program.process.pid)
    end

    test "at any moment leaves nothing" do
      # Those who find nobody at the rendezvous complain on stderr.
      path = Fixture.script("exec #{Port.Program.Executable.default()} \"$@\" 2> /dev/null\n")
      server = start_server(executable: path)
      _started = os_pid(Port)
      before = Enum.sort(port_programs())

      for number <- 1..50 do
        pid = Process.whereis(server)
        caller = spawn_caller(fn -> Port.info(server) end)
        eventually("it is being started", fn -> :sys.get_state(server).starts > 0 end)
        # Spread over the time that a start takes.
        moment = System.monotonic_time(:microsecond) + 100 * number
        eventually("time passes", fn -> System.monotonic_time(:microsecond) >= moment end)
        Process.exit(pid, :kill)
        assert [_result] = results([caller])
        eventually("it is there again", fn -> Process.whereis(server) not in [nil, pid] end)
      end

      eventually("nobody listens", fn -> not listening?() end)
      eventually("its port programs are gone", fn -> Enum.sort(port_programs()) == before end)
    end
  end

  describe "one that fails again and again" do
    test "is started less and less often, calls fail at once, and the server lives" do
      count = Path.join(Fixture.directory(), "count")
      path = Fixture.script("echo started >> #{count}\nexit 1\n")
      server = start_server(executable: path)
      pid = Process.whereis(server)
      deadline = System.monotonic_time(:millisecond) + 1_500

      {calls, slowest} = hammer(server, deadline, 0, 0)
      starts = count |> File.read!() |> String.split("\n", trim: true) |> length()
      assert calls > 1_000
      assert slowest < 1_000
      # At 0, 0, 50, 150, 350, 750 and 1,550 ms, or later.
      assert starts in 3..8
      assert Process.whereis(server) == pid
    end

    defp hammer(server, deadline, calls, slowest) do
      if System.monotonic_time(:millisecond) > deadline do
        {calls, slowest}
      else
        {time, result} = timed(fn -> Port.open("/proc/self/ns/net", :route, server: server) end)
        assert {:error, %Error{stage: :port, errno: :epipe}} = result
        hammer(server, deadline, calls + 1, max(slowest, time))
      end
    end

    test "heals by itself when the program does" do
      path = Fixture.script("exit 1\n")
      server = start_server(executable: path)
      for _number <- 1..50, do: {:error, _error} = Port.info(server)

      # In its place, in one step, the real one.
      {:ok, _copied} = File.copy(Port.Program.Executable.default(), path <> ".new")
      File.chmod!(path <> ".new", 0o755)
      File.rename!(path <> ".new", path)

      assert %{program: %{protocol: 1}} = until_ok(fn -> Port.info(server) end)
      namespace = Namespace.create()
      assert open_inside(server, namespace) == :ok
    end

    defp until_ok(fun, deadline \\ System.monotonic_time(:millisecond) + 3_000) do
      case fun.() do
        {:ok, result} ->
          result

        {:error, error} ->
          assert System.monotonic_time(:millisecond) < deadline, Exception.message(error)
          until_ok(fun, deadline)
      end
    end
  end
end
