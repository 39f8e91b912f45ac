defmodule Linx.Netlink.Port.Wire.Atoms do
  @moduledoc """
  Makes a term readable that contains atoms unknown to this BEAM.

  A newer port program may tell more than this version knows of. `:safe` refuses the whole term then, and
  without `:safe` a broken one could fill the atom table. So the atoms that aren't there become strings:

      iex> term = <<131, 104, 2, 97, 7, 119, 9, "zyx" <> "wvutsr">>
      iex> term |> Linx.Netlink.Port.Wire.Atoms.known_only() |> :erlang.binary_to_term([:safe])
      {7, "zyxwvutsr"}

  It walks over the tags that the protocol allows, and raises on anything else. It is the exception, and
  costs the ordinary reply nothing.
  """

  @doc "The same external term, with strings for the atoms that don't exist."
  @spec known_only(binary()) :: binary()
  def known_only(<<131, term::binary>>) do
    {term, ""} = walk(term)
    IO.iodata_to_binary([131, term])
  end

  # Tags by what follows them: atoms, with one or two bytes of length; then what holds other terms;
  # then what is copied.
  defp walk(<<tag, size, name::binary-size(size), rest::binary>>) when tag in [115, 119],
    do: {atom(name), rest}

  defp walk(<<tag, size::16, name::binary-size(size), rest::binary>>) when tag in [100, 118],
    do: {atom(name), rest}

  defp walk(<<104, count, rest::binary>>), do: inside(<<104, count>>, count, rest)
  defp walk(<<105, count::32, rest::binary>>), do: inside(<<105, count::32>>, count, rest)
  # The tail of a list is a term too, and a pair of a map is two.
  defp walk(<<108, count::32, rest::binary>>), do: inside(<<108, count::32>>, count + 1, rest)
  defp walk(<<116, count::32, rest::binary>>), do: inside(<<116, count::32>>, 2 * count, rest)

  defp walk(<<97, rest::binary>>), do: copy(97, 1, rest)
  defp walk(<<98, rest::binary>>), do: copy(98, 4, rest)
  defp walk(<<106, rest::binary>>), do: {106, rest}
  defp walk(<<107, size::16, _rest::binary>> = term), do: :erlang.split_binary(term, 3 + size)
  defp walk(<<109, size::32, _rest::binary>> = term), do: :erlang.split_binary(term, 5 + size)
  defp walk(<<110, size, _rest::binary>> = term), do: :erlang.split_binary(term, 3 + size)

  defp inside(head, count, rest) do
    {terms, rest} = terms(count, rest, [])
    {[head | terms], rest}
  end

  defp terms(0, rest, terms), do: {Enum.reverse(terms), rest}

  defp terms(count, rest, terms) do
    {term, rest} = walk(rest)
    terms(count - 1, rest, [term | terms])
  end

  defp copy(tag, size, rest) do
    {value, rest} = :erlang.split_binary(rest, size)
    {[tag, value], rest}
  end

  defp atom(name) do
    _existing = :erlang.binary_to_existing_atom(name, :utf8)
    <<119, byte_size(name), name::binary>>
  rescue
    _unknown in [ArgumentError, SystemLimitError] ->
      <<109, byte_size(name)::32, name::binary>>
  end
end
