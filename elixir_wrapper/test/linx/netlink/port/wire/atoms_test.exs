defmodule Linx.Netlink.Port.Wire.AtomsTest do
  use ExUnit.Case, async: true

  alias Linx.Netlink.Port.Wire
  alias Linx.Netlink.Port.Wire.Atoms

  test "leaves every term alone whose atoms are there" do
    for term <- [
          {7, :ok},
          {1_099_511_627_776, {:error, {:open, 2}}},
          {1, {:ok, %{capabilities: [:net_admin], version: "0.1.0", os_pid: 70_000, none: []}}},
          {-1, ~c"abc", [1 | :ok], List.to_tuple(Enum.to_list(1..300))}
        ] do
      bytes = :erlang.term_to_binary(term)
      assert bytes |> Atoms.known_only() |> :erlang.binary_to_term([:safe]) == term
    end
  end

  test "makes strings of the others, wherever they are, and makes no atoms" do
    # {1, {ok, #{zyxwvutsrq_one => [zyxwvutsrq_two]}}}
    bytes =
      <<131, 104, 2, 97, 1, 104, 2, 119, 2, "ok", 116, 1::32, 100, 14::16, "zyxwvutsrq_one", 108,
        1::32, 119, 14, "zyxwvutsrq_two", 106>>

    assert Wire.decode(bytes) == {:reply, 1, {:ok, %{"zyxwvutsrq_one" => ["zyxwvutsrq_two"]}}}
    assert_raise ArgumentError, fn -> String.to_existing_atom("zyxwvutsrq" <> "_one") end
  end

  test "what is cut short, or followed by something, or of another kind can't be read" do
    whole = <<131, 104, 2, 97, 7, 119, 9, "zyxwvutsq">>
    assert {:reply, 7, "zyxwvutsq"} = Wire.decode(whole)
    for size <- 5..(byte_size(whole) - 1), do: assert({:unreadable, 7} = cut(whole, size))
    assert {:unreadable, 7} = Wire.decode(whole <> "x")
    assert {:unreadable, 7} = Wire.decode(<<131, 104, 2, 97, 7, 80, 0::64>>)
  end

  defp cut(bytes, size), do: bytes |> binary_part(0, size) |> Wire.decode()
end
