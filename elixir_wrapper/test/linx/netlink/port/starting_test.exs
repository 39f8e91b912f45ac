defmodule Linx.Netlink.Port.StartingTest do
  @moduledoc "A port program that ends before its hello: what is said of it, and what comes of it."

  use Linx.Netlink.Port.Test.Case

  import Linx.Netlink.Port.Test.Attempt

  alias Linx.Netlink.Port
  alias Linx.Netlink.Port.Error

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
