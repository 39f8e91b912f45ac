defmodule Mix.Tasks.Compile.LinxNetlinkPortTest do
  use ExUnit.Case

  import ExUnit.CaptureIO

  alias Mix.Tasks.Compile.LinxNetlinkPort, as: Compiler

  @program "priv/linx-netlink-port"

  # The manifest is what tells that there is nothing to do.
  setup do
    [manifest] = Compiler.manifests()
    contents = File.read!(manifest)
    on_exit(fn -> File.write!(manifest, contents) end)
    %{manifest: manifest}
  end

  test "does nothing while the sources are the same" do
    before = File.stat!(@program)
    assert Compiler.run([]) == :noop
    assert File.stat!(@program) == before
  end

  test "builds when the sources have changed, and replaces the program in one step", context do
    File.write!(context.manifest, "other sources")
    before = File.stat!(@program)
    output = capture_io(fn -> assert {:ok, []} = Compiler.run([]) end)
    assert output =~ "Building the port program"
    assert %File.Stat{type: :regular, mode: mode} = stat = File.stat!(@program)
    assert Bitwise.band(mode, 0o777) == 0o755
    # Another file under the same name: one that runs is left alone.
    assert stat.inode != before.inode
    assert Compiler.run([]) == :noop
  end

  test "says what to install where there is no cargo", context do
    path = System.fetch_env!("PATH")
    on_exit(fn -> System.put_env("PATH", path) end)
    System.put_env("PATH", "/there/is/none")
    File.rm!(context.manifest)
    error = assert_raise Mix.Error, fn -> Compiler.run([]) end
    assert error.message =~ "cargo is needed"
    assert error.message =~ "rustup"
  end

  test "cleans up what it has built", context do
    program = File.read!(@program)

    on_exit(fn ->
      File.write!(@program <> ".aside", program)
      File.chmod!(@program <> ".aside", 0o755)
      File.rename!(@program <> ".aside", @program)
    end)

    assert Compiler.clean() == :ok
    refute File.exists?(@program)
    refute File.exists?(context.manifest)
  end
end
