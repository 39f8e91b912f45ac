defmodule Linx.Netlink.Port.ExecutableTest do
  @moduledoc "What is not the port program, in the place of the port program."

  use Linx.Netlink.Port.Test.Case

  import ExUnit.CaptureLog
  import Linx.Netlink.Port.Test.Attempt

  alias Linx.Netlink.Port
  alias Linx.Netlink.Port.Error

  @timeout timeout()

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
end
