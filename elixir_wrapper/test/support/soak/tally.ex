defmodule Linx.Netlink.Port.Test.Soak.Tally do
  @moduledoc "Counts what happens, and keeps what must not."

  @table __MODULE__
  @most_kept 20

  def start do
    :ets.new(@table, [:named_table, :public, write_concurrency: true])
    :ok
  end

  @doc "Counts one more of something."
  def count(key, by \\ 1), do: :ets.update_counter(@table, key, by, {key, 0})

  @doc "How many there were."
  def of(key) do
    case :ets.lookup(@table, key) do
      [{^key, count}] -> count
      [] -> 0
    end
  end

  @doc "The first value that was given for a key."
  def once(key, value) do
    :ets.insert_new(@table, {key, value})
    :ets.lookup_element(@table, key, 2)
  end

  @doc "Keeps one more number of a kind."
  def keep(kind, number), do: :ets.insert(@table, {{kind, make_ref()}, number})

  @doc "The numbers of a kind."
  def kept(kind), do: for([number] <- :ets.match(@table, {{kind, :_}, :"$1"}), do: number)

  @doc "The counts of a kind, keys of the form `{kind, name}`, the most frequent first."
  def all(kind) do
    @table
    |> :ets.match({{kind, :"$1"}, :"$2"})
    |> Enum.map(&List.to_tuple/1)
    |> Enum.sort_by(fn {name, count} -> {-count, name} end)
  end

  @doc "Notes a promise that was broken."
  def broken(text) do
    number = count(:broken)
    if number <= @most_kept, do: :ets.insert(@table, {{:broken, number}, text})
    :ok
  end

  @doc "What was broken, in words, as far as it was kept."
  def broken do
    for [_number, text] <- Enum.sort(:ets.match(@table, {{:broken, :"$1"}, :"$2"})), do: text
  end
end
