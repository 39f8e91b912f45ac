defmodule Linx.Netlink.Port.DeploymentTest do
  @moduledoc "The ways of docs/DEPLOYMENT.md, each on a machine of the test's own."

  use Linx.Netlink.Port.Test.Case, async: false

  import Linx.Netlink.Port.Test.Deployment

  alias Linx.Netlink.Port
  alias Linx.Netlink.Port.Test.{App, Beam, Deployment, Document, Machine, Resident, Unit}

  @start Deployment.start()
  @program Deployment.program()

  # linux/rtnetlink.h, linux/netfilter/nfnetlink.h, nf_tables.h and nfnetlink_conntrack.h
  @rtnlgrp_link 1
  @rtm_newlink 16
  @nfnlgrp_conntrack_new 1
  @nfnlgrp_nftables 7
  @new_table 10 * 256
  @new_connection 1 * 256

  @eperm 1

  setup do
    namespace = Namespace.create()
    address = ["address", "add", "192.0.2.1/24", "dev", namespace.bridge]
    Namespace.ip(["-n", namespace.name] ++ address)
    {:ok, namespace: namespace, name: {:name, namespace.name}}
  end

  describe "1, an ordinary user:" do
    setup do
      machine = install("1 ")
      {:ok, machine: machine, beam: deploy(machine, "1 ")}
    end

    test "reads links and addresses elsewhere", %{beam: beam} = context do
      assert Beam.call(beam, App, :capabilities, []) == [:net_admin, :sys_admin, :sys_ptrace]
      assert capabilities(beam) == []
      assert_looks_inside(beam, context.name, context.namespace)
    end

    test "names the namespace by another user's process", %{beam: beam} = context do
      resident = Resident.start(["ip", "netns", "exec", context.namespace.name])
      assert_looks_inside(beam, {:pid, resident.pid}, context.namespace)
    end

    test "hears rtnetlink", %{beam: beam} = context do
      :ok = Beam.call(beam, App, :listen, [:links, context.name, :route, [@rtnlgrp_link]])
      Namespace.ip(~w(-n #{context.namespace.name} link add heard type bridge))
      assert {@rtm_newlink, body} = Beam.call(beam, App, :hear, [:links])
      assert body =~ "heard\0"
    end

    test "hears netfilter, whose groups the port program joins", %{beam: beam} = context do
      assert {:error, :eperm} =
               Beam.call(beam, App, :join_later, [context.name, :netfilter, @nfnlgrp_nftables])

      groups = [@nfnlgrp_nftables, @nfnlgrp_conntrack_new]
      :ok = Beam.call(beam, App, :listen, [:netfilter, context.name, :netfilter, groups])

      nft(context.namespace, "add table inet heard")
      assert {@new_table, body} = Beam.call(beam, App, :hear, [:netfilter])
      assert body =~ "heard\0"
    end

    test "hears of connections", %{beam: beam} = context do
      groups = [@nfnlgrp_conntrack_new]
      :ok = Beam.call(beam, App, :listen, [:connections, context.name, :netfilter, groups])
      connect(context.namespace)
      assert {@new_connection, body} = Beam.call(beam, App, :hear, [:connections])
      assert :binary.match(body, <<192, 0, 2, 1>>) != :nomatch
    end

    test "changes nothing", %{beam: beam} = context do
      before = App.look(context.name)

      assert Beam.call(beam, App, :change, [context.name, "br", {192, 0, 2, 2}]) ==
               {:error, @eperm}

      assert App.look(context.name) == before
    end

    test "writes to no netlink socket of its client's", %{machine: machine} do
      assert_takes_no_socket(machine, "1 ", [@program, "--rendezvous", "@nobody-listens-here"])
    end

    test "only the group may execute the port program", %{machine: machine} do
      for {groups, status} <- [{"--clear-groups", 126}, {"--groups=netlink", 0}] do
        # By a shell: setpriv still has root's capabilities when it executes its command.
        command = "setpriv --reuid=65511 --regid=65511 #{groups} sh -c '#{@program} --version'"

        assert {_output, ^status} = Machine.try_run(machine, command)
      end
    end

    test "works where /proc hides the processes of others", %{machine: machine} = context do
      Machine.run(machine, "mount -t proc -o hidepid=invisible proc /proc")
      beam = deploy(machine, "1 ")
      # The port program is one of those, from the moment at which it has capabilities.
      for _time <- 1..100 do
        assert Beam.call(beam, App, :open_anew, [context.name, :route]) == :ok
      end

      assert_looks_inside(beam, context.name, context.namespace)
    end

    test "the port program ends with the BEAM", %{beam: beam} do
      assert_ends_together(beam)
    end
  end

  describe "2, an ordinary user with CAP_NET_ADMIN:" do
    test "changes things elsewhere", context do
      beam = "1 " |> install() |> deploy("2 ", config("1 "))
      assert Beam.call(beam, App, :capabilities, []) == [:net_admin, :sys_admin, :sys_ptrace]
      assert capabilities(beam) == [:net_admin]
      assert_looks_inside(beam, context.name, context.namespace)
      assert_changes(beam, context.name)
    end

    test "the port program writes to no netlink socket of its client's" do
      machine = install("1 ")
      assert_takes_no_socket(machine, "2 ", [@program, "--rendezvous", "@nobody-listens-here"])
    end

    test "not if the port program lacks it", context do
      machine = install("1 ")
      Machine.run(machine, "setcap cap_sys_admin=ep #{@program}")
      beam = deploy(machine, "2 ", config("1 "))
      assert_looks_inside(beam, context.name, context.namespace)

      assert Beam.call(beam, App, :change, [context.name, "br", {192, 0, 2, 2}]) ==
               {:error, @eperm}
    end
  end

  describe "3, root:" do
    test "changes things elsewhere, with nothing installed", context do
      beam = deploy(Machine.start(), "3 ")
      assert :sys_admin in Beam.call(beam, App, :capabilities, [])
      assert_looks_inside(beam, context.name, context.namespace)
      assert_changes(beam, context.name)
      assert_ends_together(beam)
    end

    test "the port program writes to no netlink socket of its client's" do
      command = [Port.Program.Executable.default(), "--rendezvous", "@nobody-listens-here"]

      assert_takes_no_socket(Machine.start(), "3 ", command)
    end
  end

  describe "4, sudo:" do
    setup do
      {:ok, machine: install("4 ")}
    end

    test "reads what the sudoers file allows, and nothing else", %{machine: machine} = context do
      beam = deploy(machine, "4 ")
      assert capabilities(beam) == []
      assert_looks_inside(beam, context.name, context.namespace)
      resident = Resident.start(["ip", "netns", "exec", context.namespace.name])

      assert Beam.call(beam, App, :open, [{:pid, resident.pid}, :route]) ==
               {:error, {:open, :eacces}}

      assert Beam.call(beam, App, :open, [context.name, :generic]) ==
               {:error, {:socket, :eacces}}

      assert Beam.call(beam, App, :change, [context.name, "br", {192, 0, 2, 2}]) ==
               {:error, @eperm}

      assert_ends_together(beam)
    end

    test "a port program that is stopped ends with the BEAM, however that ends", context do
      for finish <- [
            &Beam.kill/1,
            &Beam.finish(&1, System, :halt),
            &Beam.finish(&1, System, :stop),
            &Beam.finish(&1, :init, :stop)
          ] do
        beam = deploy(context.machine, "4 ")
        {:ok, %{program: %{os_pid: os_pid}}} = Beam.call(beam, Port, :info, [])
        sudo = parent(os_pid)
        stop(os_pid)
        # It stops together with what it has started.
        await_stopped(sudo)
        finish.(beam)
        await_gone(os_pid)
        await_gone(sudo)
      end
    end

    test "a port program that is stopped is replaced, and gone, though it can't be killed",
         context do
      beam = deploy(context.machine, "4 ")
      {:ok, %{program: %{os_pid: os_pid}}} = Beam.call(beam, Port, :info, [])
      sudo = parent(os_pid)
      stop(os_pid)

      assert Beam.call(beam, App, :open, [context.name, :route]) ==
               {:error, {:port, :etimedout}}

      await_gone(os_pid)
      await_gone(sudo)
      assert_looks_inside(beam, context.name, context.namespace)
    end

    test "changes things where the BEAM may, and the sudoers file lets it", context do
      config = config("4 ")
      beam = deploy(context.machine, "2 ", config)

      assert Beam.call(beam, App, :change, [context.name, "br", {192, 0, 2, 2}]) ==
               {:error, @eperm}

      sudoers = "/etc/sudoers.d/linx-netlink-port"
      Machine.run(context.machine, "sed --in-place 's/ --read-only//' #{sudoers}")
      config = update_in(config, [:linx_netlink_port, :args], &(&1 -- ["--read-only"]))
      beam = deploy(context.machine, "2 ", config)
      assert_changes(beam, context.name)
    end

    test "writes to no netlink socket of its client's", %{machine: machine} do
      name = "@linx-netlink-port-" <> String.duplicate("0f", 16)

      arguments =
        ~w(--rendezvous #{name} --netns-dir /run/netns --family netlink --protocol 0 --no-netns --read-only)

      assert_takes_no_socket(machine, "4 ", ["sudo", "-n", @program | arguments])
    end

    test "refuses to work where no privileges can be gained", %{machine: machine} do
      command = "setpriv --reuid=my_app --clear-groups --no-new-privs sh -c 'sudo -n true'"
      assert {output, 1} = Machine.try_run(machine, command)
      assert output =~ "no new privileges"
    end

    test "takes no other arguments", %{machine: machine} do
      [rule] = Regex.run(~r/\^.*\$$/m, Document.section!(page(), "4 "))
      name = "@linx-netlink-port-" <> String.duplicate("0f", 16)

      allowed =
        "--rendezvous #{name} --netns-dir /run/netns --family netlink --protocol 0 --no-netns --read-only"

      assert allowed =~ Regex.compile!(rule)
      # It runs, and finds nobody at the rendezvous.
      assert {_output, 3} = sudo(machine, allowed)

      for refused <- [
            "--rendezvous #{name}",
            "--rendezvous #{name} --netns-dir /run/netns --family netlink --protocol 0 --no-netns",
            "#{allowed} --protocol 16",
            "#{allowed} --netns-dir /",
            "--netns-dir / #{allowed}",
            "--rendezvous #{name}\\ --no-seccomp --netns-dir /run/netns --family netlink --protocol 0 --no-netns",
            "--rendezvous /etc/passwd --netns-dir /run/netns --family netlink --protocol 0 --no-netns",
            "--version"
          ] do
        assert {output, 1} = sudo(machine, refused)
        assert output =~ "a password is required"
      end
    end
  end

  describe "4a, sudo-rs and doas:" do
    setup do
      {:ok, machine: install("4a ")}
    end

    for {name, command} <- [{"any sudo", "sudo"}, {"sudo-rs", "sudo-rs"}, {"doas", "doas"}] do
      unless System.find_executable(command) do
        @tag skip: "#{command} is not installed; Debian has sudo-rs since 13"
      end

      test "#{name} starts it by a rule without patterns, and takes no other arguments",
           context do
        %{machine: machine} = context
        [rule] = codes("4a ", "text")
        Machine.run(machine, "echo '#{String.trim(rule)}' > /etc/doas.conf")
        launcher = [unquote(command), "-n"]
        config = put_in(config("4a "), [:linx_netlink_port, :launcher], launcher)
        beam = deploy(machine, "4a ", config)
        assert_looks_inside(beam, context.name, context.namespace)

        assert Beam.call(beam, App, :open, [context.name, :generic]) ==
                 {:error, {:socket, :eacces}}

        assert Machine.run(machine, "ls -A /opt/my_app/run") == ""
        assert_ends_together(beam)

        for refused <- ["", "--rendezvous @x", "--no-seccomp"] do
          assert {output, 1} = by(machine, unquote(command), refused)
          refute output =~ "linx-netlink-port:"
        end
      end
    end
  end

  describe "5, systemd:" do
    setup do
      machine = install("1 ")
      [install, variant] = page() |> Document.section!("5 ") |> Document.code("sh")
      {:ok, machine: machine, install: install, variant: variant}
    end

    test "the units are in order, and not too much exposed", %{machine: machine} = context do
      assert_in_order(Machine.run(machine, context.install))
      assert_in_order(Machine.run(machine, context.variant))
    end

    test "what is wrong with a unit is said", %{machine: machine} = context do
      Machine.run(machine, context.install)
      unit = "/etc/systemd/system/my_app.service"
      Machine.run(machine, "sed --in-place s/ProtectHome=yes/ProtectHomme=yes/ #{unit}")
      assert Machine.run(machine, "systemd-analyze verify #{unit}") =~ "ProtectHomme"
    end

    test "the unit as it is: the BEAM has CAP_NET_ADMIN only", context do
      beam = start_unit(context.machine, ["my_app.service"], config("1 "))
      assert capabilities(beam) == [:net_admin]
      assert_looks_inside(beam, context.name, context.namespace)
      assert_changes(beam, context.name)
    end

    test "the port program writes to no netlink socket of its client's", %{machine: machine} do
      command = [@program, "--rendezvous", "@nobody-listens-here"]

      for names <- [["my_app.service"], ["my_app.service", "no-new-privileges.conf"]] do
        started = &String.replace(Unit.command(units(names)), @start, fn _start -> &1 end)
        assert_takes_no_socket(machine, started, command)
      end
    end

    test "the other variant: no new privileges, and the BEAM has them all", context do
      beam = start_unit(context.machine, ["my_app.service", "no-new-privileges.conf"], [])
      assert capabilities(beam) == [:net_admin, :sys_admin, :sys_ptrace]
      assert_looks_inside(beam, context.name, context.namespace)
      assert_changes(beam, context.name)
    end

    test "no new privileges makes file capabilities void", context do
      beam = start_unit(context.machine, ["my_app.service"], config("1 "), "NoNewPrivileges=yes")
      # What the BEAM has, it may pass on.
      assert Beam.call(beam, App, :capabilities, []) == [:net_admin]
      assert Beam.call(beam, App, :open, [context.name, :route]) == {:error, {:setns, :eperm}}
    end

    test "a bounding set must have all of the port program's capabilities", context do
      [unit] = units(["my_app.service"])
      unit = String.replace(unit, "CAP_SYS_ADMIN CAP_SYS_PTRACE", "CAP_SYS_ADMIN")
      beam = Beam.start(context.machine, Unit.command([unit]), config("1 "))

      assert Beam.call(beam, App, :open, [context.name, :route]) == {:error, {:port, :epipe}}
    end
  end

  # It has nothing to say but the table of how much is exposed.
  defp assert_in_order(output) do
    assert output =~ "Overall exposure level for my_app.service"
    refute output =~ ~r/^\S+\.(service|conf):/m
  end

  defp parent(os_pid) do
    status = File.read!("/proc/#{os_pid}/status")
    [_line, parent] = Regex.run(~r/^PPid:\s*(\d+)$/m, status)
    parent
  end

  defp sudo(machine, arguments), do: by(machine, "sudo", arguments)

  defp by(machine, command, arguments) do
    user = "setpriv --reuid=my_app --regid=my_app --init-groups --inh-caps=-all --reset-env"
    Machine.try_run(machine, "#{user} #{command} -n #{@program} #{arguments} </dev/null")
  end

  # What happens in the namespace

  defp nft(namespace, command) do
    in_namespace(namespace, ["nft", command])
  end

  defp connect(namespace) do
    nft(namespace, """
    add table inet t; add chain inet t c { type filter hook output priority 0; };
    add rule inet t c ct state new accept
    """)

    Namespace.ip(~w(-n #{namespace.name} link set lo up))
    in_namespace(namespace, ["bash", "-c", "echo > /dev/udp/192.0.2.1/9"])
  end

  defp in_namespace(namespace, words) do
    {output, status} =
      System.cmd("ip", ["netns", "exec", namespace.name | words], stderr_to_stdout: true)

    assert status == 0, output
  end
end
