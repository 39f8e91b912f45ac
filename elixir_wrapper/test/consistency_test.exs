defmodule Linx.Netlink.Port.ConsistencyTest do
  @moduledoc "The documents say what the code does: all of it, and nothing else."

  use ExUnit.Case, async: true

  alias Linx.Netlink.Port.{Errno, Error, Options, Settings}
  alias Linx.Netlink.Port.Test.Fixture

  @root Path.expand("../..", __DIR__)
  @documents [Path.join(@root, "README.md") | Path.wildcard(Path.join(@root, "docs/*.md"))]

  defp read(name), do: @root |> Path.join(name) |> File.read!()
  defp program, do: Application.app_dir(:linx_netlink_port, "priv/linx-netlink-port")

  defp help do
    {help, 0} = System.cmd(program(), ["--help"])
    help
  end

  defp all(regex, text), do: regex |> Regex.scan(text, capture: :all_but_first) |> Enum.map(&hd/1)

  # What stands in the first column of the tables of a section, in code.
  defp first_column(name, heading) do
    ~r/^\| `([^|`]+)` /m |> all(section(name, heading))
  end

  # From a heading to the next one like it.
  defp section(name, heading) do
    [_before, section] = String.split(read(name), "\n## " <> heading, parts: 2)
    section |> String.split("\n## ") |> hd()
  end

  defp scripts do
    for path <- Path.wildcard(Path.join(@root, "script/*")),
        File.regular?(path) and Path.extname(path) == "",
        do: Path.relative_to(path, @root)
  end

  defp documented_everywhere, do: Enum.map_join(@documents, "\n", &File.read!/1)

  # What the module's own words on a mistake say it knows.
  defp known(fun) do
    message = assert_raise(ArgumentError, fun).message
    [_before, known] = String.split(message, "; known are ")
    all(~r/:(\w+)/, known)
  end

  test "the version is the same everywhere" do
    [version] = Regex.run(~r/^version = "(.*)"$/m, read("Cargo.toml"), capture: :all_but_first)
    assert Mix.Project.config()[:version] == version
    assert {"linx-netlink-port " <> said, 0} = System.cmd(program(), ["--version"])
    assert String.trim(said) == version
    assert all(~r/^Version ([\d.]+)/m, read("README.md")) == [version]
    assert read("CHANGELOG.md") =~ ~r/^## (Unreleased|#{Regex.escape(version)})/m

    for told <- all(~r/version => <<"([\d.]+)">>/, documented_everywhere()),
        do: assert(told == version)
  end

  test "what it takes to build it is the same everywhere" do
    [rust] = Regex.run(~r/^rust-version = "(.*)"$/m, read("Cargo.toml"), capture: :all_but_first)

    compiler = "elixir_wrapper/lib/mix/tasks/compile.linx_netlink_port.ex"

    for name <- ["README.md", "script/setup", compiler] do
      assert {name, [rust]} ==
               {name, ~r/Rust ([\d.]+) or newer/ |> all(read(name)) |> Enum.uniq()}
    end

    [elixir] = all(~r/Elixir ([\d.]+) and OTP \d+, or newer/, read("README.md"))
    assert Mix.Project.config()[:elixir] == "~> " <> elixir
  end

  test "every flag is documented, and no other" do
    flags = ~r/^  (--[a-z-]+)/m |> all(help()) |> MapSet.new()
    text = documented_everywhere()

    for flag <- flags,
        flag not in ~w(--help --version),
        do: assert(text =~ flag, "#{flag} is not documented")

    # The scripts', and the REPL's.
    others = for name <- scripts(), do: read(name)
    sources = Enum.join([read("repl/src/args.rs") | others])

    for flag <- all(~r/`(--[a-z][a-z-]+)/, text), flag not in flags do
      field = flag |> String.trim_leading("-") |> String.replace("-", "_")
      assert sources =~ flag or sources =~ ~r/\b#{field}:/, "#{flag} is documented, but unknown"
    end
  end

  # A directory with the programs that it takes to print, and no others: what a script would start fails.
  defp tools do
    directory = Fixture.directory()

    for tool <- ~w(basename bash dirname sed),
        do: File.ln_s!(System.find_executable(tool), Path.join(directory, tool))

    directory
  end

  defp run(script, argument, tools) do
    options = [env: [{"PATH", tools}], stderr_to_stdout: true]
    System.cmd(Path.join(@root, script), [argument], options)
  end

  test "every script says what it does and how long that takes, and starts nothing" do
    tools = tools()

    for script <- scripts() do
      assert {^script, {help, 0}} = {script, run(script, "--help", tools)}
      assert help =~ ~r/\A[A-Z][^.]+\.\s/
      assert help =~ "    " <> script
      assert help =~ ~r/\b(second|minute)s?\b/, "#{script} doesn't say how long it takes"
    end
  end

  test "every script refuses what it doesn't know" do
    tools = tools()

    # The REPL itself refuses what is not for it.
    for script <- scripts() -- ["script/repl"] do
      assert {^script, {said, 2}} = {script, run(script, "--colour", tools)}
      assert said =~ "#{script}: unknown argument --colour (see --help)\n"
    end
  end

  test "every script is in CONTRIBUTING, and how long it takes" do
    commands = first_column("docs/CONTRIBUTING.md", "Commands")
    assert scripts() -- Enum.map(commands, &(&1 |> String.split() |> hd())) == []
    rows = ~r/^\| `.*\| ([^|]+) \|$/m |> all(section("docs/CONTRIBUTING.md", "Commands"))
    assert length(rows) == length(commands)
    for duration <- rows, do: assert(duration =~ ~r/second|minute/)
  end

  test "every option of a socket is in the protocol, and no other" do
    known = known(fn -> Options.wire!([colour: :blue], 0) end) -- ["server", "timeout"]
    table = first_column("docs/PROTOCOL.md", "Requests")
    # The other rows are what is asked for, where, and of which kind.
    options = Enum.filter(table, &(&1 =~ ~r/^[a-z0-9_]+$/)) -- ["info", "new", "netns"]
    assert Enum.sort(options) == Enum.sort(known)
    {:docs_v1, _, _, _, _, _, functions} = Code.fetch_docs(Linx.Netlink.Port)
    [open] = for {{:function, :open, 3}, _, _, %{"en" => text}, _} <- functions, do: text
    for option <- known ++ ["server", "timeout"], do: assert(open =~ "`:#{option}`")
  end

  test "every setting is documented" do
    {:docs_v1, _, _, _, %{"en" => module}, _, functions} = Code.fetch_docs(Linx.Netlink.Port)
    [start] = for {{:function, :start_link, 1}, _, _, %{"en" => text}, _} <- functions, do: text
    known = known(fn -> Settings.new!(colour: :blue) end)
    for setting <- known, do: assert(start =~ "`:#{setting}`")
    for setting <- known -- ["name"], do: assert(module =~ ~r/^ +#{setting}: /m)
  end

  test "every stage is in the protocol, and the wrapper knows it" do
    stages = all(~r/Stage::\w+ => "(\w+)"/, read("src/wire/failure.rs"))
    assert length(stages) > 5
    answers = first_column("docs/PROTOCOL.md", "Answers")
    named = Enum.filter(answers, &(&1 =~ ~r/^\w+$/))
    assert Enum.drop_while(named, &(&1 != hd(stages))) |> Enum.take(length(stages)) == stages

    assert Enum.sort(wrapper_stages()) == Enum.sort(["port" | stages])
  end

  test "every protocol error is in the protocol" do
    errors = all(~r/ProtocolError::\w+ => "(\w+)"/, read("src/wire/request.rs"))
    assert length(errors) > 5
    table = first_column("docs/PROTOCOL.md", "What can't be read")
    assert Enum.sort(table) == Enum.sort(errors)
  end

  test "every exit status is in the protocol and in --help" do
    sources = read("src/main.rs") <> read("src/confine/panics.rs")
    statuses = all(~r/^const \w+: (?:u8|i32) = (\d+);/m, sources)
    assert length(statuses) > 3
    table = ~r/^\| (\d+) /m |> all(section("docs/PROTOCOL.md", "Ending"))
    assert Enum.sort(table) == Enum.sort(["0" | statuses])
    [said] = Regex.run(~r/Exit status:(.*)/s, help(), capture: :all_but_first)
    assert all(~r/(\d+)/, said) == table
  end

  describe "docs/TROUBLESHOOTING.md" do
    @page "docs/TROUBLESHOOTING.md"
    # EIDRM
    @unlikely 43

    test "has a section for every stage, and a row for every error that has a remedy" do
      for stage <- wrapper_stages() do
        rows = rows(stage)
        assert rows != [], "#{stage} is not in #{@page}"

        for errno <- remedied(stage),
            do: assert(":#{errno}" in rows, "#{stage}, #{errno} is not in #{@page}")

        for ":" <> errno <- rows,
            do: assert(known_errno?(errno), "#{stage} has an unknown #{errno}")
      end
    end

    test "has a row for whatever the wrapper or its port program puts into the log" do
      said =
        for {files, pattern} <- %{
              "program.ex" => ~r/"(?:speaks version|closed|said|prints|lost) [^"#]*"/,
              "program/said.ex" => ~r/"(?:sent|could) [^"#]*"/,
              "server/*.ex" => ~r/"[^"\n]*(?:dropped|replaced|within)[^"\n]*"/
            },
            path <- Path.wildcard(@root <> "/elixir_wrapper/lib/linx/netlink/port/" <> files),
            [line] <- Regex.scan(pattern, File.read!(path)),
            do: String.trim(line, "\"")

      assert length(said) > 6
      quoted = first_column(@page, "In the log")
      for line <- said, do: assert(Enum.any?(quoted, &(line =~ &1)), "no row says: #{line}")
    end

    test "quotes what is said" do
      sources =
        [@root <> "/src/**/*.rs", @root <> "/elixir_wrapper/lib/**/*.ex"]
        |> Enum.flat_map(&Path.wildcard/1)
        |> Enum.map_join("\n", &File.read!/1)

      for heading <- ["In the log", "When the port program is started", "When it is compiled"],
          quoted = first_column(@page, heading),
          assert(quoted != []),
          line <- quoted,
          do: assert(sources =~ line, "nothing says: #{line}")
    end

    defp rows(stage) do
      [section] =
        for section <- @page |> read() |> String.split("\n## ") |> tl(),
            section |> String.split("\n") |> hd() =~ "`:#{stage}`",
            do: section

      all(~r/^\| `(:\w+)` /m, section)
    end

    # Those that have a remedy of their own, not only the stage's.
    defp remedied(stage) do
      for code <- 1..133,
          errno = Errno.to_atom(code),
          errno != :unknown,
          netns <- [{:name, "blue"}, {:pid, 1}, "/a", nil],
          remedy(stage, code, netns) != remedy(stage, @unlikely, netns),
          uniq: true,
          do: errno
    end

    defp remedy(stage, code, netns) do
      message =
        stage
        |> String.to_existing_atom()
        |> Error.new(code, netns, :route)
        |> Exception.message()

      message |> String.split("; ", parts: 2) |> tl()
    end

    defp known_errno?(errno) do
      errno = String.to_existing_atom(errno)
      errno == errno |> Errno.to_code() |> Errno.to_atom()
    end
  end

  test "relative links lead somewhere" do
    for document <- [Path.join(@root, "CHANGELOG.md") | @documents],
        link <- document |> File.read!() |> without_code() |> links(),
        not (link =~ ~r/^[a-z]+:/) do
      {path, anchor} =
        case String.split(link, "#", parts: 2) do
          ["", anchor] -> {document, anchor}
          [path, anchor] -> {Path.expand(path, Path.dirname(document)), anchor}
          [path] -> {Path.expand(path, Path.dirname(document)), nil}
        end

      assert File.exists?(path), "#{document}: #{link} leads nowhere"
      if anchor, do: assert(anchor in anchors(path), "#{document}: #{link} leads nowhere")
    end
  end

  defp links(text), do: all(~r/\]\(([^)\s]+)\)/, text)

  defp without_code(text) do
    text |> String.replace(~r/^```.*?^```$/ms, "") |> String.replace(~r/`[^`\n]+`/, "")
  end

  # As the hosts of repositories make them of headings.
  defp anchors(path) do
    for heading <- all(~r/^#+ (.*)$/m, File.read!(path)) do
      heading
      |> String.downcase()
      |> String.replace(~r/[^\w\- ]/u, "")
      |> String.replace(" ", "-")
    end
  end

  defp wrapper_stages do
    {:ok, types} = Code.Typespec.fetch_types(Error)
    [{:type, _, :union, stages}] = for {:type, {:stage, type, []}} <- types, do: type
    for {:atom, _, stage} <- stages, do: Atom.to_string(stage)
  end
end
