defmodule Linx.Netlink.Port.Wire do
  @moduledoc """
  Requests to bytes, bytes to replies: the port program's protocol, version 1.

  A command is encoded where it is made, in the calling process; the server only puts the length and
  the id in front. Replies are decoded with `:safe`, so that nothing from outside can fill the atom
  table: atoms that are not known here become strings. A reply that can't be read at all still tells
  its id.
  """

  alias Linx.Netlink.Port.Wire.Atoms

  @version 1
  @max_request 1_048_576
  @max_reply 1_048_576

  @max_entries 253

  # <<131, SMALL_TUPLE, 2, SMALL_BIG, 8 bytes, positive>> and the eight bytes of the id.
  @prefix_size 14
  # The beginnings of the commands that open sockets, up to what comes from their entries.
  @small_tuple 104
  @list 108
  @nil_ext 106
  @binary 109
  @small_integer 97
  @open_in_netns <<119, 13, "open_in_netns">>
  @open_many <<@small_tuple, 2, 119, 9, "open_many">>

  @most_shared_bytes 16_384
  @most_carried 64

  @typedoc "A request's own number, echoed by its reply."
  @type id() :: non_neg_integer()

  @typedoc """
  An encoded command, an external term without its version byte; for one socket, the encoded entry. One
  that names network namespaces by descriptors carries them, each with the key that it is named by.
  """
  @type command() ::
          {:open, binary()}
          | {:term, binary()}
          | {:carrying, [carried(), ...], {:open | :term, binary()}}

  @typedoc "A descriptor's key, and what knows the descriptor."
  @type carried() :: {key :: pos_integer(), term()}

  @typedoc "Which namespace, and which kind of descriptor in it."
  @type netns() ::
          binary() | {:pid, pos_integer()} | :new | {:new, :user} | {:fd, pos_integer(), term()}
  @type what() :: integer() | tuple() | :netns

  @typedoc "A reply, or whatever else came."
  @type incoming() ::
          {:reply, id(), term()}
          | {:hello, map()}
          | {:protocol_error, term()}
          | {:unreadable, id() | nil}
          | {:unknown, term()}

  @doc """
  The version of the protocol that is spoken here.

      iex> Linx.Netlink.Port.Wire.version()
      1
  """
  @spec version() :: pos_integer()
  def version, do: @version

  @doc """
  How many sockets one request can ask for: as many descriptors as one message can carry.

      iex> Linx.Netlink.Port.Wire.max_entries()
      253
  """
  @spec max_entries() :: pos_integer()
  def max_entries, do: @max_entries

  @doc """
  The command that opens one socket. A request larger than 1 MiB is `EMSGSIZE` (90).

      iex> {:ok, {:open, bytes}} = Linx.Netlink.Port.Wire.open("/run/netns/red", 0, %{})
      iex> :erlang.binary_to_term(<<131>> <> bytes)
      {"/run/netns/red", 0}
      iex> Linx.Netlink.Port.Wire.open(String.duplicate("/", 1_048_576), 0, %{})
      {:error, {:port, 90}}
  """
  @spec open(netns(), what(), map()) :: {:ok, command()} | {:error, {:port, pos_integer()}}
  def open(netns, what, options) do
    with {:ok, bytes} <- encode(entry(netns, what, options)),
         do: {:ok, carrying([netns], {:open, bytes})}
  end

  @doc """
  The command that opens many, `max_entries/0` at most, of which `most_carried/0` name their network
  namespace by a descriptor. A request larger than 1 MiB is `EMSGSIZE` (90).

      iex> {:ok, {:term, bytes}} = Linx.Netlink.Port.Wire.open_many([{"/run/netns/red", 0, %{}}])
      iex> :erlang.binary_to_term(<<131>> <> bytes)
      {:open_many, [{"/run/netns/red", 0}]}
      iex> Linx.Netlink.Port.Wire.open_many([{String.duplicate("/", 1_048_576), 0, %{}}])
      {:error, {:port, 90}}
      iex> {:ok, {:carrying, [{5, :its}], {:term, bytes}}} =
      ...>   Linx.Netlink.Port.Wire.open_many([{{:fd, 5, :its}, {2, 2, 17}, %{listen: 1}}])
      iex> :erlang.binary_to_term(<<131>> <> bytes)
      {:open_many, [{{:fd, 5}, {2, 2, 17}, %{listen: 1}}]}
  """
  @spec open_many([{netns(), what(), map()}, ...]) ::
          {:ok, command()} | {:error, {:port, pos_integer()}}
  def open_many(entries) do
    encoded = for {netns, what, options} <- entries, do: entry(netns, what, options)

    with {:ok, bytes} <- encode({:open_many, encoded}) do
      {:ok, carrying(for({netns, _what, _options} <- entries, do: netns), {:term, bytes})}
    end
  end

  defp entry({:fd, key, _its}, what, options), do: entry({:fd, key}, what, options)
  defp entry(netns, what, options) when options == %{}, do: {netns, what}
  defp entry(netns, what, options), do: {netns, what, options}

  defp carrying(netnses, command) do
    case for {:fd, key, its} <- netnses, do: {key, its} do
      [] -> command
      carried -> {:carrying, carried, command}
    end
  end

  @doc """
  How many descriptors can be sent before the requests that name them: as many as the port program keeps.

      iex> Linx.Netlink.Port.Wire.most_carried()
      64
  """
  @spec most_carried() :: pos_integer()
  def most_carried, do: @most_carried

  @doc """
  What a command carries, and the command without it.

      iex> alias Linx.Netlink.Port.Wire
      iex> {:ok, command} = Wire.open({:fd, 5, :its}, 0, %{})
      iex> {[{5, :its}], {:open, _bytes} = plain} = Wire.unload(command)
      iex> Wire.unload(plain) == {[], plain}
      true
  """
  @spec unload(command()) :: {[carried()], command()}
  def unload({:carrying, carried, command}), do: {carried, command}
  def unload(command), do: {[], command}

  @doc """
  The message that goes with a descriptor.

      iex> 5 |> Linx.Netlink.Port.Wire.key() |> :erlang.binary_to_term()
      5
  """
  @spec key(pos_integer()) :: binary()
  def key(key), do: :erlang.term_to_binary(key)

  @doc "The command that asks the port program about itself."
  @spec info() :: command()
  def info do
    {:ok, bytes} = encode(:info)
    {:term, bytes}
  end

  @doc """
  Whether several callers' requests can be made one.

      iex> alias Linx.Netlink.Port.Wire
      iex> {:ok, command} = Wire.open("/run/netns/red", 0, %{})
      iex> {Wire.shareable?(command), Wire.shareable?(Wire.info())}
      {true, false}
  """
  @spec shareable?(command()) :: boolean()
  def shareable?({kind, _bytes}), do: kind == :open
  def shareable?({:carrying, _carried, command}), do: shareable?(command)

  @doc """
  How much of them, in bytes: what the port program reads at once.

      iex> Linx.Netlink.Port.Wire.most_shared_bytes()
      16_384
  """
  @spec most_shared_bytes() :: pos_integer()
  def most_shared_bytes, do: @most_shared_bytes

  @doc """
  The frame that makes one request of a command, or of several that are `shareable?/1`.

      iex> alias Linx.Netlink.Port.Wire
      iex> term = fn frame ->
      ...>   <<length::32, term::binary-size(length)>> = IO.iodata_to_binary(frame)
      ...>   :erlang.binary_to_term(term)
      ...> end
      iex> term.(Wire.frame(7, [Wire.info()]))
      {7, :info}
      iex> {:ok, red} = Wire.open("/run/netns/red", 0, %{})
      iex> term.(Wire.frame(7, [red]))
      {7, {:open_in_netns, "/run/netns/red", 0}}
      iex> {:ok, blue} = Wire.open("/run/netns/blue", 0, %{})
      iex> term.(Wire.frame(7, [red, blue]))
      {7, {:open_many, [{"/run/netns/red", 0}, {"/run/netns/blue", 0}]}}
  """
  @spec frame(id(), [command(), ...]) :: iodata()
  def frame(id, [{:open, <<@small_tuple, count, elements::binary>>}]) do
    size = @prefix_size + 2 + byte_size(@open_in_netns) + byte_size(elements)
    <<prefix(id, size)::binary, @small_tuple, count + 1, @open_in_netns, elements::binary>>
  end

  def frame(id, commands) do
    term = term(commands)
    [prefix(id, @prefix_size + IO.iodata_length(term)) | term]
  end

  defp prefix(id, size), do: <<size::32, 131, @small_tuple, 2, 110, 8, 0, id::little-64>>

  defp term([{:term, bytes}]), do: [bytes]

  defp term(many) do
    entries = for {:open, entry} <- many, do: entry
    [<<@open_many, @list, length(entries)::32>>, entries, @nil_ext]
  end

  @doc """
  Cuts what came on the port program's output into frames.

  `:error` means that this can't be the protocol. A program that prints text is found out by its
  first four bytes: as a length they are far over the limit.

      iex> Linx.Netlink.Port.Wire.unframe(<<0, 0, 0, 2, 131, 106, 0, 0>>)
      {:ok, [<<131, 106>>], <<0, 0>>}
      iex> Linx.Netlink.Port.Wire.unframe("usage: …")
      :error
  """
  @spec unframe(binary()) :: {:ok, [binary()], binary()} | :error
  def unframe(buffer), do: unframe(buffer, [])

  defp unframe(<<length::32, _rest::binary>>, _frames) when length > @max_reply, do: :error
  defp unframe(<<_length::32, first, _rest::binary>>, _frames) when first != 131, do: :error
  defp unframe(<<0::32, _rest::binary>>, _frames), do: :error

  defp unframe(<<length::32, frame::binary-size(length), rest::binary>>, frames),
    do: unframe(rest, [frame | frames])

  defp unframe(rest, frames), do: {:ok, Enum.reverse(frames), rest}

  @doc """
  Reads one term of the port program.

      iex> Linx.Netlink.Port.Wire.decode(:erlang.term_to_binary({7, :ok}))
      {:reply, 7, :ok}
      iex> Linx.Netlink.Port.Wire.decode(<<131, 104, 2, 97, 7, 119, 4, "zyx!">>)
      {:reply, 7, "zyx!"}
      iex> Linx.Netlink.Port.Wire.decode(<<131, 104, 2, 97, 7, 255>>)
      {:unreadable, 7}
      iex> Linx.Netlink.Port.Wire.decode("rubbish")
      {:unreadable, nil}
  """
  @spec decode(binary()) :: incoming()
  def decode(bytes) do
    bytes |> :erlang.binary_to_term([:safe]) |> incoming()
  rescue
    ArgumentError -> decode_newer(bytes)
  end

  # From a port program that knows more than this version does, or from none.
  defp decode_newer(bytes) do
    bytes |> Atoms.known_only() |> :erlang.binary_to_term([:safe]) |> incoming()
  rescue
    _error -> {:unreadable, id(bytes)}
  end

  defp incoming({id, reply}) when is_integer(id), do: {:reply, id, reply}
  defp incoming({:hello, hello}) when is_map(hello), do: {:hello, hello}
  defp incoming({:protocol_error, reason}), do: {:protocol_error, reason}
  defp incoming(other), do: {:unknown, other}

  @doc """
  The atoms that a reply can contain.

  `:safe` refuses atoms that the BEAM doesn't have yet. They are literals here, so they are there as
  soon as this module is.

      iex> Enum.all?([:hello, :setns, :net_admin], &(&1 in Linx.Netlink.Port.Wire.vocabulary()))
      true
  """
  @spec vocabulary() :: [atom()]
  def vocabulary do
    ~w(hello protocol version os_pid capabilities uptime_ms requests ok error in_flight userns
       max_in_flight badarg protocol_error)a ++
      confinement() ++ reasons() ++ stages() ++ capabilities()
  end

  defp confinement,
    do: ~w(confinement seccomp no_new_privs dumpable read_only bounding_set dropped kept)a

  defp reasons do
    ~w(frame_too_large bad_version bad_tag too_deep truncated_term trailing_bytes not_a_request)a
  end

  defp stages, do: ~w(open setns unshare userns fork socket setsockopt bind listen send thread)a

  defp capabilities do
    ~w(chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable
       net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio
       sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time
       sys_tty_config mknod lease audit_write audit_control setfcap mac_override mac_admin syslog
       wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore)a
  end

  defp encode(term) do
    bytes = to_bytes(term)

    if byte_size(bytes) + byte_size(@open_in_netns) + @prefix_size > @max_request do
      {:error, {:port, 90}}
    else
      {:ok, bytes}
    end
  end

  # Most entries are of this kind, and need no encoder.
  defp to_bytes({path, what}) when is_binary(path) and what in 0..255,
    do: <<@small_tuple, 2, @binary, byte_size(path)::32, path::binary, @small_integer, what>>

  defp to_bytes(term) do
    <<131, bytes::binary>> = :erlang.term_to_binary(term)
    bytes
  end

  # SMALL_INTEGER, INTEGER and SMALL_BIG, as the first element of a pair.
  defp id(<<131, 104, 2, 97, id, _rest::binary>>), do: id
  defp id(<<131, 104, 2, 98, id::signed-32, _rest::binary>>) when id >= 0, do: id

  defp id(<<131, 104, 2, 110, size, 0, id::binary-size(size), _rest::binary>>) when size <= 8,
    do: :binary.decode_unsigned(id, :little)

  defp id(_bytes), do: nil
end
