defmodule Linx.Netlink.Port.WirePropertyTest do
  @moduledoc """
  What holds for the reading of replies, whatever bytes come.

  A round takes a real reply, a damaged one or noise, from the seed of the test run. There are so many
  rounds as fit into `WIRE_SECONDS`, or 20,000.
  """

  use ExUnit.Case, async: true

  alias Linx.Netlink.Port.Wire

  # It takes as long as it is told to.
  @moduletag timeout: :infinity

  @rounds 20_000

  @replies [
    {7, :ok},
    {300, {:error, {:setns, 22}}},
    {18_446_744_073_709_551_615, {:ok, [:ok, {:error, {:open, 2}}, :ok]}},
    {1, {:error, [{:open, 2}, {:socket, 93}]}},
    {1, {:error, {:badarg, "Netns is a path"}}},
    {2,
     {:ok, %{protocol: 1, requests: %{ok: 1, error: 0, in_flight: 0}, capabilities: [:net_admin]}}},
    {:protocol_error, :bad_tag},
    {:hello, %{protocol: 1, version: "0.1.0", os_pid: 4711, capabilities: []}}
  ]

  setup do
    _ = Wire.vocabulary()
    :ok
  end

  test "no bytes make the reading of a reply fail" do
    rounds(fn ->
      bytes = damaged(Enum.random(@replies))

      case Wire.decode(bytes) do
        {:reply, id, _reply} -> assert is_integer(id)
        {:hello, hello} -> assert is_map(hello)
        {:protocol_error, _reason} -> :ok
        {:unreadable, id} -> assert id == nil or is_integer(id)
        {:unknown, _term} -> :ok
      end
    end)
  end

  test "however the output is cut, the same frames come out" do
    rounds(fn ->
      frames = for _ <- 1..:rand.uniform(5), do: :erlang.term_to_binary(Enum.random(@replies))
      bytes = for frame <- frames, into: "", do: <<byte_size(frame)::32, frame::binary>>
      assert unframe_in_pieces(bytes) == {frames, ""}
    end)
  end

  test "noise makes no atoms" do
    before = :erlang.system_info(:atom_count)

    for number <- 1..1_000 do
      name = "an atom that nobody knows #{number}"
      Wire.decode(<<131, 104, 2, 97, 7, 119, byte_size(name), name::binary>>)
    end

    assert :erlang.system_info(:atom_count) - before < 1_000
  end

  defp rounds(round) do
    case System.get_env("WIRE_SECONDS") do
      nil ->
        for _ <- 1..@rounds, do: round.()

      seconds ->
        until = System.monotonic_time(:second) + div(String.to_integer(seconds), 2)
        fn -> round.() end |> Stream.repeatedly() |> Enum.find(fn _ -> over?(until) end)
    end
  end

  defp over?(time), do: System.monotonic_time(:second) > time

  defp damaged(reply) do
    bytes = :erlang.term_to_binary(reply)

    case :rand.uniform(5) do
      1 -> bytes
      2 -> binary_part(bytes, 0, :rand.uniform(byte_size(bytes)) - 1)
      3 -> bytes |> put_random() |> put_random() |> put_random()
      4 -> bytes <> :rand.bytes(:rand.uniform(8))
      5 -> <<131>> <> :rand.bytes(:rand.uniform(64))
    end
  end

  defp put_random(bytes) do
    at = :rand.uniform(byte_size(bytes)) - 1
    {front, <<_byte, rest::binary>>} = :erlang.split_binary(bytes, at)
    <<front::binary, :rand.uniform(256) - 1, rest::binary>>
  end

  defp unframe_in_pieces(bytes), do: unframe_in_pieces(bytes, "", [])

  defp unframe_in_pieces("", rest, frames), do: {frames, rest}

  defp unframe_in_pieces(bytes, rest, frames) do
    size = min(:rand.uniform(20), byte_size(bytes))
    {piece, bytes} = :erlang.split_binary(bytes, size)
    {:ok, more, rest} = Wire.unframe(rest <> piece)
    unframe_in_pieces(bytes, rest, frames ++ more)
  end
end
