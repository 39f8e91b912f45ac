defmodule Linx.Netlink.Port.Test.Machine do
  @moduledoc """
  A machine to install things on, as the pages in `docs/` say, and nothing of it stays.

  It is a mount namespace in which /etc is a copy and /opt is empty, and everything else is as outside,
  network namespaces made before included. So users and groups can be added, sudo be given rules, and a
  program privileges. All of it is gone with the last process there, even when the test is killed.

  In /opt/my_app there is what stands for a release: it runs the code under test, and takes more
  arguments for the BEAM.
  """

  import ExUnit.Assertions

  alias Linx.Netlink.Port.Test.Resident

  @enforce_keys [:resident]
  defstruct @enforce_keys

  @repository Path.expand("../../..", __DIR__)

  @prepare """
  mount -t tmpfs -o mode=0755 tmpfs /opt
  mkdir /opt/etc
  cp --archive /etc/. /opt/etc
  mount --bind /opt/etc /etc
  umount --lazy /opt
  mount -t tmpfs -o mode=0755 tmpfs /opt
  exec "$@"
  """

  @doc "Makes one. It lives as long as the calling process."
  def start do
    machine = empty()
    release(machine)
    machine
  end

  @doc "The same, with a copy of a release of this name in /opt/my_app."
  def start(release, name) do
    machine = empty()

    run(
      machine,
      "cp --archive '#{release}' /opt/my_app; mv /opt/my_app/bin/#{name} /opt/my_app/bin/my_app"
    )

    machine
  end

  defp empty do
    words = ~w(unshare --mount --propagation slave /bin/sh -euc) ++ [@prepare, "prepare"]
    %__MODULE__{resident: Resident.start(words)}
  end

  @doc "Runs a shell script as root, in the directory of the repository. Returns what it prints."
  def run(machine, script) do
    {output, status} = try_run(machine, script)
    assert status == 0, "#{script}\n#{output}"
    output
  end

  @doc "The same, of which nobody knows whether it works: what it prints, and its status."
  def try_run(machine, script) do
    [command | words] = inside(machine, ["/bin/sh", "-euc", script])
    System.cmd(command, words, cd: @repository, stderr_to_stdout: true)
  end

  @doc "Adds an ordinary user, and returns the command that starts the release as that user, without privilege."
  def ordinary_user(machine) do
    run(machine, "useradd --system --user-group my_app")

    "setpriv --reuid=my_app --regid=my_app --init-groups --inh-caps=-all --reset-env " <>
      "/opt/my_app/bin/my_app start"
  end

  @doc "The words that run a command there."
  def inside(machine, words) do
    ["nsenter", "--mount=/proc/#{machine.resident.pid}/ns/mnt", "--wd=#{@repository}"] ++ words
  end

  defp release(machine) do
    mounts =
      for {directory, place} <- libraries(), place = "/opt/my_app/lib/#{place}" do
        "mkdir --parents #{place}; mount --bind '#{directory}' #{place}\n"
      end

    run(machine, """
    #{mounts}
    mkdir /opt/my_app/bin
    cat > /opt/my_app/bin/my_app <<'EOF'
    #!/bin/sh -e
    [ "$1" = start ] && shift
    ERL_LIBS=/opt/my_app/lib exec '#{System.find_executable("erl")}' "$@"
    EOF
    chmod 0755 /opt/my_app/bin/my_app
    """)
  end

  # Bound, rather than copied: where they are, an ordinary user may not get to.
  defp libraries do
    ours = Application.app_dir(:linx_netlink_port)

    [
      {Path.join(ours, "ebin"), "linx_netlink_port/ebin"},
      {Path.join(ours, "priv"), "linx_netlink_port/priv"},
      {Application.app_dir(:elixir, "ebin"), "elixir/ebin"},
      {Application.app_dir(:logger, "ebin"), "logger/ebin"}
    ]
  end
end
