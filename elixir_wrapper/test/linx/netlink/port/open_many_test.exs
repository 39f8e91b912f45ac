defmodule Linx.Netlink.Port.OpenManyTest do
  @moduledoc "`open_many/2`."

  use Linx.Netlink.Port.Test.Case

  alias Linx.Netlink.Port
  alias Linx.Netlink.Port.Error

  test "has one result an entry, in order" do
    [one, two] = [Namespace.create(), Namespace.create()]

    assert {:ok, results} =
             Port.open_many([
               {{:name, one.name}, :route},
               {{:name, "lnp-none"}, :route},
               {:host, :generic},
               {two.path, :route, groups: 1},
               {"/etc/passwd", 0},
               {"a\0b", 0},
               {{:name, one.name}, 99}
             ])

    assert [
             {:ok, in_one},
             {:error, %Error{stage: :open, errno: :enoent, netns: {:name, "lnp-none"}}},
             {:ok, here},
             {:ok, in_two},
             {:error, %Error{stage: :setns, errno: :einval, netns: "/etc/passwd"}},
             {:error, %Error{stage: :open, errno: :einval}},
             {:error, %Error{stage: :socket, errno: :eprotonosupport, protocol: 99}}
           ] = results

    Namespace.assert_inside(in_one, one)
    Namespace.assert_inside(in_two, two)
    assert Namespace.cookie(here) == Namespace.host_cookie()
    assert {:ok, %{addr: <<_::48, 1::native-32>>}} = :socket.sockname(in_two)
  end

  test "opens more than one request can carry, each where it belongs" do
    namespaces = [Namespace.create(), Namespace.create()]
    entries = for number <- 0..599, do: {Enum.at(namespaces, rem(number, 2)).path, :route}
    before = Descriptors.count()
    {:ok, results} = Port.open_many(entries)
    sockets = Enum.map(results, fn {:ok, socket} -> socket end)
    cookies = Enum.map(sockets, &Namespace.cookie/1)
    assert [one, two] = Enum.take(cookies, 2)
    assert one != two
    assert cookies == Enum.flat_map(1..300, fn _pair -> [one, two] end)
    Enum.each(sockets, &:socket.close/1)
    Descriptors.settle()
    Descriptors.await(before)
  end

  test "applies options to all entries that don't say otherwise" do
    namespace = Namespace.create()

    entries = [
      {namespace.path, :route},
      {namespace.path, :route, ext_ack: false},
      {:host, :route}
    ]

    {:ok, [ok: first, ok: second, ok: third]} = Port.open_many(entries, ext_ack: true)
    assert [1, 0, 1] = Enum.map([first, second, third], &netlink_option(&1, 11))
  end

  test "has an error an entry when none can be had" do
    assert {:ok, [error: %Error{code: 2}, error: %Error{code: 22}]} =
             Port.open_many([{"/run/netns/lnp-none", 0}, {"/etc/passwd", 0}])

    assert {:ok, [{:error, %Error{stage: :port, errno: :epipe, netns: "/proc/self/ns/net"}}]} =
             Port.open_many([{"/proc/self/ns/net", 0}], server: :there_is_none)
  end

  test "of nothing is nothing" do
    assert {:ok, []} = Port.open_many([])
  end

  test "refuses what is no entry" do
    for entry <- [:host, {:host}, {:host, :route, :ext_ack}, {:host, :route, [], []}] do
      assert_raise ArgumentError, fn -> Port.open_many([entry]) end
    end
  end
end
