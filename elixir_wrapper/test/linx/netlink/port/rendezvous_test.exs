defmodule Linx.Netlink.Port.RendezvousTest do
  @moduledoc "A rendezvous at a fixed address, the setting `:rendezvous`."

  use Linx.Netlink.Port.Test.Case

  import ExUnit.CaptureLog

  alias Linx.Netlink.Port
  alias Linx.Netlink.Port.{Error, Settings}
  alias Linx.Netlink.Port.Program.Rendezvous

  setup do
    directory = Fixture.directory()
    File.chmod!(directory, 0o700)
    %{path: Path.join(directory, "rendezvous"), directory: directory}
  end

  defp error(server) do
    parent = self()
    log = capture_log(fn -> send(parent, Port.info(server)) end)
    assert_received {:error, %Error{stage: :port} = error}
    {error, log}
  end

  # As a BEAM that was killed leaves it.
  defp leave(path) do
    {:ok, rendezvous} = Rendezvous.open(path)
    :ok = :socket.close(rendezvous.listener)
    assert File.exists?(path)
  end

  test "the port program is started with it, again and again, and no file stays", context do
    for address <- [context.path, "@lnp-#{System.pid()}-#{System.unique_integer([:positive])}"] do
      server = start_server(rendezvous: address)
      os_pid = os_pid(server)
      assert File.read!("/proc/#{os_pid}/cmdline") =~ <<0, "--rendezvous", 0, address::binary, 0>>
      refute File.exists?(context.path)
      capture_log(fn -> kill_program(server) end)
      assert os_pid(server) != os_pid
    end
  end

  test "what a BEAM that was killed has left is replaced", context do
    leave(context.path)
    assert is_integer(os_pid(start_server(rendezvous: context.path)))
    refute File.exists?(context.path)
  end

  test "a directory that is open to others is refused, and the message names it", context do
    server = start_server(rendezvous: context.path)

    for mode <- [0o755, 0o710, 0o701, 0o770] do
      File.chmod!(context.directory, mode)
      {error, log} = error(server)
      assert %Error{errno: :eacces, cause: :bad_rendezvous} = error
      assert Exception.message(error) =~ "0700"
      assert log =~ context.path
    end

    File.chmod!(context.directory, 0o700)
    File.chown!(context.directory, 65_534)
    {error, _log} = error(server)
    assert error.cause == :bad_rendezvous
  end

  test "a directory that isn't there is an error", context do
    server = start_server(rendezvous: context.directory <> "/none/rendezvous")
    {error, log} = error(server)
    assert error.errno == :enoent
    assert log =~ "can't be started"
  end

  test "whatever else is there stays, and is an error", context do
    File.write!(context.path, "somebody's")
    {error, log} = error(start_server(rendezvous: context.path))
    assert error.errno == :eaddrinuse
    assert log =~ context.path
    assert File.read!(context.path) == "somebody's"
    File.rm!(context.path)
    {_output, 0} = System.cmd("mkfifo", [context.path])
    {error, _log} = error(start_server(rendezvous: context.path))
    assert error.errno == :eaddrinuse
    assert File.exists?(context.path)
  end

  test "a second server that starts at the same address is told so, and the first goes on",
       context do
    waiting = Path.join(context.directory, "waiting")
    go = Path.join(context.directory, "go")
    {_output, 0} = System.cmd("mkfifo", [go])

    # It meets its server when it is told to.
    slow =
      Fixture.script("""
      : > #{waiting}
      read -r _ < #{go}
      exec #{Port.Program.Executable.default()} "$@"
      """)

    for address <- [context.path, "@lnp-#{System.pid()}-#{System.unique_integer([:positive])}"] do
      first = start_server(rendezvous: address, executable: slow)
      caller = spawn_caller(fn -> Port.info(first) end)
      eventually("the first one waits", fn -> File.exists?(waiting) end)
      {error, log} = error(start_server(rendezvous: address))
      assert error.errno == :eaddrinuse
      assert Exception.message(error) =~ "each server needs one of its own"
      assert log =~ address
      File.write!(go, "\n")
      assert [{:ok, _info}] = results([caller])
      File.rm!(waiting)
    end
  end

  test "a stranger who meets the server there is not believed", context do
    server =
      start_server(
        rendezvous: context.path,
        executable: Impostor.with_strange_guest(),
        timeout: 1_000
      )

    {error, _log} = error(server)
    assert error.errno == :etimedout
  end

  test "what is no address is refused" do
    for wrong <- [
          "",
          "@",
          "relative",
          :name,
          ~c"/tmp/x",
          <<"/a", 0>>,
          "/" <> String.duplicate("x", 107)
        ] do
      assert_raise ArgumentError, ~r/:rendezvous/, fn -> Settings.new!(rendezvous: wrong) end
    end

    longest = "@" <> String.duplicate("x", 107)
    assert Settings.new!(rendezvous: longest).rendezvous == longest
    assert is_integer(os_pid(start_server(rendezvous: longest)))
  end
end
