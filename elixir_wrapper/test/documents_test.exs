defmodule Linx.Netlink.Port.DocumentsTest do
  use Linx.Netlink.Port.Test.Case, async: false

  @root Path.expand("../..", __DIR__)
  @netlink 16

  test "the client at the end of docs/PROTOCOL.md works as it stands there" do
    [code] =
      Regex.run(~r/^```elixir\n(.*?)^```$/ms, document("docs/PROTOCOL.md"),
        capture: :all_but_first
      )

    [{client, _beam}] = Code.compile_string(code)
    executable = Application.app_dir(:linx_netlink_port, "priv/linx-netlink-port")

    assert {:ok, socket} = client.open(executable, "/proc/self/ns/net", 0)
    # SO_DOMAIN
    assert {:ok, <<@netlink::native-32>>} = :socket.getopt_native(socket, {1, 39}, 4)
    assert :ok = :socket.close(socket)
    assert {:error, {:open, 2}} = client.open(executable, "/run/netns/there-is-none", 0)
  end

  test "the first session in README.md goes as it is written there" do
    namespace = Namespace.create()

    session =
      "README.md"
      |> document()
      |> String.replace(["{:name, \"blue\"}"], "{:name, \"#{namespace.name}\"}")

    lines = for [line] <- Regex.scan(~r/^iex> (.*)$/m, session, capture: :all_but_first), do: line
    assert length(lines) > 4

    bindings =
      Enum.reduce(lines, [], fn line, bindings ->
        {_value, bindings} = Code.eval_string(line, bindings)
        bindings
      end)

    {:ok, said} = session |> expected() |> Code.string_to_quoted()
    assert Exception.message(bindings[:error]) == said
    for name <- [:socket, :monitor], do: :socket.close(bindings[name])
  end

  defp document(name), do: @root |> Path.join(name) |> File.read!()

  defp expected(session) do
    [said] =
      Regex.run(~r/^iex> Exception.message\(error\)\n(.*)$/m, session, capture: :all_but_first)

    said
  end
end
