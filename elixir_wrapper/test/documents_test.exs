defmodule Linx.Netlink.Port.DocumentsTest do
  use Linx.Netlink.Port.Test.Case, async: false

  alias Linx.Netlink.Port.Test.Resident

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

  test "the network of one's own in README.md is made as it stands there" do
    [_before, section] = "README.md" |> document() |> String.split("## A network of your own")
    {bindings, _binding} = Code.eval_string(hd(elixir(section)) <> "\nbinding()")
    sockets = for name <- [:route, :server, :client], do: bindings[name]
    assert [cookie] = sockets |> Enum.map(&Namespace.cookie/1) |> Enum.uniq()
    refute cookie == Namespace.host_cookie()
    Enum.each(sockets, &:socket.close/1)
    :ok = Linx.Netlink.Port.close_netns(bindings[:netns])
  end

  test "the test in docs/LAB.md passes as it stands there, after what is above it" do
    [above, tests] = "docs/LAB.md" |> document() |> elixir()
    path = Path.join(Fixture.directory(), "lab_test.exs")
    start = "{:ok, _started} = Application.ensure_all_started(:linx_netlink_port)"
    File.write!(path, Enum.join([start, above, "ExUnit.start()", tests], "\n"))
    ebin = Application.app_dir(:linx_netlink_port, "ebin")
    assert {output, 0} = System.cmd("elixir", ["-pa", ebin, path], stderr_to_stdout: true)
    assert output =~ ~r/^(1 test, 0 failures|Result: 1 passed)$/m
  end

  defp elixir(text),
    do:
      ~r/^```elixir\n(.*?)^```$/ms |> Regex.scan(text, capture: :all_but_first) |> List.flatten()

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

  describe "the first session in README.md goes as it is written there," do
    test "in a namespace with a name" do
      namespace = Namespace.create()
      assert_session_goes({:name, namespace.name}, namespace.bridge)
    end

    test "in a namespace of a user's own" do
      [command] = Regex.run(~r/^    (unshare .*) &$/m, readme(), capture: :all_but_first)
      ["unshare" | words] = OptionParser.split(command)
      made = String.replace(List.last(words), ~r/; exec .*$/, "; exec \"$@\"")
      resident = Resident.start(["unshare" | List.replace_at(words, -1, made) ++ ["sh"]])
      assert_session_goes({:pid, resident.pid}, "br0")
    end
  end

  defp assert_session_goes(netns, bridge) do
    steps = steps(readme())
    assert length(steps) > 8
    assert Enum.count(steps, fn {_line, said} -> said end) == 2
    assert {"netns = {:name, \"blue\"}", nil} = hd(steps)

    bindings =
      for {line, said} <- tl(steps), reduce: [netns: netns] do
        bindings ->
          {value, bindings} = Code.eval_string(line, bindings)
          if said, do: assert(inspect(value) == String.replace(said, "br0", bridge))
          bindings
      end

    for name <- [:socket, :monitor], do: :socket.close(bindings[name])
  end

  # What is typed, and what is answered, where that is written down.
  defp steps(text) do
    for [_all, line, more, said] <-
          Regex.scan(~r/^iex> (.*)\n((?:\.\.\.> .*\n)*)((?:(?!iex>|```).*)?)/m, text) do
      {line <> String.replace(more, "...> ", "\n"), if(said != "", do: said)}
    end
  end

  defp readme, do: document("README.md")

  defp document(name), do: @root |> Path.join(name) |> File.read!()
end
