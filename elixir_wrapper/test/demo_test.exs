defmodule Linx.Netlink.Port.DemoTest do
  @moduledoc "script/demo, in a clone that belongs to an ordinary user, who has no privilege."

  use Linx.Netlink.Port.Test.Case, async: false

  alias Linx.Netlink.Port.Test.Machine

  @patience 60_000

  # Nothing has to be built: what is there is copied, and it is as new as its sources.
  @clone """
  useradd --system --user-group my_app
  mkdir --parents /opt/clone/elixir_wrapper/_build /opt/bin
  cp -r Cargo.toml Cargo.lock src script /opt/clone
  cd elixir_wrapper
  cp -r mix.exs .formatter.exs lib test /opt/clone/elixir_wrapper
  cp -r _build/test /opt/clone/elixir_wrapper/_build
  chown --recursive my_app: /opt/clone
  ln -s /bin/true /opt/bin/cargo
  """

  @demo "export MIX_ENV=test HOME=/opt/clone USER=my_app LC_ALL=C.UTF-8 PATH=$PATH:/opt/bin; exec " <>
          "setpriv --reuid=my_app --regid=my_app --init-groups --inh-caps=-all /opt/clone/script/demo"

  setup do
    machine = Machine.start()
    Machine.run(machine, @clone)
    {:ok, machine: machine}
  end

  test "shows the main job without root, and leaves nothing behind", %{machine: machine} do
    output = Machine.run(machine, @demo)
    assert output =~ "Running as an ordinary user"
    assert output =~ "holds\nno capability."
    assert output =~ ~r/veth-red +192\.0\.2\.1$/m
    assert output =~ ~r/br0 +198\.51\.100\.1$/m
    assert output =~ "no such file or directory (ENOENT)"
    assert output =~ ~r/cable +192\.0\.2\.2$/m
    assert output =~ ~S(192.0.2.2 says "hello")
    output |> holder() |> await_gone()
  end

  for {signal, moment} <- [
        INT: "Running as an ordinary user",
        TERM: "Running as an ordinary user",
        KILL: "Running as an ordinary user",
        KILL: "The BEAM is process"
      ] do
    test "leaves nothing behind after SIG#{signal} at \"#{moment}\"", %{machine: machine} do
      mark = "DEMO_TEST=#{System.pid()}-#{System.unique_integer([:positive])}"
      [command | words] = Machine.inside(machine, ["/bin/sh", "-c", "export #{mark}; #{@demo}"])
      options = [:binary, :exit_status, :stderr_to_stdout, args: words]
      port = Port.open({:spawn_executable, System.find_executable(command)}, options)
      # Every step executes the next one, so this is the script, and later the BEAM.
      {:os_pid, os_pid} = Port.info(port, :os_pid)
      output = await_output(port, "Running as an ordinary user")
      assert marked(mark) != []
      await_output(port, unquote(moment), output)

      # At the later moment it may be over before the signal is there.
      System.cmd("/bin/sh", ["-c", "kill -#{unquote(signal)} #{os_pid}"], stderr_to_stdout: true)
      assert_receive {^port, {:exit_status, _status}}, @patience
      mark |> marked() |> Enum.each(&await_gone/1)
      assert marked(mark) == []
    end
  end

  # The process with the namespaces.
  defp holder(output) do
    [pid] = Regex.run(~r{"/proc/(\d+)/root/}, output, capture: :all_but_first)
    pid
  end

  # The processes that were started with this in their environment.
  defp marked(mark) do
    for file <- Path.wildcard("/proc/[0-9]*/environ"),
        {:ok, environment} <- [File.read(file)],
        mark in String.split(environment, <<0>>),
        do: file |> Path.dirname() |> Path.basename()
  end
end
