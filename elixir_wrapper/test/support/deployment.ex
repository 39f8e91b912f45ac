defmodule Linx.Netlink.Port.Test.Deployment do
  @moduledoc """
  The ways of docs/DEPLOYMENT.md: what stands there is done, on a machine of the test's own, and the application that
  is started so is asked what it can do.
  """

  import ExUnit.Assertions
  import Linx.Netlink.Port.Test.Helpers, only: [await_gone: 1]

  alias Linx.Netlink.Port
  alias Linx.Netlink.Port.Test.{App, Beam, Document, Fixture, Machine, Namespace, Unit}

  @page "docs/DEPLOYMENT.md"
  @start "/opt/my_app/bin/my_app start"
  @program "/opt/linx-netlink-port/linx-netlink-port"

  @doc "The page."
  def page, do: @page

  @doc "The command that starts the application there."
  def start, do: @start

  @doc "The port program that is installed there."
  def program, do: @program

  @doc "A machine on which a section has been followed, up to the start of the application."
  def install(section) do
    machine = Machine.start()
    @page |> Document.section!(section) |> Document.code("sh") |> Enum.each(&install(machine, &1))
    machine
  end

  defp install(machine, code), do: unless(code =~ @start, do: Machine.run(machine, code))

  @doc "Starts the application as a section says."
  def deploy(machine, section), do: deploy(machine, section, config(section))

  def deploy(machine, section, config) do
    Beam.start(machine, command(section), config)
  end

  defp command(section) do
    [command] = for code <- codes(section, "sh"), code =~ @start, do: String.trim(code)
    command
  end

  @doc "The configuration of a section."
  def config(section) do
    text = Enum.map_join(codes(section, "elixir"), &("import Config\n" <> &1))
    path = Path.join(Fixture.directory(), "runtime.exs")
    File.write!(path, text)
    Config.Reader.read!(path)
  end

  @doc "The code of a section."
  def codes(section, language),
    do: @page |> Document.section!(section) |> Document.code(language)

  @doc "Starts the application as systemd's units say."
  def start_unit(machine, names, config, more \\ "") do
    Beam.start(machine, Unit.command(units(names) ++ [more]), config)
  end

  @doc "What units say."
  def units(names), do: Enum.map(names, &Document.read!("docs/systemd/#{&1}"))

  @doc "The application sees what is in the test's namespace."
  def assert_looks_inside(beam, netns, namespace) do
    seen = Beam.call(beam, App, :look, [netns])
    index = Map.fetch!(seen.links, namespace.bridge)
    assert {index, {192, 0, 2, 1}} in seen.addresses
    assert seen == App.look({:name, namespace.name})
    refute seen.cookie == Namespace.host_cookie()
  end

  @doc "The application may change what is in a namespace."
  def assert_changes(beam, netns) do
    assert :ok = Beam.call(beam, App, :change, [netns, "br", {192, 0, 2, 2}])
    seen = App.look(netns)
    assert {seen.links["br"], {192, 0, 2, 2}} in seen.addresses
    refute Map.has_key?(App.look(:host).links, "br")
  end

  @doc "The port program ends with its application."
  def assert_ends_together(beam) do
    {:ok, %{program: %{os_pid: os_pid}}} = Beam.call(beam, Port, :info, [])
    Beam.kill(beam)
    await_gone(os_pid)
  end

  @doc """
  Started as the release of a section is, or by a command, and handed a netlink socket as each of its streams, the
  port program says nothing at all.
  """
  def assert_takes_no_socket(machine, section, command) when is_binary(section) do
    assert_takes_no_socket(machine, &String.replace(command(section), @start, &1), command)
  end

  def assert_takes_no_socket(machine, started, command) when is_function(started) do
    hand_over = """
    import socket, subprocess, sys
    for number in range(3):
        streams = [subprocess.DEVNULL, subprocess.PIPE, subprocess.PIPE]
        streams[number] = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        ended = subprocess.run(sys.argv[1:], stdin=streams[0], stdout=streams[1], stderr=streams[2])
        print(number, ended.returncode, ended.stdout or b"", ended.stderr or b"")
    """

    path = "/opt/hand_over.py"
    Machine.run(machine, "cat > #{path} <<'EOF'\n#{hand_over}EOF\nchmod 0644 #{path}")
    words = Enum.join(["/usr/bin/python3", path | command], " ")
    assert Machine.run(machine, started.(words)) == "0 4 b'' b''\n1 4 b'' b''\n2 4 b'' b''\n"
  end

  @doc "The capabilities of the application, as the kernel says, of those that matter here."
  def capabilities(beam) do
    status = Beam.call(beam, File, :read!, ["/proc/self/status"])
    [_line, effective] = Regex.run(~r/^CapEff:\t(\w+)$/m, status)
    mask = String.to_integer(effective, 16)
    known = [net_admin: 12, sys_admin: 21, sys_ptrace: 19]
    for {name, bit} <- known, Bitwise.band(mask, Bitwise.bsl(1, bit)) != 0, do: name
  end
end
