defmodule Linx.Netlink.Port.LabTest do
  @moduledoc """
  Networks of a process's own, made by an ordinary user without any capability, and by root.
  """

  use Linx.Netlink.Port.Test.Case, async: false

  alias Linx.Netlink.Port
  alias Linx.Netlink.Port.Test.{App, Lab, Machine}

  describe "an ordinary user:" do
    setup do
      machine = Machine.start()
      {:ok, beam: Beam.start(machine, Machine.ordinary_user(machine))}
    end

    test "a network is made, and used, without any capability", %{beam: beam} do
      assert Beam.call(beam, App, :capabilities, []) == []
      status = Beam.call(beam, File, :read!, ["/proc/self/status"])
      assert status =~ ~r/^CapEff:\t0+$/m
      refute Beam.call(beam, File, :stat!, ["/proc/self"]).uid == 0
      lab = Beam.call(beam, Lab, :build_and_talk, ["hello"])
      assert lab.said == {{192, 0, 2, 2}, "hello"}
      assert [red, blue] = lab.cookies
      assert red != blue
      refute Namespace.host_cookie() in lab.cookies
    end

    test "all of it is gone with the process that made it", %{beam: beam} do
      assert_gone(beam, fn keeper -> Beam.call(beam, Process, :exit, [keeper, :kill]) end)
    end

    test "all of it is gone with the BEAM", %{beam: beam} do
      assert_gone(beam, fn _keeper -> Beam.kill(beam) end)
    end

    test "all of it is gone when the application is stopped, and then the process ends",
         context do
      assert_gone(context.beam, fn keeper ->
        :ok = Beam.call(context.beam, Application, :stop, [:linx_netlink_port])
        Beam.call(context.beam, Process, :exit, [keeper, :kill])
      end)
    end

    # The kernel lists no namespace that only descriptors refer to. So an interface of the test's own is tied
    # to each: it is there as long as the namespace.
    defp assert_gone(beam, kill) do
      {keeper, fds} = Beam.call(beam, Lab, :keep, [])
      os_pid = Beam.call(beam, System, :pid, [])

      ties = Enum.map(fds, &Namespace.tie_descriptor(&1, os_pid))
      for tie <- ties, do: assert(File.exists?("/sys/class/net/#{tie}"))
      kill.(keeper)
      Enum.each(ties, &Namespace.await_gone/1)
    end
  end

  test "a link leads from one port program's namespace to another's if it is sent with an address" do
    machine = Machine.start()
    beam = Beam.start(machine, Machine.ordinary_user(machine))

    assert Beam.call(beam, Lab, :link_between_programs, []) == %{
             plain: {:error, 1},
             addressed: :ok
           }
  end

  test "a limit of the system's is ENOSPC, and the message names it" do
    machine = Machine.start()
    # In a user namespace, the limit is its own.
    [user, start] = machine |> Machine.ordinary_user() |> String.split(" /opt", parts: 2)

    limited =
      "#{user} unshare --user --map-root-user sh -c " <>
        "'echo 2 >/proc/sys/user/max_net_namespaces; exec /opt#{start} \"$@\"' sh"

    beam = Beam.start(machine, limited)
    {made, message} = Beam.call(beam, Lab, :make_all, [])
    assert made == 2
    assert message =~ "ENOSPC"
    assert message =~ "user.max_net_namespaces"
  end

  for owner <- [:system, :user] do
    test "root makes one for the #{owner}" do
      lab = Lab.build(owner: unquote(owner))
      assert Lab.talk(lab, "hello") == {{192, 0, 2, 2}, "hello"}
      Enum.each([lab.red, lab.blue], &Port.close_netns/1)
    end
  end
end
