defmodule Linx.Netlink.Port.Native.StandIn do
  @moduledoc """
  A `Linx.Netlink.Socket.Native` that has the work done by `Linx.Netlink.Port.Native`, to be loaded in the
  place of Linx's own.

  It is compiled together with this module, and kept in it as a binary. So no file has its name, and a release
  needs no compiler to load it. While it is loaded, no call loads Linx's own, and so neither its NIF.

  To the code server it comes from no file, like a module that was typed into a shell: whoever reloads what has
  changed on disk leaves it alone.
  """

  @module Linx.Netlink.Socket.Native
  @functions [bind_netlink: 2, close_fd: 1, open_in_netns: 2]

  # What Elixir asks of a module, beside what Erlang's own information tells.
  @information [
    module: @module,
    functions: @functions,
    macros: [],
    struct: nil,
    deprecated: [],
    exports_md5: :erlang.md5(:erlang.term_to_binary(@functions))
  ]

  call = fn module, function, arguments ->
    {:call, 0, {:remote, 0, {:atom, 0, module}, {:atom, 0, function}}, arguments}
  end

  function = fn name, clauses ->
    [{:clause, 0, arguments, [], _body} | _] = clauses
    {:function, 0, name, length(arguments), clauses}
  end

  delegations =
    for {name, arity} <- @functions do
      arguments = for number <- 1..arity, do: {:var, 0, :"Argument#{number}"}
      body = [call.(Linx.Netlink.Port.Native, name, arguments)]
      function.(name, [{:clause, 0, arguments, [], body}])
    end

  known =
    for {key, value} <- @information,
        do: {:clause, 0, [{:atom, 0, key}], [], [:erl_parse.abstract(value)]}

  key = {:var, 0, :Key}
  other = [call.(:erlang, :get_module_info, [{:atom, 0, @module}, key])]
  information = function.(:__info__, known ++ [{:clause, 0, [key], [], other}])

  {:ok, _module, binary} =
    :compile.forms(
      [
        {:attribute, 0, :module, @module},
        {:attribute, 0, :export, [{:__info__, 1} | @functions]},
        information | delegations
      ],
      [:deterministic]
    )

  @binary binary
  @md5 :code.module_md5(binary)

  @doc """
  Loads it, over whatever is there; tells whether something was, or in a sentence why it can't be.

  ## Example

      iex> alias Linx.Netlink.Port.Native.StandIn
      iex> {StandIn.put(), StandIn.in_place?()}
      {{:ok, :not_loaded}, true}
      iex> apply(Linx.Netlink.Socket.Native, :open_in_netns, ["/run/netns/green", 0])
      {:error, {:open, 2}}
      iex> {StandIn.take_away(:not_loaded), StandIn.in_place?()}
      {:ok, false}
  """
  @spec put() :: {:ok, :loaded | :not_loaded} | {:error, String.t()}
  def put do
    before = if :erlang.module_loaded(@module), do: :loaded, else: :not_loaded

    case :code.load_binary(@module, [], @binary) do
      {:module, @module} ->
        # Where nobody is at work in it any more, the NIF goes too.
        _ = :code.soft_purge(@module)
        {:ok, before}

      {:error, reason} ->
        {:error, "#{inspect(@module)} can't be replaced, since #{why(reason)}"}
    end
  end

  @doc "Whether it is what `Linx.Netlink.Socket.Native` is now."
  @spec in_place?() :: boolean()
  def in_place?, do: loaded() == {:loaded, @md5}

  @doc "Whether something else is loaded under that name."
  @spec displaced?() :: boolean()
  def displaced?, do: loaded() not in [{:loaded, @md5}, :not_loaded]

  @doc """
  Takes it away. What was loaded before is loaded again, from its file; what was not, is when it is called.
  """
  @spec take_away(:loaded | :not_loaded) :: :ok | {:error, String.t()}
  def take_away(before) do
    cond do
      not in_place?() -> :ok
      before == :loaded -> load_own()
      before == :not_loaded -> unload()
    end
  end

  defp load_own do
    case :code.load_file(@module) do
      {:module, @module} ->
        :ok

      {:error, reason} ->
        :ok = unload()
        {:error, "#{inspect(@module)} can't be loaded again, since #{why(reason)}"}
    end
  end

  defp unload do
    _ = :code.purge(@module)
    _ = :code.delete(@module)
    _ = :code.purge(@module)
    :ok
  end

  # Asked in one step: a module that isn't there would be loaded to be asked.
  defp loaded do
    {:loaded, :erlang.get_module_info(@module, :md5)}
  rescue
    ArgumentError -> :not_loaded
  end

  defp why(:sticky_directory), do: "its directory is sticky (`:code.unstick_dir/1`)"
  defp why(:nofile), do: "there is no file of it in the code path"
  defp why(:on_load_failure), do: "its `@on_load` function failed"
  defp why(reason), do: "the code server says #{inspect(reason)}"
end
