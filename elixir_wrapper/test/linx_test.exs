defmodule Linx.Netlink.Port.LinxTest do
  @moduledoc """
  Linx as it is: a package with a module and a NIF of its own, and an application that depends on it and on
  the wrapper. `test_projects/linx` has its shape. They are compiled and run by a mix of their own.
  """

  use ExUnit.Case, async: false

  alias Linx.Netlink.Port.Test.{Document, Fixture, Machine, Namespace}

  @moduletag :packaging
  @moduletag timeout: 600_000

  @wrapper Path.expand("..", __DIR__)
  @projects Path.join(@wrapper, "test_projects/linx")
  @page "docs/DEPLOYMENT.md"
  @orders ~w(linx wrapper)

  # What Mix, and those who run it, have told this mix; the others are to start without.
  @ours ~w(MIX_BUILD_ROOT MIX_BUILD_PATH MIX_TARGET)

  setup_all do
    path = Fixture.directory()
    File.cp_r!(@projects, path)
    build_nif(Path.join(path, "linx"))
    %{app: Path.join(path, "app")}
  end

  setup do
    %{namespace: Namespace.create()}
  end

  defp build_nif(linx) do
    priv = Path.join(linx, "priv")
    File.mkdir!(priv)
    headers = Path.join(:code.root_dir(), "usr/include")
    nif = Path.join(priv, "linx_nif.so")
    args = ["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-pthread", "-I", headers, "-o", nif]
    run!("cc", args ++ [Path.join(linx, "c_src/linx_nif.c")], [])
  end

  defp run!(command, args, options) do
    args = ["--signal=KILL", "200", command | args]
    {output, status} = System.cmd("timeout", args, [stderr_to_stdout: true] ++ options)
    assert status == 0, "#{Enum.join(args, " ")}:\n#{output}"
    output
  end

  defp mix!(context, args, env) do
    ours = for name <- @ours, do: {name, nil}

    run!("mix", args,
      cd: context.app,
      env: [{"WRAPPER", @wrapper}, {"MIX_ENV", "test"}] ++ ours ++ env
    )
  end

  defp replaced, do: [{"REPLACE_NIF", "1"}]
  defp not_replaced, do: [{"REPLACE_NIF", nil}]

  # Who served, as App.tell/1 says it.
  defp told(output) do
    pattern = ~r/^opened (.*), nif (.*), port programs (\d+), capabilities (.*)$/m

    assert [opened, nif, programs, capabilities] =
             Regex.run(pattern, output, capture: :all_but_first),
           output

    {opened, nif, programs, String.to_integer(capabilities, 16)}
  end

  defp inside(namespace) do
    {:ok, socket} = Linx.Netlink.Port.open(namespace.path, :route)
    cookie = Namespace.cookie(socket)
    :ok = :socket.close(socket)
    "in #{cookie}"
  end

  test "no module of the package has a name of Linx's, neither in its .app nor in its ebin" do
    {:ok, modules} = :application.get_key(:linx_netlink_port, :modules)
    ebin = Application.app_dir(:linx_netlink_port, "ebin")
    files = for "Elixir." <> file <- File.ls!(ebin), do: Path.rootname(file)

    for name <- Enum.map(modules, &inspect/1) ++ files do
      assert name =~
               ~r/^((Inspect\.)?Linx\.Netlink\.Port|Mix\.LinxNetlinkPort|Mix\.Tasks\.Compile\.LinxNetlinkPort)\b/
    end
  end

  for order <- @orders do
    describe "with #{order} first among the dependencies," do
      setup do
        %{first: [{"FIRST", unquote(order)}]}
      end

      test "it compiles without a warning; the NIF serves, and with one line the port program",
           context do
        refute mix!(context, ["compile", "--force"], context.first) =~ ~r/warning|redefin/i
        call = ["run", "-e", "App.tell(#{inspect(context.namespace.path)})"]
        inside = inside(context.namespace)

        nif = mix!(context, call, context.first ++ not_replaced())
        assert {^inside, "true", "0", _capabilities} = told(nif)
        refute nif =~ ~r/warning|replace/i

        port_program = mix!(context, call, context.first ++ replaced())
        assert {^inside, "false", "1", _capabilities} = told(port_program)
        assert port_program =~ "Linx.Netlink.Socket.Native is the port program's from now on"
      end

      test "a release, started by an ordinary user, opens what he himself may not", context do
        machine = release(context)
        inside = inside(context.namespace)

        # The same release, and the same user: one line makes the difference.
        assert {"{:setns, 1}", "true", "0", 0} = start(machine, context.namespace, "")
        line = "config :linx_netlink_port, replace_nif: true"
        assert {^inside, "false", "1", 0} = start(machine, context.namespace, line)
      end
    end
  end

  test "before the application is started, Linx's own serves, and the port program's errors say why",
       context do
    calls = """
    App.tell(#{inspect(context.namespace.path)})
    {:error, {:port, 107}} = Linx.Netlink.Port.Native.open_in_netns("/there/is/none", 0)
    App.flush_log()
    {:error, error} = Linx.Netlink.Port.open("/there/is/none", :route)
    IO.puts(Exception.message(error))
    """

    inside = inside(context.namespace)
    output = mix!(context, ["run", "--no-start", "-e", calls], replaced())
    assert {^inside, "true", "0", _capabilities} = told(output)
    said = "the application :linx_netlink_port isn't started"
    # One is the log's.
    assert [_before, _between, _after] = String.split(output, said)
  end

  test "its tests pass with the NIF, and with the port program", context do
    for {env, args} <- [
          {not_replaced(), ["--exclude", "port_program"]},
          {replaced(), []}
        ],
        do: assert(mix!(context, ["test" | args], env) =~ ~r/ 0 failures| passed/)
  end

  test "what docs/LINX.md says that Linx could do, it can do: no replacement, and no leak",
       context do
    leak = ["run", "-e", "App.left_open(#{inspect(context.namespace.path)}, 20)"]
    assert mix!(context, leak, not_replaced()) =~ "left open: 20\n"
    changed = change_linx(context)
    assert mix!(changed, leak, not_replaced()) =~ "left open: 0\n"
    refute mix!(changed, ["compile", "--force"], []) =~ ~r/warning/i
    call = ["run", "-e", "App.tell(#{inspect(context.namespace.path)})"]
    inside = inside(context.namespace)

    assert {^inside, "false", "1", _capabilities} =
             changed |> mix!(call, not_replaced()) |> told()
  end

  # A copy of the project, with the page's changes to Linx, and its dependency on the wrapper.
  defp change_linx(context) do
    path = Fixture.directory()
    File.cp_r!(Path.dirname(context.app), path)
    linx = Path.join(path, "linx")
    text = "docs/LINX.md" |> Document.section!("What Linx itself could do")
    changes = Document.code(text, "diff")
    assert length(changes) == 2
    for change <- changes, do: apply_change(linx, change)

    replace!(
      Path.join(linx, "mix.exs"),
      "deps: []",
      "deps: [{:linx_netlink_port, path: #{inspect(@wrapper)}}]"
    )

    %{context | app: Path.join(path, "app")}
  end

  # One hunk: what is there, and what is to be there.
  defp apply_change(linx, change) do
    ["--- a/" <> file, "+++ b/" <> file, "@@" | lines] = String.split(change, "\n", trim: true)
    replace!(Path.join(linx, file), side(lines, "-"), side(lines, "+"))
  end

  defp side(lines, sign) do
    for <<mark::binary-size(1), line::binary>> <- lines,
        mark in [" ", sign],
        into: "",
        do: line <> "\n"
  end

  defp replace!(file, from, to) do
    text = File.read!(file)
    assert text =~ from
    File.write!(file, String.replace(text, from, to))
  end

  # On a machine that was prepared by the commands of the page. The release is not where it was made.
  defp release(context) do
    env = context.first ++ [{"MIX_ENV", "prod"}]
    refute mix!(context, ["release", "--overwrite"], env) =~ ~r/warning/i
    made = Path.join(context.app, "_build/prod/rel/app")
    machine = Machine.start(made, "app")
    # It is not to find what it was made from.
    File.rm_rf!(made)
    for code <- commands(), not (code =~ start_command()), do: Machine.run(machine, code)
    machine
  end

  defp start(machine, namespace, line) do
    [command] = for code <- commands(), code =~ start_command(), do: String.trim(code)
    [config] = @page |> Document.section!("1 ") |> Document.code("elixir")

    told(
      Machine.run(machine, """
      cat > /opt/my_app/releases/1.0.0/runtime.exs <<'EOF'
      import Config
      #{config}
      #{line}
      config :app, open: "#{namespace.path}"
      EOF
      cd /
      timeout --signal=KILL 60 #{command}
      """)
    )
  end

  defp start_command, do: "/opt/my_app/bin/my_app start"
  defp commands, do: @page |> Document.section!("1 ") |> Document.code("sh")
end
