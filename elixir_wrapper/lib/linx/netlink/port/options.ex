defmodule Linx.Netlink.Port.Options do
  @moduledoc """
  What may stand in the options of `Linx.Netlink.Port`, checked before anything is done.

  A wrong option is a mistake in the program that passes it, and raises `ArgumentError`.
  """

  alias Linx.Netlink.Port.Settings

  @flags [:ext_ack, :cap_ack, :strict_check, :no_enobufs, :listen_all_nsid]
  @buffers [:rcvbuf, :sndbuf]

  @typedoc "What to do to a socket before it is handed over."
  @type socket_option() ::
          {:ext_ack, boolean()}
          | {:cap_ack, boolean()}
          | {:strict_check, boolean()}
          | {:no_enobufs, boolean()}
          | {:listen_all_nsid, boolean()}
          | {:rcvbuf, pos_integer()}
          | {:sndbuf, pos_integer()}
          | {:groups, non_neg_integer()}
          | {:memberships, [pos_integer()]}

  @typedoc "How to ask for it."
  @type call_option() :: {:server, GenServer.server()} | {:timeout, pos_integer()}

  @typedoc "The same, as the wire wants it."
  @type wire() :: %{optional(atom()) => boolean() | non_neg_integer() | [pos_integer()]}

  @doc """
  Takes the options of a call apart: whom to ask, the given server if they don't say; how long to wait; what
  to do to the socket.

      iex> Linx.Netlink.Port.Options.split!([timeout: 100, groups: 1], Linx.Netlink.Port)
      {Linx.Netlink.Port, 100, [groups: 1]}
  """
  @spec split!(term(), GenServer.server()) :: {GenServer.server(), pos_integer() | nil, keyword()}
  def split!(options, default) do
    if not Keyword.keyword?(options) do
      raise ArgumentError, "expected a keyword list of options, got: #{inspect(options)}"
    end

    {server, options} = Keyword.pop(options, :server, default)
    {timeout, options} = Keyword.pop(options, :timeout)
    _ = if timeout, do: Settings.timeout!(timeout)
    {server, timeout, options}
  end

  @doc """
  Checks the options of a socket and brings them into the wire's form.

      iex> Linx.Netlink.Port.Options.wire!(ext_ack: true, memberships: [1, 9])
      %{ext_ack: true, memberships: [1, 9]}
      iex> Linx.Netlink.Port.Options.wire!(groups: -1)
      ** (ArgumentError) the option :groups must be a mask of 32 bits, got: -1
  """
  @spec wire!(term()) :: wire()
  def wire!([]), do: %{}

  def wire!(options) do
    if not Keyword.keyword?(options) do
      raise ArgumentError, "expected a keyword list of options, got: #{inspect(options)}"
    end

    Map.new(options, fn {key, value} -> {key, value!(key, value)} end)
  end

  defp value!(flag, value) when flag in @flags and is_boolean(value), do: value
  defp value!(flag, value) when flag in @flags, do: wrong!(flag, "true or false", value)

  defp value!(buffer, value)
       when buffer in @buffers and is_integer(value) and value in 1..0x7FFFFFFF,
       do: value

  defp value!(buffer, value) when buffer in @buffers,
    do: wrong!(buffer, "a positive number of bytes", value)

  defp value!(:groups, value) when is_integer(value) and value in 0..0xFFFFFFFF, do: value
  defp value!(:groups, value), do: wrong!(:groups, "a mask of 32 bits", value)

  defp value!(:memberships, value) do
    if is_list(value) and not List.improper?(value) and Enum.all?(value, &group?/1) do
      value
    else
      wrong!(:memberships, "a list of group numbers", value)
    end
  end

  defp value!(key, _value) do
    known = @flags ++ @buffers ++ [:groups, :memberships]

    raise ArgumentError,
          "unknown option #{inspect(key)}; known are :server, :timeout, " <>
            Enum.map_join(known, ", ", &inspect/1)
  end

  defp group?(group), do: is_integer(group) and group in 1..0xFFFFFFFF

  @spec wrong!(atom(), String.t(), term()) :: no_return()
  defp wrong!(key, expected, value) do
    raise ArgumentError,
          "the option #{inspect(key)} must be #{expected}, got: #{inspect(value)}"
  end
end
