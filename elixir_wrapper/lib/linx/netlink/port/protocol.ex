defmodule Linx.Netlink.Port.Protocol do
  @moduledoc """
  Netlink protocol numbers by name.

  The names are the kernel's, from `linux/netlink.h`, without the `NETLINK_`:

      iex> Linx.Netlink.Port.Protocol.number!(:route)
      0
      iex> Linx.Netlink.Port.Protocol.number!(:generic)
      16

  A number is passed on as it is: which ones are served is for the kernel to say.

      iex> Linx.Netlink.Port.Protocol.number!(21)
      21
  """

  @names [
    route: 0,
    unused: 1,
    usersock: 2,
    firewall: 3,
    sock_diag: 4,
    inet_diag: 4,
    nflog: 5,
    xfrm: 6,
    selinux: 7,
    iscsi: 8,
    audit: 9,
    fib_lookup: 10,
    connector: 11,
    netfilter: 12,
    ip6_fw: 13,
    dnrtmsg: 14,
    kobject_uevent: 15,
    generic: 16,
    scsitransport: 18,
    ecryptfs: 19,
    rdma: 20,
    crypto: 21,
    smc: 22
  ]

  alias Linx.Netlink.Port.Text

  @typedoc "A protocol number, or the kernel's name for it."
  @type t() ::
          integer()
          | :route
          | :unused
          | :usersock
          | :firewall
          | :sock_diag
          | :inet_diag
          | :nflog
          | :xfrm
          | :selinux
          | :iscsi
          | :audit
          | :fib_lookup
          | :connector
          | :netfilter
          | :ip6_fw
          | :dnrtmsg
          | :kobject_uevent
          | :generic
          | :scsitransport
          | :ecryptfs
          | :rdma
          | :crypto
          | :smc

  @doc "The number of a protocol; `ArgumentError` if there can be no such protocol."
  @spec number!(term()) :: integer()
  def number!(number) when is_integer(number) and number in -0x80000000..0x7FFFFFFF, do: number

  for {name, number} <- @names do
    def number!(unquote(name)), do: unquote(number)
  end

  def number!(other) do
    raise ArgumentError,
          "not a netlink protocol: #{Text.term(other)}; expected a 32-bit integer or one of " <>
            Enum.map_join(unquote(Keyword.keys(@names)), ", ", &inspect/1)
  end
end
