defmodule Linx.Netlink.Port.PackagingTest do
  @moduledoc """
  The wrapper in other people's projects. They are compiled and run by a mix of their own, which takes
  a minute: `mix test --only packaging`.
  """

  use ExUnit.Case, async: false

  alias Linx.Netlink.Port.Test.{Fixture, Namespace}

  @moduletag :packaging
  @moduletag timeout: 600_000

  @wrapper Path.expand("..", __DIR__)
  @root Path.dirname(@wrapper)
  @projects Path.join(@wrapper, "test_projects")
  @program "linx-netlink-port"

  # Rust's names for this machine, linked to the C library that it has, and with musl to none.
  {version, 0} = System.cmd("rustc", ["-vV"])
  [triple] = Regex.run(~r/^host: (.*)$/m, version, capture: :all_but_first)
  @triple triple
  @static String.replace(triple, ~r/-[^-]*$/, "-musl")

  # What Mix, and those who run it, have told this mix; the others are to start without.
  @ours ~w(MIX_ENV MIX_BUILD_ROOT MIX_BUILD_PATH MIX_TARGET)

  # A copy of a project that has a wrapper among its dependencies.
  defp project(name, wrapper \\ @wrapper) do
    path = Fixture.directory()
    File.cp_r!(Path.join(@projects, name), path)
    {path, [{"WRAPPER", wrapper} | for(name <- @ours, do: {name, nil})]}
  end

  defp run!(command, args, options) do
    {output, status} = run(command, args, options)
    assert status == 0, "#{command} #{Enum.join(args, " ")}:\n#{output}"
    output
  end

  # In bounded time, whatever happens to it.
  defp run(command, args, options) do
    args = ["--signal=KILL", "200", command | args]
    System.cmd("timeout", args, [stderr_to_stdout: true] ++ options)
  end

  defp mix!({path, env}, args, more \\ []), do: run!("mix", args, cd: path, env: env ++ more)

  # The directories of PATH in which there is no Rust.
  defp path_without_rust do
    System.fetch_env!("PATH")
    |> String.split(":")
    |> Enum.reject(fn directory ->
      Enum.any?(~w(cargo rustc), &File.exists?(Path.join(directory, &1)))
    end)
    |> Enum.join(":")
  end

  test "as a dependency it compiles, starts and opens a socket" do
    project = project("app")
    output = mix!(project, ["run", "-e", "App.run()"])
    assert output =~ ~r"^opened by /.*/priv/#{@program} "m
    assert mix!(project, ["compile"]) == ""
  end

  {libraries, 0} = System.cmd("rustc", ~w(--print target-libdir --target #{@static}))

  unless File.dir?(String.trim(libraries)) do
    @tag skip: "`rustup target add #{@static}` makes it possible"
  end

  test "linked statically, the port program needs no libraries" do
    target = Path.join(Fixture.directory(), "target")
    static = [{"CARGO_TARGET_DIR", target}, {"CARGO_BUILD_TARGET", @static}]
    assert mix!(project("app"), ["run", "-e", "App.run()"], static) =~ "opened by "

    program = "#{target}/#{@static}/release/#{@program}"
    alone = Fixture.directory()
    File.cp!(program, Path.join(alone, @program))
    assert run!("chroot", [alone, "/#{@program}", "--version"], []) =~ "#{@program} "
  end

  describe "a release, in another place, on a machine without Rust," do
    setup do
      {path, env} = project = project("app")
      mix!(project, ["release", "--quiet"], [{"MIX_ENV", "prod"}])
      elsewhere = Path.join(Fixture.directory(), "app")
      File.rename!(Path.join(path, "_build/prod/rel/app"), elsewhere)
      File.rm_rf!(path)

      run = fn more ->
        env = [{"PATH", path_without_rust()}, {"RELEASE_TMP", Fixture.directory()} | more]
        run!(Path.join(elsewhere, "bin/app"), ["eval", "App.run()"], env: env)
      end

      %{elsewhere: elsewhere, run: run, env: env}
    end

    test "has the port program in it, and takes :executable and :launcher from runtime.exs",
         %{elsewhere: elsewhere, run: run} do
      [program] = Path.wildcard("#{elsewhere}/lib/linx_netlink_port-*/priv/#{@program}")
      assert %File.Stat{type: :regular} = File.lstat!(program)
      assert run.([]) =~ "opened by #{program} "

      moved = Path.join(Fixture.directory(), "moved")
      File.cp!(program, moved)
      assert run.([{"APP_EXECUTABLE", moved}]) =~ "opened by #{moved} "

      # A launcher that leaves a trace.
      trace = Path.join(Fixture.directory(), "trace")
      launcher = Fixture.script("echo \"$1\" > #{trace}\nexec \"$@\"\n")
      assert run.([{"APP_LAUNCHER", launcher}]) =~ "opened by #{program} "
      assert File.read!(trace) == program <> "\n"
    end
  end

  describe "the Hex package" do
    setup do
      directory = Path.join(Fixture.directory(), "package")
      run!(Path.join(@root, "script/package"), [directory], [])
      %{directory: directory}
    end

    test "holds everything that is needed, and nothing else", %{directory: directory} do
      files = packaged(directory)

      for file <- sources("elixir_wrapper/lib"), do: assert(Path.join("lib", file) in files)
      for file <- sources("src"), do: assert(Path.join("native/src", file) in files)

      for file <-
            ~w(mix.exs .formatter.exs README.md CHANGELOG.md LICENSE docs/PROTOCOL.md) ++
              ~w(native/Cargo.toml native/Cargo.lock),
          do: assert(file in files)

      # Nothing that it has been put together of is left out, and nothing that is built is in.
      assert directory |> all() |> Enum.sort() == Enum.sort(files)
      refute Enum.any?(files, &(&1 =~ ~r"(^|/)(_build|priv|target|test|tests)(/|$)"))
    end

    test "is all that a project needs; for another target too, and where it can't be written to",
         %{directory: directory} do
      package = Path.join(Fixture.directory(), "linx_netlink_port")

      for file <- packaged(directory) do
        package |> Path.join(Path.dirname(file)) |> File.mkdir_p!()
        File.cp!(Path.join(directory, file), Path.join(package, file))
      end

      {path, env} = project("app", package)
      [arch, _vendor, os, abi] = String.split(@triple, "-")

      # As Nerves says it.
      nerves = [
        {"CROSSCOMPILE", "#{arch}-#{os}-#{abi}"},
        {"TARGET_ARCH", arch},
        {"TARGET_OS", os},
        {"TARGET_ABI", abi},
        {"CC", "gcc"}
      ]

      # Cargo's files are in Mix's build folder then.
      command = "mount --bind -o ro '#{package}' '#{package}'; exec mix run -e 'App.run()'"
      words = ["--mount", "/bin/sh", "-ec", command]
      assert run!("unshare", words, cd: path, env: env ++ nerves) =~ "opened by "
      target = Path.join(path, "_build/dev/lib/linx_netlink_port/cargo")
      assert File.exists?("#{target}/#{@triple}/release/#{@program}")

      # As cargo says it.
      cargo = [{"CARGO_BUILD_TARGET", "wasm32-none"}]
      {output, status} = run("mix", ["run", "-e", ""], cd: path, env: env ++ cargo)
      assert status != 0
      assert output =~ "wasm32-none"
    end
  end

  describe "as a program" do
    setup do
      %{prefix: Path.join(Fixture.directory(), "prefix")}
    end

    test "cargo installs it, and the REPL", %{prefix: prefix} do
      for {package, program} <- [{".", @program}, {"repl", "linx-netlink-repl"}] do
        args = ~w(install --quiet --locked --target-dir target --path) ++ [package]
        run!("cargo", args ++ ["--root", prefix], cd: @root)
        assert run!(Path.join(prefix, "bin/#{program}"), ["--version"], []) =~ "#{program} "
      end
    end

    test "it is installed for the whole machine, and uninstalled", %{prefix: prefix} do
      install = Path.join(@root, "script/install")
      output = run!(install, ["--prefix", prefix, "--group", "daemon"], [])
      program = Path.join(prefix, "libexec/#{@program}")
      page = Path.join(prefix, "share/man/man8/#{@program}.8")
      assert output =~ "config :linx_netlink_port, executable: \"#{program}\""

      # Those of another group can't execute it; daemon's can.
      assert {stat, 0} = System.cmd("stat", ["--format", "%U %G %a", program])
      assert stat == "root daemon 750\n"
      assert {capabilities, 0} = System.cmd("/sbin/getcap", [program])
      for name <- ~w(cap_net_admin cap_sys_admin cap_sys_ptrace), do: assert(capabilities =~ name)
      assert capabilities =~ "=ep"

      # All that --help says is in the manual page.
      {help, 0} = System.cmd(program, ["--help"])
      roff = page |> File.read!() |> String.replace("\\-", "-")
      for word <- String.split(help) -- ~w(Usage: Options: Exit status:), do: assert(roff =~ word)

      if groff = System.find_executable("groff") do
        assert run!(groff, ~w(-man -ww -z) ++ [page], []) == ""
      end

      run!(install, ["--uninstall", "--prefix", prefix], [])
      refute File.exists?(program) or File.exists?(page)
    end

    test "the REPL is installed if asked for, and shows a member of the group that it works",
         context do
      install = Path.join(@root, "script/install")
      repl = Path.join(context.prefix, "bin/linx-netlink-repl")
      output = run!(install, ["--prefix", context.prefix, "--group", "daemon", "--repl"], [])
      assert [check] = Regex.run(~r/^    (#{repl} -e .*)$/m, output, capture: :all_but_first)

      namespace = Namespace.create()
      check = String.replace(check, "NAME", namespace.name)
      user = "setpriv --reuid=65511 --regid=65511 --inh-caps=-all --groups"

      assert run!("sh", ["-c", "#{user}=daemon #{check}"], cd: "/") =~ ": #{namespace.bridge}, "
      assert {said, 1} = run("sh", ["-c", "#{user}=65511 #{check}"], cd: "/")
      assert said =~ "Permission denied"

      run!(install, ["--uninstall", "--prefix", context.prefix], [])
      assert all(context.prefix) == []
      assert {:error, :enoent} = File.lstat(repl)
    end

    test "what is wrong with the arguments is said" do
      install = Path.join(@root, "script/install")
      assert {said, 2} = run(install, ["--colour"], [])
      assert said =~ "unknown argument --colour"
      assert {said, 1} = run(install, ["--group", "there-is-none"], [])
      assert said =~ "there is no group there-is-none"
    end
  end

  # The files that Hex would take: what the patterns match, and what is in the directories among them.
  defp packaged(directory) do
    for pattern <- Mix.Project.config()[:package][:files],
        found <- Path.wildcard(Path.join(directory, pattern), match_dot: true),
        file <- if(File.dir?(found), do: all(found), else: [""]) do
      found |> Path.join(file) |> Path.relative_to(directory)
    end
  end

  defp sources(directory), do: @root |> Path.join(directory) |> all()

  defp all(directory) do
    for file <- Path.wildcard(Path.join(directory, "**"), match_dot: true),
        File.regular?(file),
        do: Path.relative_to(file, directory)
  end
end
