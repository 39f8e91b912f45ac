defmodule Linx.Netlink.Port.Options do
  @moduledoc """
  What may stand in the options of `Linx.Netlink.Port`, checked before anything is done.

  A wrong option is a mistake in the program that passes it, and raises `ArgumentError`.

  There is one table of the options of a socket. From it follows which there are, what is checked, how the
  documents describe them, and what is done with them in the BEAM's own network namespace.
  """

  alias Linx.Netlink.Port.{Settings, Sockaddr, Text, What}

  # linux/netlink.h, asm-generic/socket.h, linux/in.h and linux/in6.h.
  @sol_socket 1
  @sol_ip 0
  @sol_ipv6 41
  @sol_netlink 270
  @af_inet6 10
  @af_netlink 16

  # In the order in which they are applied: the name, what is done with it, and what it is for.
  @netlink [
    ext_ack: {{:flag, {@sol_netlink, 11}}, "the kernel's errors say what is wrong"},
    cap_ack: {{:flag, {@sol_netlink, 10}}, "they don't repeat the message that they answer"},
    strict_check: {{:flag, {@sol_netlink, 12}}, "requests for lists are checked and filtered"},
    no_enobufs: {{:flag, {@sol_netlink, 5}}, "what finds no room is lost without an error"},
    listen_all_nsid: {{:flag, {@sol_netlink, 8}}, "events of other namespaces come too"}
  ]
  @others [
    reuseaddr:
      {{:flag, {@sol_socket, 2}}, "an address may be bound while old connections linger"},
    reuseport: {{:flag, {@sol_socket, 15}}, "several sockets share an address"},
    broadcast: {{:flag, {@sol_socket, 6}}, "datagrams may go to a broadcast address"},
    v6only: {{:flag, {@sol_ipv6, 26}}, "a socket for IPv6 leaves IPv4 to others"},
    freebind:
      {{:flag, {@sol_ip, 15}, {@sol_ipv6, 78}}, "an address may be bound before it is there"},
    transparent:
      {{:flag, {@sol_ip, 19}, {@sol_ipv6, 75}}, "an address may be bound that is somebody else's"}
  ]
  @table Enum.map(@netlink, fn {name, {form, why}} -> {name, :netlink, form, why} end) ++
           Enum.map(@others, fn {name, {form, why}} -> {name, :others, form, why} end) ++
           [
             {:mark, :all, {:number, {@sol_socket, 36}}, "a mark for routing and filters"},
             {:priority, :all, {:number, {@sol_socket, 12}},
              "the queue that packets are put into"},
             {:bindtodevice, :others, {:interface, {@sol_socket, 25}},
              "packets of this interface only"},
             {:rcvbuf, :all, {:buffer, {@sol_socket, 33}, {@sol_socket, 8}},
              "room for what was not read yet"},
             {:sndbuf, :all, {:buffer, {@sol_socket, 32}, {@sol_socket, 7}},
              "room for what was not sent yet"},
             {:groups, :netlink, :groups, "binds it to these groups; 0 is a plain bind"},
             {:memberships, :netlink, {:memberships, {@sol_netlink, 1}},
              "binds it, and joins these groups"},
             {:bind, :others, :address, "binds it, as `:socket.bind/2` does"},
             {:listen, :others, :backlog, "lets it take connections"}
           ]

  # What a value is, by what is done with it: its type, and in words.
  @values %{
    flag: {quote(do: boolean()), "true or false"},
    number: {quote(do: non_neg_integer()), "an integer from 0 to 4294967295"},
    interface: {quote(do: String.t()), "the name of an interface"},
    buffer: {quote(do: pos_integer()), "a positive number of bytes"},
    groups: {quote(do: non_neg_integer()), "a mask of 32 bits"},
    memberships: {quote(do: [pos_integer()]), "a list of group numbers"},
    address: {quote(do: Sockaddr.t()), "an address"},
    backlog: {quote(do: non_neg_integer()), "an integer from 0 to 4294967295"}
  }

  kind = fn form -> if is_tuple(form), do: elem(form, 0), else: form end

  [first | rest] =
    for {name, _of, form, _why} <- @table, do: {name, elem(@values[kind.(form)], 0)}

  @typedoc "What to do to a socket before it is handed over."
  @type socket_option() ::
          unquote(Enum.reduce(rest, first, fn type, types -> {:|, [], [types, type]} end))

  @typedoc "How to ask for it."
  @type call_option() :: {:server, GenServer.server()} | {:timeout, pos_integer()}

  @typedoc "Where `setsockopt(2)` finds an option."
  @type at() :: {level :: non_neg_integer(), number :: non_neg_integer()}

  @typedoc "What is done with a value. A flag can have a place of its own for sockets of IPv6."
  @type form() ::
          {:flag, at()}
          | {:flag, at(), at()}
          | {:number | :interface | :memberships, at()}
          | {:buffer, forced :: at(), plain :: at()}
          | :groups
          | :address
          | :backlog

  @typedoc "The same, as the wire wants it."
  @type wire() :: %{
          optional(atom()) => boolean() | non_neg_integer() | [pos_integer()] | binary()
        }

  @doc """
  The options of a socket, in the order in which they are applied: the name, of which sockets, and what is
  done with the value.

      iex> List.first(Linx.Netlink.Port.Options.table())
      {:ext_ack, :netlink, {:flag, {270, 11}}}
  """
  @spec table() :: [{atom(), :netlink | :others | :all, form()}]
  def table, do: unquote(Macro.escape(for {name, of, form, _why} <- @table, do: {name, of, form}))

  @doc """
  The options for people to read, as a list in Markdown.

      iex> Linx.Netlink.Port.Options.describe() =~ "`:rcvbuf` (any socket), a positive number of bytes"
      true
  """
  @spec describe() :: String.t()
  def describe do
    unquote(
      Enum.map_join(@table, ";\n", fn {name, of, form, why} ->
        of = Map.fetch!(%{netlink: "netlink", others: "other sockets", all: "any socket"}, of)
        "  * `:#{name}` (#{of}), #{elem(@values[kind.(form)], 1)}: #{why}"
      end)
    )
  end

  @doc """
  Takes the options of a call apart: whom to ask, the given server if they don't say; how long to wait; what
  to do to the socket.

      iex> Linx.Netlink.Port.Options.split!([timeout: 100, groups: 1], Linx.Netlink.Port)
      {Linx.Netlink.Port, 100, [groups: 1]}
  """
  @spec split!(term(), GenServer.server()) :: {GenServer.server(), pos_integer() | nil, keyword()}
  def split!(options, default) do
    if not Keyword.keyword?(options) do
      raise ArgumentError, "expected a keyword list of options, got: #{Text.term(options)}"
    end

    {server, options} = Keyword.pop(options, :server, default)
    {timeout, options} = Keyword.pop(options, :timeout)
    _ = if timeout, do: Settings.timeout!(timeout)
    {server, timeout, options}
  end

  @doc """
  Checks the options of a socket of this kind and brings them into the wire's form.

      iex> Linx.Netlink.Port.Options.wire!([ext_ack: true, memberships: [1, 9]], 0)
      %{ext_ack: true, memberships: [1, 9]}
      iex> Linx.Netlink.Port.Options.wire!([groups: -1], 0)
      ** (ArgumentError) the option :groups must be a mask of 32 bits, got: -1

      iex> Linx.Netlink.Port.Options.wire!([groups: 1], {2, 2, 17})
      ** (ArgumentError) the option :groups is not one of such a socket, but of netlink sockets
  """
  @spec wire!(term(), What.wire()) :: wire()
  def wire!([], _what), do: %{}

  def wire!(options, what) do
    if not Keyword.keyword?(options) do
      raise ArgumentError, "expected a keyword list of options, got: #{Text.term(options)}"
    end

    Map.new(options, fn {name, value} -> {name, name |> form!(what) |> value!(name, value)} end)
  end

  defp form!(name, what) do
    case List.keyfind(table(), name, 0) do
      {_name, of, form} -> if of?(of, what), do: form, else: misplaced!(name, of)
      nil -> unknown!(name)
    end
  end

  defp of?(_of, :netns), do: false
  defp of?(:all, _what), do: true
  defp of?(:netlink, what), do: elem(What.numbers(what), 0) == @af_netlink
  defp of?(:others, what), do: elem(What.numbers(what), 0) != @af_netlink

  @doc """
  Where to set a flag of a socket of this domain.

      iex> {_name, _of, form} = List.keyfind(Linx.Netlink.Port.Options.table(), :freebind, 0)
      iex> for domain <- [2, 10], do: Linx.Netlink.Port.Options.place(form, domain)
      [{0, 15}, {41, 78}]
  """
  @spec place(form(), non_neg_integer()) :: at()
  def place({:flag, _inet, inet6}, @af_inet6), do: inet6
  def place({:flag, inet, _inet6}, _domain), do: inet
  def place({_kind, at}, _domain), do: at

  defp value!(form, name, value) do
    kind = if is_tuple(form), do: elem(form, 0), else: form

    if valid?(kind, value) do
      encode(kind, value)
    else
      {_type, expected} = @values[kind]

      raise ArgumentError,
            "the option #{Text.term(name)} must be #{expected}, got: #{Text.term(value)}"
    end
  end

  defp valid?(:flag, value), do: is_boolean(value)
  defp valid?(:buffer, value), do: is_integer(value) and value in 1..0x7FFFFFFF
  defp valid?(:address, _value), do: true
  defp valid?(:interface, name), do: is_binary(name) and interface?(name)

  defp valid?(:memberships, groups),
    do: is_list(groups) and not List.improper?(groups) and Enum.all?(groups, &group?/1)

  defp valid?(kind, value) when kind in [:number, :groups, :backlog],
    do: is_integer(value) and value in 0..0xFFFFFFFF

  defp interface?(name), do: byte_size(name) in 1..15 and not String.contains?(name, ["/", <<0>>])
  defp group?(group), do: is_integer(group) and group in 1..0xFFFFFFFF

  defp encode(:address, address), do: Sockaddr.encode!(address)
  defp encode(_kind, value), do: value

  @spec misplaced!(atom(), atom()) :: no_return()
  defp misplaced!(name, of) do
    of = Map.fetch!(%{netlink: "netlink sockets", others: "other sockets", all: "sockets"}, of)

    raise ArgumentError,
          "the option #{Text.term(name)} is not one of such a socket, but of #{of}"
  end

  @spec unknown!(atom()) :: no_return()
  defp unknown!(name) do
    raise ArgumentError,
          "unknown option #{Text.term(name)}; known are :server, :timeout, " <>
            Enum.map_join(table(), ", ", fn {name, _of, _form} -> Text.term(name) end)
  end
end
