defmodule Linx.Netlink.Port.Native.ReplacementTest do
  use Linx.Netlink.Port.Test.Case

  import ExUnit.CaptureLog

  alias Linx.Netlink.Port
  alias Linx.Netlink.Port.Native.Replacement
  alias Linx.Netlink.Port.NifModule

  @module Linx.Netlink.Socket.Native

  # Linx's own, as far as it matters here.
  @source """
  defmodule Linx.Netlink.Socket.Native do
    @on_load :load_nif
    def load_nif, do: :persistent_term.put(__MODULE__, :nif_loaded)
    def open_in_netns(_path, _protocol), do: :the_nif
  end
  """

  setup do
    on_exit(fn ->
      unload()
      :persistent_term.erase(@module)
    end)
  end

  # A package with it in the code path, as long as the test lasts; nothing of it is loaded.
  defp linx_in_path(source \\ @source) do
    directory = Fixture.directory()
    [{@module, binary}] = Code.compile_string(source)
    unload()
    :persistent_term.erase(@module)
    File.write!(Path.join(directory, "#{@module}.beam"), binary)
    Code.prepend_path(directory)
    on_exit(fn -> Code.delete_path(directory) end)
    directory
  end

  defp unload do
    :code.unstick_mod(@module)
    for _generation <- [:current, :old], do: {:code.purge(@module), :code.delete(@module)}
    :code.purge(@module)
  end

  defp call, do: apply(@module, :open_in_netns, ["/there/is/none", 0])

  defp replace, do: capture_log(fn -> start_supervised!(Replacement) end)
  defp stop, do: capture_log(fn -> :ok = stop_supervised(Replacement) end)

  test "where Linx isn't there at all, its module is there, until it is stopped" do
    assert_raise UndefinedFunctionError, &call/0
    assert replace() =~ "#{inspect(@module)} is the port program's from now on"
    assert call() == {:error, {:open, 2}}
    assert stop() == ""
    assert_raise UndefinedFunctionError, &call/0
  end

  test "where Linx's own isn't loaded yet, its @on_load never runs; afterwards it is as before" do
    linx_in_path()
    replace()
    assert call() == {:error, {:open, 2}}
    assert :persistent_term.get(@module, nil) == nil
    assert stop() == ""
    assert :persistent_term.get(@module, nil) == nil
    assert call() == :the_nif
  end

  test "where Linx's own is loaded, it is replaced, and loaded again afterwards" do
    linx_in_path()
    assert call() == :the_nif
    replace()
    assert call() == {:error, {:open, 2}}
    # Nothing of it stays behind.
    refute :erlang.check_old_code(@module)
    assert stop() == ""
    assert call() == :the_nif
  end

  test "an @on_load that fails is in nobody's way" do
    linx_in_path(
      String.replace(@source, ":persistent_term.put(__MODULE__, :nif_loaded)", ":error")
    )

    refute Code.ensure_loaded?(@module)
    replace()
    assert call() == {:error, {:open, 2}}
    stop()
  end

  test "one that can't be loaded again is told" do
    [{@module, _binary}] = Code.compile_string(@source)
    replace()
    assert call() == {:error, {:open, 2}}
    assert stop() =~ "can't be loaded again, since there is no file of it in the code path"
    assert_raise UndefinedFunctionError, &call/0
  end

  test "a module that is loaded anew does not stay, and the log says so" do
    linx_in_path()
    replace()

    log =
      capture_log(fn ->
        {:module, @module} = :code.load_file(@module)
        assert call() == :the_nif
        eventually("it is replaced again", &NifModule.ours?/0)
        :sys.get_state(replacement())
      end)

    assert log =~ "was loaded anew"
    assert call() == {:error, {:open, 2}}
    stop()
    assert call() == :the_nif
  end

  test "a module that is being compiled is not meddled with" do
    linx_in_path()
    replace()
    # As Mix does before it compiles.
    :code.purge(@module)
    :code.delete(@module)
    send(replacement(), :look)
    :sys.get_state(replacement())
    refute :erlang.module_loaded(@module)
  end

  test "those who reload what has changed on disk leave it alone" do
    linx_in_path()
    replace()
    refute @module in :code.modified_modules()
  end

  test "a module that can't be replaced is an error that says why, and stays" do
    linx_in_path()
    assert call() == :the_nif
    :code.stick_mod(@module)

    capture_log(fn ->
      assert {:error, {{%RuntimeError{message: message}, []}, _child}} =
               start_supervised(Replacement)

      assert message =~ "#{inspect(@module)} can't be replaced, since its directory is sticky"
    end)

    assert call() == :the_nif
  end

  test "if it is refused later, the log says it once, and nothing else happens" do
    linx_in_path()
    replace()
    pid = replacement()
    {:module, @module} = :code.load_file(@module)
    :code.stick_mod(@module)

    look = fn ->
      send(pid, :look)
      :sys.get_state(pid)
    end

    assert capture_log(look) =~ "can't be replaced"
    refute capture_log([level: :error], look) =~ "(replace_nif)"
    assert replacement() == pid
  end

  test "if its process is killed, it goes on, and Linx's own is back afterwards" do
    linx_in_path()
    assert call() == :the_nif
    replace()
    pid = replacement()
    monitor = Process.monitor(pid)

    capture_log(fn ->
      Process.exit(pid, :kill)
      assert_receive {:DOWN, ^monitor, :process, ^pid, :killed}, 5_000
      eventually("it is started again", fn -> replacement() not in [pid, nil] end)
      :sys.get_state(replacement())
    end)

    assert call() == {:error, {:open, 2}}
    stop()
    assert call() == :the_nif
  end

  test "it looks like an Elixir module" do
    replace()
    assert function_exported?(@module, :open_in_netns, 2)
    info = &apply(@module, :__info__, [&1])
    assert info.(:module) == @module
    assert info.(:functions) == Linx.Netlink.Port.Native.__info__(:functions)
    assert info.(:macros) == []
    assert is_binary(info.(:md5)) and is_list(info.(:compile))
  end

  test "the application does it if the configuration asks for it, and info/1 tells" do
    linx_in_path()
    assert {:ok, %{server: %{replaces_nif: false}}} = Port.info()
    refute restart(replace_nif: nil) =~ "replace"
    assert call() == :the_nif
    assert restart(replace_nif: true) =~ "is the port program's from now on"
    assert call() == {:error, {:open, 2}}
    assert {:ok, %{server: %{replaces_nif: true}}} = Port.info()
    capture_log(fn -> Application.stop(:linx_netlink_port) end)
    assert call() == :the_nif
    restart(replace_nif: false)
    assert call() == :the_nif
  end

  test "a setting that is neither true nor false is an error" do
    Application.put_env(:linx_netlink_port, :replace_nif, "yes")
    on_exit(fn -> Application.delete_env(:linx_netlink_port, :replace_nif) end)
    assert_raise ArgumentError, ~r/true or false, got: "yes"/, &Replacement.wanted?/0
  end

  defp replacement do
    {:ok, supervisor} = ExUnit.fetch_test_supervisor()

    Enum.find_value(Supervisor.which_children(supervisor), fn {id, pid, _type, _modules} ->
      id == Replacement and is_pid(pid) and pid
    end)
  end

  defp restart(settings) do
    on_exit(fn -> Application.delete_env(:linx_netlink_port, :replace_nif) end)

    capture_log(fn ->
      _ = Application.stop(:linx_netlink_port)
      Application.put_all_env(linx_netlink_port: settings)
      :ok = Application.start(:linx_netlink_port)
    end)
  end
end
