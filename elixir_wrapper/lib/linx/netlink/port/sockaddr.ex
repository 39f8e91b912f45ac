defmodule Linx.Netlink.Port.Sockaddr do
  @moduledoc """
  The address of a socket as `bind(2)` takes it: from the map that `:socket` writes to the bytes.

      iex> alias Linx.Netlink.Port.Sockaddr
      iex> Sockaddr.encode!(%{family: :inet, addr: {127, 0, 0, 1}, port: 80})
      <<2::native-16, 80::16, 127, 0, 0, 1, 0::64>>
      iex> Sockaddr.encode!(%{family: :inet6, addr: :any})
      <<10::native-16, 0::16, 0::32, 0::128, 0::32>>
      iex> Sockaddr.encode!(%{family: :local, path: "\\0name"})
      <<1::native-16, 0, "name">>
      iex> Sockaddr.encode!(%{family: :packet, protocol: 0x0800, ifindex: 2})
      <<17::native-16, 0x0800::16, 2::native-32, 0::32, 0::64>>

  Of any other family, the number of the family and the bytes behind it, or all bytes, are passed on:

      iex> Linx.Netlink.Port.Sockaddr.encode!(%{family: 40, addr: <<0::112>>})
      <<40::native-16, 0::112>>
      iex> Linx.Netlink.Port.Sockaddr.encode!(<<40::native-16, 0::112>>)
      <<40::native-16, 0::112>>
  """

  alias Linx.Netlink.Port.Text

  # bits/socket.h.
  @local 1
  @inet 2
  @inet6 10
  @packet 17

  @sizes 2..128

  @typedoc """
  An address. `:port` is 0 if it isn't there, and so are `:flowinfo` and `:scope_id`. A `:path` that begins
  with a NUL byte is an abstract name. The `:protocol` of a packet socket is an EtherType, such as `0x0800`,
  or 3 for all of them.
  """
  @type t() ::
          %{
            required(:family) => :inet,
            required(:addr) => :inet.ip4_address() | :any | :loopback | :broadcast,
            optional(:port) => :inet.port_number()
          }
          | %{
              required(:family) => :inet6,
              required(:addr) => :inet.ip6_address() | :any | :loopback,
              optional(:port) => :inet.port_number(),
              optional(:flowinfo) => non_neg_integer(),
              optional(:scope_id) => non_neg_integer()
            }
          | %{required(:family) => :local, required(:path) => binary()}
          | %{
              required(:family) => :packet,
              required(:ifindex) => non_neg_integer(),
              optional(:protocol) => non_neg_integer()
            }
          | %{required(:family) => non_neg_integer(), required(:addr) => binary()}
          | binary()

  @doc "The bytes of an address; `ArgumentError` if it is none."
  @spec encode!(term()) :: binary()
  def encode!(address) do
    case encode(address) do
      bytes when is_binary(bytes) and byte_size(bytes) in @sizes ->
        bytes

      _none ->
        raise ArgumentError, "the option :bind must be an address, got: #{Text.term(address)}"
    end
  end

  @doc """
  The same bytes as `:socket.bind/2` takes them, of whichever family.

      iex> Linx.Netlink.Port.Sockaddr.native(<<2::native-16, 80::16, 127, 0, 0, 1, 0::64>>)
      %{family: 2, addr: <<80::16, 127, 0, 0, 1, 0::64>>}
  """
  @spec native(binary()) :: %{family: non_neg_integer(), addr: binary()}
  def native(<<family::native-16, address::binary>>), do: %{family: family, addr: address}

  defp encode(bytes) when is_binary(bytes), do: bytes

  defp encode(%{family: family, addr: address})
       when is_integer(family) and family in 0..0xFFFF and is_binary(address),
       do: <<family::native-16, address::binary>>

  defp encode(%{family: :inet, addr: address} = it) do
    with ip when ip != nil <- ip4(address),
         port when port != nil <- number(it, :port, 16),
         do: <<@inet::native-16, port::16, ip::binary, 0::64>>
  end

  defp encode(%{family: :inet6, addr: address} = it) do
    with ip when ip != nil <- ip6(address),
         [port, flow, scope] <- numbers(it, port: 16, flowinfo: 32, scope_id: 32),
         do: <<@inet6::native-16, port::16, flow::32, ip::binary, scope::native-32>>
  end

  defp encode(%{family: family, path: path}) when family in [:local, :unix] and is_binary(path),
    do: <<@local::native-16, path::binary>>

  defp encode(%{family: :packet, ifindex: _index} = it) do
    with [protocol, index] <- numbers(it, protocol: 16, ifindex: 31),
         do: <<@packet::native-16, protocol::16, index::native-32, 0::32, 0::64>>
  end

  defp encode(_other), do: nil

  defp ip4(:any), do: <<0::32>>
  defp ip4(:loopback), do: <<127, 0, 0, 1>>
  defp ip4(:broadcast), do: <<-1::32>>

  defp ip4(ip),
    do: if(:inet.is_ipv4_address(ip), do: ip |> Tuple.to_list() |> :binary.list_to_bin())

  defp ip6(:any), do: <<0::128>>
  defp ip6(:loopback), do: <<1::128>>

  defp ip6(ip) do
    if :inet.is_ipv6_address(ip), do: for(part <- Tuple.to_list(ip), into: "", do: <<part::16>>)
  end

  defp numbers(it, sizes) do
    numbers = for {key, bits} <- sizes, do: number(it, key, bits)
    if nil not in numbers, do: numbers
  end

  defp number(it, key, bits) do
    number = Map.get(it, key, 0)
    if is_integer(number) and number in 0..(Integer.pow(2, bits) - 1), do: number
  end
end
