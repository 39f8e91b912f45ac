defmodule Linx.Netlink.Port.TextPropertyTest do
  @moduledoc """
  Whatever names, paths, arguments and options are: what is said of them is text that can be printed.

  A round takes bytes from the seed of the test run: noise, escape codes, characters that change a line.
  """

  use ExUnit.Case, async: true

  alias Linx.Netlink.Port.{Error, Netns, Options, Protocol, Settings, Text, What}

  @rounds 5_000

  @pieces ["blue", "/", "é", "漢", "\n", "\r", "\t", "\e[2J", "\e]0;x\a", <<0>>, <<255, 254>>] ++
            [<<0xC3>>, <<0x85::utf8>>, <<0xAD::utf8>>, <<0x202E::utf8>>, <<0x2066::utf8>>] ++
            [<<0x2028::utf8>>, <<0xFEFF::utf8>>, <<0xFFFF::utf8>>, <<0xE0001::utf8>>] ++
            [<<0xED, 0xA0, 0x80>>, <<0xF4, 0x90, 0x80, 0x80>>, "\\", "\"", "%", "\#{x}"]

  test "text is printable, and stays what it is where it was" do
    rounds(fn bytes ->
      assert_printable(Text.printable(bytes))
      assert_printable(Text.short(bytes))
      assert_printable(Text.term({bytes, [bytes], %{bytes => String.to_charlist("ab")}}))
      assert Text.printable(Text.printable(bytes)) == Text.printable(bytes)
    end)

    assert Text.printable("/run/netns/é漢 \"x\"") == "/run/netns/é漢 \"x\""
  end

  test "no control, no format and no separator of lines passes, of all characters there are" do
    for char <- Enum.concat(0..0xD7FF, 0xE000..0x10FFFF),
        text = <<char::utf8>>,
        text =~ ~r/^[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]$/u,
        do: assert(Text.printable(text) =~ ~r/^\\[xu]/, inspect(char))
  end

  test "every message of an error is printable" do
    stages = [:open, :setns, :userns, :fork, :socket, :setsockopt, :bind, :send, :thread, :port]

    rounds(fn bytes ->
      netns = Enum.random([{:name, bytes}, {:path, bytes}, bytes, {:pid, bytes}, [bytes]])
      code = Enum.random([1, 2, 13, 22, 36, 4095])
      assert_printable(Exception.message(Error.new(Enum.random(stages), code, netns, bytes)))
    end)
  end

  test "every complaint about an argument is printable" do
    rounds(fn bytes ->
      for wrong <- [
            fn -> Netns.resolve!({:name, bytes <> "/"}) end,
            fn -> Netns.resolve!({bytes, bytes}) end,
            fn -> Protocol.number!(bytes) end,
            fn -> Options.wire!([memberships: [bytes]], 0) end,
            fn -> Options.wire!([bind: {bytes}], {2, 1, 0}) end,
            fn -> What.wire!({bytes, :stream, 0}) end,
            fn -> Options.wire!(bytes, 0) end,
            fn -> Settings.new!(launcher: bytes) end,
            fn -> Settings.new!(rendezvous: "x" <> bytes) end,
            fn -> Settings.new!(timeout: bytes) end,
            fn -> Settings.new!(executable: {bytes}) end,
            fn -> Linx.Netlink.Port.open_many([bytes]) end,
            fn -> Linx.Netlink.Port.Native.open_in_netns("/", bytes) end,
            fn -> Linx.Netlink.Port.Native.bind_netlink(bytes, 0) end,
            fn -> Linx.Netlink.Port.Native.close_fd(bytes) end
          ] do
        error = assert_raise ArgumentError, wrong
        assert_printable(Exception.message(error))
      end
    end)
  end

  test "no message shows a term in any other way" do
    for path <- Path.wildcard("lib/linx/**/*.ex"), Path.basename(path) != "text.ex" do
      refute File.read!(path) =~ ~r/\#\{inspect\((?!__MODULE__|@module)/, path
    end
  end

  defp assert_printable(text) do
    assert String.valid?(text)
    assert String.printable?(text)
    refute text =~ ~r/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u, inspect(text)
    assert byte_size(text) < 8_000
  end

  defp rounds(round) do
    for _number <- 1..@rounds, do: round.(bytes())
  end

  defp bytes do
    case :rand.uniform(3) do
      1 -> :rand.bytes(:rand.uniform(20))
      2 -> Enum.map_join(1..:rand.uniform(6), fn _number -> Enum.random(@pieces) end)
      3 -> String.duplicate(Enum.random(@pieces), :rand.uniform(200))
    end
  end
end
