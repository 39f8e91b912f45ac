defmodule Linx.Netlink.Port.Test.Rtnetlink do
  @moduledoc "As much rtnetlink as the tests need: links listed and made, addresses listed and set."

  import Bitwise

  @error 2
  @done 3
  @newlink 16
  @getlink 18
  @newaddr 20
  @getaddr 22

  @request 0x001
  @ack 0x004
  @dump 0x300
  @create 0x600

  @af_inet 2
  @ifla_ifname 3
  @ifla_linkinfo 18
  @ifla_info_kind 1
  @ifla_info_data 2
  @ifla_net_ns_fd 28
  @veth_info_peer 1
  @iff_up 1
  @ifa_local 2

  @timeout 10_000

  @doc "The links of the socket's namespace: names and numbers."
  def links(socket) do
    for <<_::32, index::native-signed-32, _::64, attributes::binary>> <-
          dump(socket, @getlink, @newlink, <<0::128>>),
        into: %{},
        do: {attributes |> attribute(@ifla_ifname) |> String.trim_trailing(<<0>>), index}
  end

  @doc "The IPv4 addresses of the socket's namespace: numbers of links and addresses."
  def addresses(socket) do
    for <<_::32, index::native-32, attributes::binary>> <-
          dump(socket, @getaddr, @newaddr, <<@af_inet, 0::56>>) do
      <<a, b, c, d>> = attribute(attributes, @ifa_local)
      {index, {a, b, c, d}}
    end
  end

  @doc "Makes a bridge: `:ok`, or the kernel's error number."
  def create_bridge(socket, name) do
    kind = nla(@ifla_info_kind, "bridge")
    body = [<<0::128>>, nla(@ifla_ifname, name <> <<0>>), nla(@ifla_linkinfo, kind)]
    talk(socket, @newlink, @create, body)
  end

  @doc """
  Makes a pair of interfaces, the second one in the network namespace of a descriptor: `:ok`, or the kernel's
  error number.
  """
  def create_veth(socket, name, peer, fd, send \\ &:socket.send/2) do
    far = [<<0::128>>, nla(@ifla_ifname, peer <> <<0>>), nla(@ifla_net_ns_fd, <<fd::native-32>>)]
    data = nla(@ifla_info_data, nla(@veth_info_peer, IO.iodata_to_binary(far)))
    info = nla(@ifla_linkinfo, nla(@ifla_info_kind, "veth") <> data)
    talk(socket, @newlink, @create, [<<0::128>>, nla(@ifla_ifname, name <> <<0>>), info], send)
  end

  @doc "Sets an interface up: `:ok`, or the kernel's error number."
  def set_up(socket, index) do
    talk(socket, @newlink, 0, <<0::32, index::native-32, @iff_up::native-32, @iff_up::native-32>>)
  end

  @doc "Sets an IPv4 address with a prefix of 24 bits: `:ok`, or the kernel's error number."
  def add_address(socket, index, {a, b, c, d}) do
    header = <<@af_inet, 24, 0, 0, index::native-32>>
    talk(socket, @newaddr, @create, [header, nla(@ifa_local, <<a, b, c, d>>)])
  end

  defp talk(socket, type, flags, body, send \\ &:socket.send/2) do
    :ok = send_message(socket, type, @request ||| @ack ||| flags, body, send)

    case receive_messages(socket) do
      [{@error, <<0::native-signed-32, _request::binary>>}] -> :ok
      [{@error, <<code::native-signed-32, _request::binary>>}] -> {:error, -code}
    end
  end

  defp dump(socket, type, answer, body) do
    :ok = send_message(socket, type, @request ||| @dump, body)
    for {^answer, message} <- collect(socket), do: message
  end

  defp collect(socket) do
    messages = receive_messages(socket)

    if Enum.any?(messages, fn {type, _body} -> type in [@done, @error] end) do
      messages
    else
      messages ++ collect(socket)
    end
  end

  defp send_message(socket, type, flags, body, send \\ &:socket.send/2) do
    body = IO.iodata_to_binary(body)
    length = byte_size(body) + 16
    header = <<length::native-32, type::native-16, flags::native-16, 1::native-32, 0::32>>
    send.(socket, header <> body)
  end

  defp receive_messages(socket) do
    {:ok, bytes} = :socket.recv(socket, 0, [], @timeout)
    messages(bytes)
  end

  defp messages(<<length::native-32, type::native-16, _::80, rest::binary>>) do
    {body, rest} = :erlang.split_binary(rest, length - 16)
    [{type, body} | rest |> skip(padding(length)) |> messages()]
  end

  defp messages(_end), do: []

  defp nla(type, value) do
    length = byte_size(value) + 4
    <<length::native-16, type::native-16, value::binary>> <> :binary.copy(<<0>>, padding(length))
  end

  defp attribute(<<length::native-16, type::native-16, rest::binary>>, wanted) do
    {value, rest} = :erlang.split_binary(rest, length - 4)
    if type == wanted, do: value, else: rest |> skip(padding(length)) |> attribute(wanted)
  end

  defp padding(length), do: rem(4 - rem(length, 4), 4)

  defp skip(bytes, count) when byte_size(bytes) < count, do: ""
  defp skip(bytes, count), do: binary_part(bytes, count, byte_size(bytes) - count)
end
