defmodule Linx.Netlink.Port.NetnsTest do
  @moduledoc "Namespaces that are open here: made or opened, named in calls, closed."

  use Linx.Netlink.Port.Test.Case

  import ExUnit.CaptureLog

  alias Linx.Netlink.Port
  alias Linx.Netlink.Port.Error

  defp cookie(netns, options \\ []) do
    {:ok, socket} = Port.open(netns, :route, options)
    cookie = Namespace.cookie(socket)
    :ok = :socket.close(socket)
    cookie
  end

  defp refused(netns, what \\ :route, options) do
    {:error, %Error{} = error} = Port.open(netns, what, options)
    {error.stage, error.errno}
  end

  for owner <- [:system, :user] do
    test "a new one for the #{owner} is another than all others, and has only loopback" do
      made = for _time <- 1..3, do: Port.new_netns(owner: unquote(owner))
      cookies = for {:ok, netns} <- made, do: cookie(netns)
      assert length(Enum.uniq([Namespace.host_cookie() | cookies])) == 4
      {:ok, netns} = hd(made)
      {:ok, socket} = Port.open(netns, :route)
      assert Rtnetlink.links(socket) == %{"lo" => 1}
      for {:ok, netns} <- made, do: assert(:ok = Port.close_netns(netns))
    end
  end

  test "one that is there is opened, by every name, and by what another call returned" do
    namespace = Namespace.create()
    expected = cookie(namespace.path)
    {:ok, first} = Port.open_netns({:name, namespace.name})
    {:ok, second} = Port.open_netns(first)
    Namespace.remove(namespace)
    assert cookie(first) == expected
    :ok = Port.close_netns(first)
    assert cookie(second) == expected
    {:ok, here} = Port.open_netns(:host)
    assert cookie(here) == Namespace.host_cookie()
  end

  test "one that is closed is EBADF, also when its number is another's by then" do
    {:ok, netns} = Port.new_netns()
    :ok = Port.close_netns(netns)
    :ok = Port.close_netns(netns)
    others = for _time <- 1..20, do: Port.new_netns()
    assert netns.fd in for({:ok, other} <- others, do: other.fd)
    assert refused(netns, []) == {:open, :ebadf}
    {:ok, mixed} = Port.open_many([{netns, :route}, {elem(hd(others), 1), :route}])
    assert [{:error, %Error{stage: :open, errno: :ebadf} = error}, {:ok, _socket}] = mixed
    assert Exception.message(error) =~ "close_netns"
  end

  test "it is closed with the process that it belongs to, which others may use it until then" do
    test = self()

    {owner, monitor} =
      spawn_monitor(fn ->
        {:ok, netns} = Port.new_netns()
        send(test, {:made, netns})
        receive do: (:end -> :ok)
      end)

    assert_receive {:made, netns}, 10_000
    tie = Namespace.tie_descriptor(netns.fd)
    assert is_integer(cookie(netns))
    assert File.exists?("/sys/class/net/#{tie}")
    send(owner, :end)
    assert_receive {:DOWN, ^monitor, :process, ^owner, :normal}, 10_000
    Namespace.await_gone(tie)
    assert refused(netns, []) == {:open, :ebadf}
  end

  test "it outlives the server that opened it, and is good for another server" do
    server = start_server()
    {:ok, netns} = Port.new_netns(server: server)
    expected = cookie(netns, server: server)
    :ok = stop_supervised(server)
    assert cookie(netns) == expected
    assert cookie(netns, server: start_server()) == expected
    before = netns.fd
    assert File.exists?("/proc/self/fd/#{before}")
    :ok = Port.close_netns(netns)
    refute File.exists?("/proc/self/fd/#{before}")
  end

  test "it reaches a port program behind a launcher" do
    {:ok, netns} = Port.new_netns()
    assert cookie(netns, server: start_server(launcher: ["nice"])) == cookie(netns)
  end

  test "it is good for the next port program, and for a request that is sent again" do
    server = start_server()
    {:ok, netns} = Port.new_netns(server: server)
    expected = cookie(netns, server: server)

    log =
      capture_log(fn ->
        kill_program(server)
        assert cookie(netns, server: server) == expected

        # A stopped one can't be made to wait: what comes over the pair resumes it.
        many = fn -> Enum.uniq(for _time <- 1..200, do: cookie(netns, server: server)) end
        caller = spawn_caller(many)
        server |> os_pid() |> signal(:KILL)
        assert results([caller]) == [[expected]]
      end)

    assert log =~ "ended with status"
  end

  test "300 in one call, of which each is where it was asked for" do
    made = for _time <- 1..5, do: elem(Port.new_netns(), 1)
    cookies = Enum.map(made, &cookie/1)
    entries = for number <- 0..299, do: {Enum.at(made, rem(number, 5)), :route}
    {:ok, results} = Port.open_many([{:host, :route} | entries])
    opened = for {:ok, socket} <- results, do: Namespace.cookie(socket)
    expected = for number <- 0..299, do: Enum.at(cookies, rem(number, 5))
    assert opened == [Namespace.host_cookie() | expected]
    for {:ok, socket} <- results, do: :ok = :socket.close(socket)
  end

  test "300 callers at once, while one of many calls for many" do
    made = for _time <- 1..3, do: elem(Port.new_netns(), 1)
    cookies = Map.new(made, &{&1, cookie(&1)})

    callers =
      for number <- 1..300 do
        netns = Enum.at(made, rem(number, 3))
        {netns, spawn_caller(fn -> cookie(netns, timeout: 30_000) end)}
      end

    {:ok, many} =
      Port.open_many(for(_ <- 1..100, netns <- made, do: {netns, :route}), timeout: 30_000)

    assert Enum.all?(many, &match?({:ok, _socket}, &1))
    for {:ok, socket} <- many, do: :ok = :socket.close(socket)

    assert results(Enum.map(callers, &elem(&1, 1))) ==
             for({netns, _} <- callers, do: cookies[netns])
  end

  test "sockets of every kind are opened in it, and adopted as what they are" do
    {:ok, netns} = Port.new_netns()
    expected = cookie(netns)

    kinds = [
      {:inet, :stream, :tcp},
      {:inet, :dgram, :udp},
      {:inet6, :stream, :tcp},
      {:inet6, :dgram, 17},
      {:inet, :raw, :icmp},
      {:inet6, :raw, :"ipv6-icmp"},
      {:inet, :stream, :default},
      {:packet, :raw, 0x0300},
      {:packet, :dgram, 0},
      {:local, :stream, :default},
      {:unix, :dgram, 0},
      {:local, :seqpacket, 0},
      {:netlink, :dgram, :generic},
      {16, 3, 0},
      :generic
    ]

    for kind <- kinds do
      assert {:ok, socket} = Port.open(netns, kind)
      assert {kind, Namespace.cookie(socket)} == {kind, expected}
      :ok = :socket.close(socket)
      assert {:ok, socket} = Port.open(:host, kind)
      assert {kind, Namespace.cookie(socket)} == {kind, Namespace.host_cookie()}
      :ok = :socket.close(socket)
    end
  end

  test "an abstract name is bound in it, and is not there outside" do
    {:ok, netns} = Port.new_netns()
    path = <<0, "lnp-#{System.pid()}-#{System.unique_integer([:positive])}">>
    address = %{family: :local, path: path}
    what = {:local, :stream, :default}
    assert {:error, %{stage: :listen, errno: :eacces}} = Port.open(netns, what, listen: 1)
    {:ok, listener} = Port.open(netns, what, bind: address)
    :ok = :socket.listen(listener, 1)
    {:ok, client} = Port.open(netns, what)
    assert :ok = :socket.connect(client, address)
    {:ok, outside} = :socket.open(:local, :stream, :default)
    assert {:error, :econnrefused} = :socket.connect(outside, address)
    Enum.each([listener, client, outside], &:socket.close/1)
  end

  describe "policy" do
    for {args, netns, what, expected, words} <- [
          {["--no-new"], :new, :netns, {:unshare, :eacces}, "--no-new"},
          {["--no-userns"], {:new, :user}, :netns, {:unshare, :eacces}, "--no-userns"},
          {["--no-netns"], :path, :netns, {:open, :eacces}, "--no-netns"},
          {["--no-fd"], :made, :route, {:open, :eacces}, "--no-fd"},
          {["--netns-dir", "/run/netns"], :made, :route, {:open, :eacces}, "--netns-dir"},
          {["--family", "inet6"], :path, {:inet, :dgram, :udp}, {:socket, :eacces}, "--family"},
          {["--family", "inet"], :path, :route, {:socket, :eacces}, "--family"},
          {["--protocol", "16"], :path, :route, {:socket, :eacces}, "--protocol"}
        ] do
      @tag args: args, netns: netns, what: what, expected: expected, words: words
      test "#{Enum.join(args, " ")} refuses #{inspect(what)} in #{inspect(netns)}", it do
        server = start_server(args: it.args)

        {:error, error} =
          case {it.netns, it.what} do
            {:new, :netns} -> Port.new_netns(owner: :system, server: server)
            {{:new, :user}, :netns} -> Port.new_netns(owner: :user, server: server)
            {:path, :netns} -> Port.open_netns("/proc/self/ns/net", server: server)
            {:path, what} -> Port.open("/proc/self/ns/net", what, server: server)
            {:made, what} -> Port.open(elem(Port.new_netns(), 1), what, server: server)
          end

        assert {error.stage, error.errno} == it.expected
        assert Exception.message(error) =~ it.words
      end
    end
  end

  describe "a limit of the system's has an error that names it:" do
    test "user.max_net_namespaces" do
      message = Exception.message(Error.new(:unshare, 28, {:new, :user}, :netns))
      assert message =~ "user.max_net_namespaces"
    end

    test "AppArmor, and unprivileged_userns_clone" do
      for code <- [1, 13] do
        message = Exception.message(Error.new(:unshare, code, {:new, :user}, :netns))
        assert message =~ "kernel.apparmor_restrict_unprivileged_userns"
        assert message =~ "kernel.unprivileged_userns_clone"
      end
    end
  end

  test "wrong arguments raise before anything is asked" do
    for call <- [
          fn -> Port.new_netns(owner: :nobody) end,
          fn -> Port.new_netns(groups: 1) end,
          fn -> Port.open_netns(:host, owner: :user) end,
          fn -> Port.open(:host, {:inet, :no, :udp}) end,
          fn -> Port.open(:host, {:inet, :dgram, -0x80000001}) end,
          fn -> Port.open(:host, {65_536, 1, 0}) end,
          fn -> Port.open(:host, {:inet, 16, 0}) end,
          fn ->
            Port.open(:host, {:inet, :dgram, :udp}, bind: %{family: :inet, addr: {1, 2, 3}})
          end,
          fn -> Port.open(:host, {:inet, :dgram, :udp}, bind: "x") end,
          fn -> Port.open(:host, {:inet, :dgram, :udp}, bindtodevice: "") end,
          fn -> Port.open(:new, :route) end
        ],
        do: assert_raise(ArgumentError, call)
  end
end
