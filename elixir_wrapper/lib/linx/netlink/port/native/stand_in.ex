defmodule Linx.Netlink.Port.Native.StandIn do
  @moduledoc """
  A `Linx.Netlink.Socket.Native` that has the work done by `Linx.Netlink.Port.Native`, to be loaded in the
  place of Linx's own.

  It is compiled together with this module, and kept in it as a binary. So no file has its name, and a release
  needs no compiler to load it.
  """

  alias Linx.Netlink.Port.{Native, NifModule}

  @module NifModule.name()
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
      body = [call.(Native, name, arguments)]
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
        {:attribute, 0, NifModule.mark(), true},
        {:attribute, 0, :export, [{:__info__, 1} | @functions]},
        information | delegations
      ],
      [:deterministic]
    )

  @binary binary

  @doc """
  Its code, as the code server takes it.

  ## Example

      iex> alias Linx.Netlink.Port.{Native.StandIn, NifModule}
      iex> {NifModule.put(StandIn.binary()), NifModule.ours?()}
      {{:ok, :not_loaded}, true}
      iex> apply(Linx.Netlink.Socket.Native, :open_in_netns, ["/run/netns/green", 0])
      {:error, {:open, 2}}
      iex> {NifModule.take_away(:not_loaded), NifModule.ours?()}
      {:ok, false}
  """
  @spec binary() :: binary()
  def binary, do: @binary
end
