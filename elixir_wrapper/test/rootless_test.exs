defmodule Linx.Netlink.Port.RootlessTest do
  @moduledoc """
  An ordinary user, an ordinary port program, and a network namespace that belongs to the user. No
  process has a capability, but the test itself, which compares.
  """

  use Linx.Netlink.Port.Test.Case, async: false

  alias Linx.Netlink.Port.Test.{App, Beam, Document, Machine, Resident}

  @rtnlgrp_link 1
  @rtnlgrp_ipv4_ifaddr 5
  @rtm_newlink 16
  @rtm_newaddr 20

  @page "docs/DEPLOYMENT.md"

  setup do
    machine = Machine.start()
    Machine.run(machine, "useradd --system --user-group my_app")
    section = Document.section!(@page, "6 ")
    [command] = Document.code(section, "sh")
    [container] = Document.code(section, "console")
    command = String.trim(command)
    beam = Beam.start(machine, command)
    {:ok, machine: machine, command: command, beam: beam, container: String.split(container)}
  end

  setup %{beam: beam, container: container} do
    {:ok, netns: {:pid, settle(beam, container)}}
  end

  test "nothing has a capability", %{beam: beam} do
    assert Beam.call(beam, App, :capabilities, []) == []
    status = Beam.call(beam, File, :read!, ["/proc/self/status"])

    assert [[zeros], [zeros]] =
             Regex.scan(~r/^Cap(?:Eff|Prm):\t(\w+)$/m, status, capture: :all_but_first)

    assert String.to_integer(zeros, 16) == 0
    refute Beam.call(beam, File, :stat!, ["/proc/self"]).uid == 0
  end

  test "links are listed", %{beam: beam, netns: netns} do
    seen = Beam.call(beam, App, :look, [netns])
    assert seen == App.look(netns)
    assert Map.keys(seen.links) == ["lo"]
    refute seen.cookie == Namespace.host_cookie()
  end

  test "a path names it as well", %{beam: beam, netns: {:pid, pid} = netns} do
    assert Beam.call(beam, App, :look, ["/proc/#{pid}/ns/net"]) == App.look(netns)
  end

  test "a bridge is made, and gets an address", %{beam: beam, netns: netns} do
    assert :ok = Beam.call(beam, App, :change, [netns, "br", {192, 0, 2, 1}])
    seen = App.look(netns)
    assert seen.addresses == [{seen.links["br"], {192, 0, 2, 1}}]
    refute Map.has_key?(App.look(:host).links, "br")
  end

  test "events are heard", %{beam: beam, netns: netns} do
    groups = [@rtnlgrp_link, @rtnlgrp_ipv4_ifaddr]
    :ok = Beam.call(beam, App, :listen, [:events, netns, :route, groups])
    :ok = Beam.call(beam, App, :change, [netns, "br", {192, 0, 2, 1}])
    assert {@rtm_newlink, body} = Beam.call(beam, App, :hear, [:events])
    assert body =~ "br\0"
    assert {@rtm_newaddr, body} = Beam.call(beam, App, :hear, [:events])
    assert :binary.match(body, <<192, 0, 2, 1>>) != :nomatch
  end

  test "many sockets lie in the containers that they were asked for", %{beam: beam} = context do
    other = {:pid, settle(beam, context.container)}
    cookies = Map.new([context.netns, other], &{&1, App.look(&1).cookie})
    order = [other, context.netns, context.netns, other]
    assert Beam.call(beam, App, :cookies, [order]) == Enum.map(order, &cookies[&1])
    assert cookies[context.netns] != cookies[other]
  end

  test "a user namespace within the user namespace is entered too", context do
    nested = {:pid, settle(context.beam, ~w(unshare --user --map-root-user) ++ context.container)}
    assert :ok = Beam.call(context.beam, App, :change, [nested, "br", {192, 0, 2, 1}])
    assert Map.has_key?(App.look(nested).links, "br")
  end

  test "no new privileges are needed", %{machine: machine, command: command, netns: netns} do
    beam = Beam.start(machine, String.replace(command, "setpriv", "setpriv --no-new-privs"))
    assert :ok = Beam.call(beam, App, :change, [netns, "br", {192, 0, 2, 1}])
  end

  test "what is not the user's stays closed", %{beam: beam} do
    namespace = Namespace.create()

    assert Beam.call(beam, App, :open, [{:name, namespace.name}, :route]) ==
             {:error, {:setns, :eperm}}

    resident = Resident.start(["ip", "netns", "exec", namespace.name])

    assert Beam.call(beam, App, :open, [{:pid, resident.pid}, :route]) ==
             {:error, {:open, :eacces}}
  end

  test "--no-userns turns it off", %{machine: machine, command: command, netns: netns} do
    config = [linx_netlink_port: [args: ["--no-userns"]]]
    beam = Beam.start(machine, command, config)
    assert Beam.call(beam, App, :open, [netns, :route]) == {:error, {:setns, :eperm}}
  end

  defp settle(beam, command), do: Beam.call(beam, App, :settle, [command])
end
