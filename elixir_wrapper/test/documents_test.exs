defmodule Linx.Netlink.Port.DocumentsTest do
  use Linx.Netlink.Port.Test.Case, async: false

  @root Path.expand("../..", __DIR__)

  test "the client at the end of docs/PROTOCOL.md works as it stands there" do
    [code] =
      Regex.run(~r/^```elixir\n(.*?)^```$/ms, document("docs/PROTOCOL.md"),
        capture: :all_but_first
      )

    executable = Application.app_dir(:linx_netlink_port, "priv/linx-netlink-port")
    path = Path.join(Fixture.directory(), "client.exs")
    File.write!(path, code <> client_session(executable))
    # In a BEAM that knows nothing of the wrapper, nor its atoms. SO_DOMAIN is that of netlink.
    assert {output, 0} = System.cmd("elixir", [path], stderr_to_stdout: true)
    assert output == "16\n{:error, {:open, 2}}\n{:error, {:setns, 22}}\n"
  end

  defp client_session(executable) do
    """
    open = &PlainClient.open(#{inspect(executable)}, &1, 0)
    {:ok, socket} = open.("/proc/self/ns/net")
    {:ok, <<domain::native-32>>} = :socket.getopt_native(socket, {1, 39}, 4)
    IO.puts(domain)
    IO.inspect(open.("/run/netns/there-is-none"))
    IO.inspect(open.("/dev/null"))
    """
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
