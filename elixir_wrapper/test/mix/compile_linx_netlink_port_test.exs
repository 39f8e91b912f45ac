defmodule Mix.Tasks.Compile.LinxNetlinkPortTest do
  use ExUnit.Case

  import ExUnit.CaptureIO

  alias Linx.Netlink.Port.Test.Fixture
  alias Mix.Tasks.Compile.LinxNetlinkPort, as: Compiler

  @variable "LINX_NETLINK_PORT_EXECUTABLE"

  # The port program of this build is put back, however it was replaced.
  setup do
    [manifest] = Compiler.manifests()
    program = Application.app_dir(:linx_netlink_port, "priv/linx-netlink-port")
    kept = Path.join(Fixture.directory(), "kept")
    File.cp!(program, kept)
    mark = File.read!(manifest)

    on_exit(fn ->
      File.cp!(kept, program <> ".aside")
      File.rename!(program <> ".aside", program)
      File.write!(manifest, mark)
    end)

    %{manifest: manifest, program: program, mark: mark, path: System.fetch_env!("PATH")}
  end

  defp with_variable(name, value) do
    before = System.get_env(name)
    on_exit(fn -> System.put_env(%{name => before}) end)
    System.put_env(%{name => value})
  end

  defp run do
    output = capture_io(fn -> send(self(), {:outcome, Compiler.run([])}) end)

    assert_received {:outcome, outcome}
    {outcome, output}
  end

  test "does nothing while the sources and the settings are the same", context do
    before = File.lstat!(context.program)
    assert run() == {:noop, ""}
    assert File.lstat!(context.program) == before
  end

  test "builds when the sources have changed, and replaces the program in one step", context do
    File.write!(context.manifest, "other sources")
    before = File.stat!(context.program)
    assert {{:ok, []}, "Building the port program" <> _} = run()
    assert %File.Stat{type: :regular, mode: mode} = stat = File.lstat!(context.program)
    assert Bitwise.band(mode, 0o777) == 0o755
    # Another file under the same name: one that runs is left alone.
    assert stat.inode != before.inode
    assert run() == {:noop, ""}
  end

  test "asks cargo when a variable of its kind has changed" do
    for name <- ~w(CARGO_PROFILE_RELEASE_OPT_LEVEL CARGO_ENCODED_RUSTFLAGS RUSTUP_TOOLCHAIN) do
      with_variable(name, "strange")
      with_variable("PATH", "/there/is/none")
      assert {:noop, "Keeping the port program" <> _} = run()
      System.delete_env(name)
      assert run() == {:noop, ""}
    end
  end

  test "what is built is this build's own: the sources have no program", context do
    assert context.program =~ "/_build/test/"
    assert {:error, :einval} = context.program |> Path.dirname() |> File.read_link()
    refute File.exists?("priv")
  end

  test "a folder that was shared with other builds is not used any more", context do
    folder = Path.dirname(context.program)
    shared = Fixture.directory()
    File.cp!(context.program, Path.join(shared, "linx-netlink-port"))
    File.rename!(folder, folder <> ".aside")
    on_exit(fn -> File.rm_rf!(folder <> ".aside") end)
    File.ln_s!(shared, folder)
    assert {{:ok, []}, "Building the port program" <> _} = run()
    assert File.ls!(folder) == ["linx-netlink-port"]
    assert {:error, :einval} = File.read_link(folder)
  end

  test "keeps what is built of the same sources where there is no cargo", context do
    [sources, _settings] = String.split(context.mark)
    File.write!(context.manifest, sources <> " other settings")
    with_variable("PATH", "/there/is/none")
    assert {:noop, "Keeping the port program" <> _} = run()
  end

  test "says in one sentence what to do where there is no cargo", context do
    with_variable("PATH", "/there/is/none")
    File.write!(context.manifest, "other sources")
    error = assert_raise Mix.Error, fn -> Compiler.run([]) end
    assert error.message =~ "cargo is needed"
    assert error.message =~ "rustup"
    assert error.message =~ ~r/#{@variable}$/
    refute error.message =~ "\n"
  end

  test "builds nothing where the configuration names a port program, and says so once", context do
    Application.put_env(:linx_netlink_port, :executable, "/there/is/none")
    on_exit(fn -> Application.delete_env(:linx_netlink_port, :executable) end)
    before = File.lstat!(context.program)
    with_variable("PATH", "/there/is/none")

    assert run() ==
             {{:ok, []},
              "Using the port program /there/is/none (:executable in the configuration), nothing is built\n"}

    assert run() == {:noop, ""}
    assert File.lstat!(context.program) == before
  end

  test "builds nothing where a variable names a port program, which is used", context do
    named = Path.join(Fixture.directory(), "named")
    File.cp!(context.program, named)
    with_variable(@variable, named)
    with_variable("PATH", "/there/is/none")

    assert {{:ok, []}, "Using the port program #{named} (#{@variable}), nothing is built\n"} ==
             run()

    assert File.read_link(context.program) == {:ok, named}
    assert run() == {:noop, ""}

    # Without it, there is one of this build's own again.
    System.delete_env(@variable)
    System.put_env("PATH", context.path)
    assert {{:ok, []}, "Building the port program" <> _} = run()
    assert %File.Stat{type: :regular} = File.lstat!(context.program)
    assert File.exists?(named)
  end

  test "says in one sentence what to do where the variable names nothing" do
    with_variable(@variable, "/there/is/none")
    error = assert_raise Mix.Error, fn -> Compiler.run([]) end
    assert error.message =~ ~r"^there is no file /there/is/none, which #{@variable} names"
    refute error.message =~ "\n"
  end

  test "cleans up what it has built", context do
    assert Compiler.clean() == :ok
    refute File.exists?(context.program)
    refute File.exists?(context.manifest)
  end
end
