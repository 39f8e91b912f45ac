defmodule Linx.Netlink.Port.Text do
  @moduledoc """
  Text that goes to people: to messages, and to the log.

  Names, paths and what a program said may hold any bytes. A terminal would obey some of them, a line would
  end at others, and some are no text at all. So every message and every line of the log comes from here:
  valid UTF-8, in one line, with nothing in it that can't be seen.
  """

  # Of one name, path or word. What fails because it is too long needn't be printed in full.
  @most 300

  @doc """
  The same text, with an escape in the place of every byte and character that is not to be printed: those
  that are no UTF-8, controls, and those that only change how others are shown, such as the direction.

      iex> Linx.Netlink.Port.Text.printable("/run/netns/café")
      "/run/netns/café"
      iex> Linx.Netlink.Port.Text.printable(<<"a\\e[2J\\n", 255, 0x202E::utf8>>)
      ~S"a\\x1B[2J\\x0A\\xFF\\u{202E}"
  """
  @spec printable(binary()) :: String.t()
  def printable(text), do: if(plain?(text), do: text, else: escape(text, ""))

  @doc """
  The same, and not longer than some lines: how long it really is, it says.

      iex> Linx.Netlink.Port.Text.short("/run/netns/blue")
      "/run/netns/blue"
      iex> Linx.Netlink.Port.Text.short(String.duplicate("x", 4_096)) |> String.slice(-20, 20)
      "xxxx... (4096 bytes)"
  """
  @spec short(binary()) :: String.t()
  def short(text) when byte_size(text) <= @most, do: printable(text)

  def short(text) do
    printable(binary_part(text, 0, @most)) <> "... (#{byte_size(text)} bytes)"
  end

  @doc """
  Any term, as `inspect/1` shows it, and printable.

      iex> Linx.Netlink.Port.Text.term({:name, <<255>>})
      "{:name, <<255>>}"
      iex> Linx.Netlink.Port.Text.term("to \\u202Efdp") =~ "202E"
      true
  """
  @spec term(term()) :: String.t()
  def term(term), do: term |> inspect(limit: 50, printable_limit: @most) |> printable()

  @doc """
  A name in quotation marks: printable, and not longer than some lines.

      iex> Linx.Netlink.Port.Text.quoted(<<"bl", 255, "ue">>)
      ~S|"bl\\xFFue"|
  """
  @spec quoted(binary()) :: String.t()
  def quoted(text), do: ~s("#{short(text)}")

  defp plain?(<<char::utf8, rest::binary>>), do: not hidden?(char) and plain?(rest)
  defp plain?(rest), do: rest == ""

  defp escape(<<char::utf8, rest::binary>>, done) do
    if hidden?(char),
      do: escape(rest, done <> escaped(char)),
      else: escape(rest, <<done::binary, char::utf8>>)
  end

  defp escape(<<byte, rest::binary>>, done), do: escape(rest, done <> escaped_byte(byte))
  defp escape("", done), do: done

  defp escaped(char) when char < 0x80, do: escaped_byte(char)
  defp escaped(char), do: "\\u{#{Integer.to_string(char, 16)}}"

  defp escaped_byte(byte), do: "\\x" <> Base.encode16(<<byte>>)

  # Controls; what Unicode calls formats (Cf), such as joiners, directions and tags; separators of lines and
  # paragraphs; and what is no character.
  defp hidden?(char) when char in 0x20..0x7E, do: false
  defp hidden?(char) when char in 0x600..0x605 or char in 0x890..0x891, do: true
  defp hidden?(char) when char in [0xAD, 0x61C, 0x6DD, 0x70F, 0x8E2, 0x180E, 0xFEFF], do: true
  defp hidden?(char) when char in 0x200B..0x200F or char in 0x2028..0x202E, do: true
  defp hidden?(char) when char in 0x2060..0x206F or char in 0xFFF0..0xFFFB, do: true
  defp hidden?(char) when char in [0x110BD, 0x110CD] or char in 0x13430..0x1343F, do: true
  defp hidden?(char) when char in 0x1BCA0..0x1BCA3 or char in 0x1D173..0x1D17A, do: true
  defp hidden?(char) when char in 0xE0000..0xE0FFF, do: true
  defp hidden?(char), do: char < 0xA0 or not String.printable?(<<char::utf8>>)
end
