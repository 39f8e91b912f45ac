defmodule Linx.Netlink.Port.What do
  @moduledoc """
  Which kind of descriptor: a netlink socket, any other socket, or the network namespace itself.

  A netlink socket is named by its protocol (`Linx.Netlink.Port.Protocol`). Any other one is
  `{domain, type, protocol}`, each a number for `socket(2)`, or a name as `:socket.open/3` takes it:

      iex> alias Linx.Netlink.Port.What
      iex> What.wire!(:generic)
      16
      iex> What.wire!({:inet, :dgram, :udp})
      {2, 2, 17}
      iex> What.wire!({:netlink, :raw, :route})
      0

  The `protocol` of a packet socket is a number as `packet(7)` has it, in network byte order.
  """

  alias Linx.Netlink.Port.{Protocol, Text}

  # bits/socket.h, netinet/in.h, and linux/in.h.
  @domains [unspec: 0, local: 1, unix: 1, inet: 2, inet6: 10, netlink: 16, packet: 17, vsock: 40]
  @types [stream: 1, dgram: 2, raw: 3, rdm: 4, seqpacket: 5]
  @protocols [
    default: 0,
    ip: 0,
    icmp: 1,
    igmp: 2,
    tcp: 6,
    udp: 17,
    ipv6: 41,
    "ipv6-icmp": 58,
    sctp: 132,
    udplite: 136,
    raw: 255,
    mptcp: 262
  ]

  @af_netlink 16
  @sock_raw 3
  @with_protocol [2, 10, @af_netlink]

  @typedoc "A netlink protocol, or the domain, the type and the protocol of any socket."
  @type t() :: Protocol.t() | {domain :: name(), type :: name(), protocol :: name()}

  @typedoc "A number, or a name that `:socket.open/3` knows."
  @type name() :: non_neg_integer() | atom()

  @typedoc "The same as the wire knows it; `:netns` is the network namespace itself."
  @type wire() :: integer() | numbers() | :netns

  @typedoc "The arguments of `socket(2)`."
  @type numbers() :: {non_neg_integer(), non_neg_integer(), integer()}

  @doc "The wire's form; `ArgumentError` if there can be no such socket."
  @spec wire!(term()) :: integer() | numbers()
  def wire!({domain, type, protocol}) do
    domain = number!(:domain, domain, @domains, 0..0xFFFF)
    type = number!(:type, type, @types, 0..15)

    case {domain, type, protocol!(domain, protocol)} do
      {@af_netlink, @sock_raw, protocol} -> protocol
      numbers -> numbers
    end
  end

  def wire!(protocol), do: Protocol.number!(protocol)

  defp protocol!(@af_netlink, :default), do: 0
  defp protocol!(@af_netlink, protocol), do: Protocol.number!(protocol)

  defp protocol!(_domain, protocol),
    do: number!(:protocol, protocol, @protocols, -0x80000000..0x7FFFFFFF)

  defp number!(what, name, names, range) do
    number = if is_atom(name), do: names[name], else: name

    if is_integer(number) and number in range do
      number
    else
      raise ArgumentError,
            "not the #{what} of a socket: #{Text.term(name)}; expected a number or one of " <>
              Enum.map_join(names, ", ", fn {name, _number} -> Text.term(name) end)
    end
  end

  @doc """
  The arguments of `socket(2)`.

      iex> Linx.Netlink.Port.What.numbers(16)
      {16, 3, 16}
  """
  @spec numbers(integer() | numbers()) :: numbers()
  def numbers(protocol) when is_integer(protocol), do: {@af_netlink, @sock_raw, protocol}
  def numbers({_domain, _type, _protocol} = numbers), do: numbers

  @doc """
  What the kernel says of such a socket: its domain, its type, and its protocol, `nil` where it doesn't tell
  the one that was asked for.

      iex> Linx.Netlink.Port.What.told({17, 3, 0x300})
      {17, 3, nil}
      iex> Linx.Netlink.Port.What.told({2, 1, 0})
      {2, 1, nil}
  """
  @spec told(integer() | numbers()) :: {non_neg_integer(), non_neg_integer(), integer() | nil}
  def told(what) do
    case numbers(what) do
      {@af_netlink, _type, _protocol} = numbers ->
        numbers

      {domain, type, protocol} when domain in @with_protocol and protocol != 0 ->
        {domain, type, protocol}

      {domain, type, _protocol} ->
        {domain, type, nil}
    end
  end

  @doc """
  A kind of descriptor for people to read.

      iex> Linx.Netlink.Port.What.describe(:route)
      "a netlink socket of protocol :route"
      iex> Linx.Netlink.Port.What.describe({:inet, :dgram, :udp})
      "a socket {:inet, :dgram, :udp}"
      iex> Linx.Netlink.Port.What.describe(:netns)
      "a descriptor"
  """
  @spec describe(term()) :: String.t()
  def describe(nil), do: "a netlink socket"
  def describe(:netns), do: "a descriptor"
  def describe({_domain, _type, _protocol} = what), do: "a socket #{Text.term(what)}"
  def describe(protocol), do: "a netlink socket of protocol #{Text.term(protocol)}"
end
