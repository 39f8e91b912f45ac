defmodule Linx.Netlink.Port.OptionsTest do
  @moduledoc """
  Every option of the table, on a socket in another namespace and on one in the BEAM's own: the kernel is asked
  whether it is set.
  """

  use Linx.Netlink.Port.Test.Case

  alias Linx.Netlink.Port
  alias Linx.Netlink.Port.Options

  @netlink :route
  @udp {:inet, :dgram, :udp}
  @udp6 {:inet6, :dgram, :udp}
  @tcp {:inet, :stream, :tcp}
  @tcp6 {:inet6, :stream, :tcp}

  @so_acceptconn {1, 30}
  # The groups that were joined, as bits.
  @list_memberships {270, 9}
  # linux/rtnetlink.h; over 32, so that no mask of `:groups` holds it.
  @far_group 33

  # What is done with values of each kind, on which sockets, and what the kernel tells then.
  defp trials({name, :netlink, {:flag, at}}), do: flags(name, @netlink, at)

  defp trials({:v6only = name, :others, {:flag, at}}), do: flags(name, @udp6, at)
  defp trials({name, :others, {:flag, at}}), do: flags(name, @udp, at)

  defp trials({name, :others, {:flag, inet, inet6}}),
    do: flags(name, @udp, inet) ++ flags(name, @udp6, inet6)

  defp trials({name, :all, {:number, at}}),
    do: for(what <- [@netlink, @udp], do: {what, name, 5, reads(at, <<5::native-32>>)})

  defp trials({name, :others, {:interface, at}}), do: [{@udp, name, "lo", reads(at, "lo\0", 16)}]

  # The kernel counts twice what it was asked for, for its own needs.
  defp trials({name, :all, {:buffer, _forced, plain}}),
    do:
      for(
        what <- [@netlink, @udp],
        do: {what, name, 1_000_000, reads(plain, <<2_000_000::native-32>>)}
      )

  defp trials({name, :netlink, :groups}), do: [{@netlink, name, 5, &(groups(&1) == 5)}]

  defp trials({name, :netlink, {:memberships, _at}}) do
    joined? = fn socket ->
      {:ok, <<first::native-32, second::native-32, _rest::binary>>} =
        :socket.getopt_native(socket, @list_memberships, 64)

      {first, second} == {1, 1}
    end

    [{@netlink, name, [1, @far_group], joined?}]
  end

  defp trials({name, :others, :address}) do
    bound? = fn socket ->
      {:ok, %{addr: address, port: port}} = :socket.sockname(socket)
      address in [{127, 0, 0, 1}, {0, 0, 0, 0, 0, 0, 0, 1}] and port > 0
    end

    [
      {@udp, name, %{family: :inet, addr: {127, 0, 0, 1}, port: 0}, bound?},
      {@tcp6, name, %{family: :inet6, addr: :loopback, port: 0}, bound?}
    ]
  end

  defp trials({name, :others, :backlog}),
    do: for(what <- [@tcp, @tcp6], do: {what, name, 5, reads(@so_acceptconn, <<1::native-32>>)})

  defp flags(name, what, at),
    do: for(flag <- [true, false], do: {what, name, flag, reads(at, number(flag))})

  defp number(flag), do: if(flag, do: <<1::native-32>>, else: <<0::native-32>>)

  defp reads(at, expected, size \\ 4) do
    fn socket ->
      {:ok, value} = :socket.getopt_native(socket, at, size)
      value == expected
    end
  end

  defp groups(socket) do
    {:ok, %{addr: <<_pad::16, _nl_pid::32, groups::native-32>>}} = :socket.sockname(socket)
    groups
  end

  for {name, _of, _form} <- Options.table(), where <- [:elsewhere, :host] do
    @tag row: name, where: where
    test "#{name} is set on a socket #{where}", %{row: name, where: where} do
      netns = if where == :host, do: :host, else: elsewhere()
      row = List.keyfind(Options.table(), name, 0)
      trials = trials(row)
      assert trials != []

      for {what, ^name, value, set?} <- trials do
        assert {:ok, socket} = Port.open(netns, what, [{name, value}])
        assert set?.(socket), "#{name}: #{inspect(value)} of #{inspect(what)} is not set"
        :ok = :socket.close(socket)
      end
    end
  end

  test "one of another kind of socket raises, whichever it is" do
    for {name, of, _form} <- Options.table(), of != :all do
      what = if of == :netlink, do: @udp, else: @netlink

      assert_raise ArgumentError, ~r/is not one of such a socket/, fn ->
        Port.open(:host, what, [{name, true}])
      end
    end
  end

  test "what the port program knows is the same, in the same order" do
    {:ok, source} = File.read(Path.expand("../../../../../src/wire/option.rs", __DIR__))
    names = Regex.scan(~r/\brow\(\s*"(\w+)"/, source, capture: :all_but_first)
    assert List.flatten(names) == for({name, _of, _form} <- Options.table(), do: to_string(name))
  end

  defp elsewhere do
    {:ok, netns} = Port.new_netns()
    {:ok, route} = Port.open(netns, :route)
    :ok = Rtnetlink.set_up(route, 1)
    :ok = :socket.close(route)
    netns
  end
end
