defmodule Linx.Netlink.Port.ServicesTest do
  @moduledoc """
  An ordinary user's BEAM, whose port program has capabilities, serves and uses what is in other network
  namespaces, by the modules that everybody uses: `:gen_tcp`, `:ssl`, `:gen_udp`, `:socket`.
  """

  use Linx.Netlink.Port.Test.Case, async: false

  alias Linx.Netlink.Port
  alias Linx.Netlink.Port.Test.{App, Lab, Machine, Services}

  @program "/opt/linx-netlink-port/linx-netlink-port"
  @capabilities "cap_net_admin,cap_net_bind_service,cap_net_raw,cap_sys_admin,cap_sys_ptrace=ep"
  # One machine for all of them: nothing that they do is seen outside their namespaces.
  setup_all do
    machine = Machine.start()

    Machine.run(machine, """
    install -D --mode 0755 #{Port.Program.Executable.default()} #{@program}
    setcap #{@capabilities} #{@program}
    """)

    command = Machine.ordinary_user(machine)
    {:ok, beam: Beam.start(machine, command, linx_netlink_port: [executable: @program])}
  end

  setup do
    namespace = Namespace.create()
    Namespace.ip(~w(-n #{namespace.name} link set lo up))
    {:ok, socket} = Port.open(namespace.path, :route)
    {:ok, namespace: namespace, cookie: Namespace.cookie(socket)}
  end

  test "a network of its own is made, and configured, by the BEAM without a capability",
       context do
    lab = Beam.call(context.beam, Lab, :build_and_talk, ["hello"])
    assert lab.said == {{192, 0, 2, 2}, "hello"}
    assert [_red, _blue] = Enum.uniq(lab.cookies -- [context.cookie, Namespace.host_cookie()])
  end

  test "the BEAM has no capability, the port program has", %{beam: beam} do
    assert Beam.call(beam, File, :read!, ["/proc/self/status"]) =~ ~r/^CapEff:\t0+$/m
    assert :sys_admin in Beam.call(beam, App, :capabilities, [])
  end

  for {function, port} <- [http: 80, https: 443] do
    test "#{function} on port #{port}, which only the namespace sees", context do
      arguments = [context.namespace.path, unquote(port)]
      seen = Beam.call(context.beam, Services, unquote(function), arguments)
      assert seen.said =~ "hello"
      assert Enum.uniq(seen.cookies) == [context.cookie]
      refute seen.outside?
    end
  end

  test "datagrams go both ways, from port 53, which only the namespace sees", context do
    seen = Beam.call(context.beam, Services, :udp, [context.namespace.path])
    assert seen.said == "back"
    assert Enum.uniq(seen.cookies) == [context.cookie]
    refute seen.outside?
  end

  test "a neighbour pings by a raw socket, and a packet socket sees it", context do
    neighbour = Namespace.create()
    here = context.namespace.name
    Namespace.ip(~w(-n #{here} link add v0 type veth peer name v0 netns #{neighbour.name}))

    for {name, address} <- [{here, "192.0.2.1/24"}, {neighbour.name, "192.0.2.2/24"}] do
      Namespace.ip(~w(-n #{name} address add #{address} dev v0))
      Namespace.ip(~w(-n #{name} link set v0 up))
    end

    arguments = [neighbour.path, context.namespace.path, {192, 0, 2, 1}]
    ping = Beam.call(context.beam, Services, :ping, arguments)
    assert <<_ether::112, _ip::96, 192, 0, 2, 2, 192, 0, 2, 1, 8, _::binary>> = ping.seen
    assert <<_ip::96, 192, 0, 2, 1, 192, 0, 2, 2, 0, _::binary>> = ping.answer
    assert [cookie, other] = ping.cookies
    assert cookie == context.cookie
    refute other in [cookie, Namespace.host_cookie()]
    {:ok, socket} = Port.open(context.namespace.path, :route)
    index = Rtnetlink.links(socket)["v0"]
    arguments = [context.namespace.path, index]
    assert Beam.call(context.beam, Services, :packet_address, arguments) == {true, index}
  end
end
