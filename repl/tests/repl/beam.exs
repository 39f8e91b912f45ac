# Prints terms with their bytes and both texts, then judges the terms that it
# reads. A line is base 64, fields between tabs.

encode = &Base.encode64(IO.iodata_to_binary(&1))
external = &:erlang.term_to_binary(&1, minor_version: 2)

fixed = [
  :info,
  {7, {:open_in_netns, "/run/netns/blue", 0, %{groups: 1, ext_ack: true}}},
  {:open_many, [{"/run/netns/blue", 0}, {{:pid, 4711}, 16, %{memberships: [1, 5]}}]},
  {:hello, %{protocol: 1, version: "0.1.0", os_pid: 4711, capabilities: [:net_admin, :sys_admin]}},
  nil, true, false, :"", :"a b", :"it's", :"\"", :"\\", :"a\nb", :Foo, Foo, Foo.Bar, :"Elixir.foo", :"Elixir.",
  :after, :end, :fn, :do, :maybe, :a@b, :a?, :b!, :_, :_a, :é, :ÿ, :"日本", :"a-b", :"1a", :"\x00", :"\e[2J",
  :+, :-, :*, :/, :==, :===, :!=, :!==, :<, :>, :<=, :>=, :&&, :||, :&, :|, :|>, :<>, :++, :--, :=, :!, :^, :.,
  :.., :"..//", :..., :{}, :%{}, :<<>>, :%, :@, :<-, :->, :"::", :"=>", :=~, :~>, :<~, :<<<, :>>>, :&&&, :|||, :^^^,
  :~~~, :+++, :---, :**, :"not in", :in, :when, :"\\\\", :<~>, :<<~, :~>>, :"[]", :",", :";", :"(", :"#", :"$", :"`",
  0, 1, -1, 255, 256, -255, 2_147_483_647, 2_147_483_648, -2_147_483_648, -2_147_483_649,
  9_223_372_036_854_775_807, 18_446_744_073_709_551_615, 18_446_744_073_709_551_616, -18_446_744_073_709_551_616,
  Integer.pow(2, 2039), Integer.pow(2, 2040), -Integer.pow(7, 1000),
  0.0, -0.0, 1.0, -1.5, 0.1, 1.0e10, 1.0e21, 1.0e22, 1.0e-5, 123456789.125, 1.7976931348623157e308, 5.0e-324,
  0.001, 0.0001, 1.0e-7, 1.0e100, 9007199254740992.0, 123456789012345680.0, 1.0e15, 1.0e16, 1.0e17,
  "", "text", "a\"b", "a\\b", "a\nb\tc\rd", "é", "日本", "\#{x}", "#", "\e[2J", <<0>>, <<1, 2, 255>>, <<255, 254>>,
  "\u202e", "\u00a0", "\u200b", "\ufeff", "e\u0301", <<233>>, <<0::3>>, <<1, 2, 5::4>>, <<1::1>>, <<255, 127::7>>,
  [], [1], 'text', 'a"b', 'it\'s', 'a\nb', [7], [27], [0], [233], [9786], [97, 98, 9786], [-1], [-1, 255], [256],
  [97 | 98], [1, 2 | 3], [[1] | 2], [:a | "b"], [[] | :a], [1, [2, [3, [4]]]], Enum.to_list(0..300),
  [a: 1], [a: 1, b: [c: 2]], [{:"a b", 1}], [{Foo, 1}], [{:a, 1}, :b], [{:+, 1}], [{nil, 1}], [{"a", 1}],
  {}, {1}, {1, {2, {3}}}, {:a, [b: 1]}, List.to_tuple(Enum.to_list(1..300)),
  %{}, %{a: 1}, %{"k" => 1}, %{:a => 1, "k" => 2}, %{1 => 2, 1.5 => 3, {1} => 4, [1] => 5, nil => 6},
  %{%{} => 1}, %{Foo => 1}, %{"a b": 1, +: 2}, Map.new(1..40, &{&1, &1 * &1}),
  String.duplicate("x", 70_000), List.duplicate(120, 70_000)
]

:rand.seed(:exsss, {1, 2, 3})
pick = &Enum.at(&1, :rand.uniform(length(&1)) - 1)

leaf = fn ->
  case :rand.uniform(8) do
    1 -> :rand.uniform(1000) - 500
    2 -> :rand.uniform(Integer.pow(2, 70)) - Integer.pow(2, 69)
    3 -> (:rand.uniform() - 0.5) * :math.pow(10, :rand.uniform(60) - 30)
    4 -> :rand.bytes(:rand.uniform(6))
    5 -> for _ <- 1..:rand.uniform(6), into: "", do: <<pick.(Enum.to_list(?\s..?~) ++ [?é, ?日, ?\n])::utf8>>
    6 -> String.to_atom(for _ <- 1..:rand.uniform(4), into: "", do: <<pick.('abAB_@? é')::utf8>>)
    7 -> for _ <- 1..:rand.uniform(5), do: :rand.uniform(300)
    8 -> pick.([nil, true, :ok, [], {}, %{}, ""])
  end
end

grow = fn
  _, 0 -> leaf.()
  grow, depth ->
    some = fn -> for _ <- 1..:rand.uniform(4), do: grow.(grow, depth - 1) end

    case :rand.uniform(6) do
      1 -> some.()
      2 -> List.to_tuple(some.())
      3 -> Map.new(some.(), &{&1, leaf.()})
      4 -> some.() ++ :tail
      5 -> for value <- some.(), do: {pick.([:a, :b, :"c d"]), value}
      6 -> leaf.()
    end
end

for term <- fixed ++ for(_ <- 1..400, do: grow.(grow, 3)) do
  [
    encode.(external.(term)),
    encode.(:unicode.characters_to_binary(:io_lib.format("~p", [term]), :unicode)),
    encode.(:unicode.characters_to_binary(:io_lib.format("~tp", [term]), :unicode)),
    encode.(:unicode.characters_to_binary(:io_lib.format("~0tp", [term]), :unicode)),
    encode.(inspect(term, limit: :infinity, printable_limit: :infinity)),
    encode.(inspect(term, limit: :infinity, printable_limit: :infinity, width: :infinity))
  ]
  |> Enum.join("\t")
  |> IO.puts()
end

IO.puts("judged")

for line <- IO.stream(:stdio, :line) do
  [bytes, erlang, elixir] = line |> String.trim() |> String.split("\t") |> Enum.map(&Base.decode64!/1)
  term = :erlang.binary_to_term(bytes)

  verdict =
    try do
      {:ok, tokens, _} = :erl_scan.string(String.to_charlist(erlang <> "."))
      {:ok, from_erlang} = :erl_parse.parse_term(tokens)
      {from_elixir, _} = Code.eval_string(elixir)

      cond do
        from_erlang !== term -> "Erlang reads something else: " <> erlang
        from_elixir !== term -> "Elixir reads something else: " <> elixir
        true -> "ok"
      end
    rescue
      error -> "#{inspect(error)}: #{erlang} #{elixir}"
    end

  IO.puts([encode.(verdict), "\t", encode.(external.(term))])
end
