defmodule Linx.Netlink.Port.Server.Outcome do
  @moduledoc """
  What a reply means, given what was expected, for each of the requests that it answers.

  The kernel drops the descriptors that find no room in the BEAM's table, the last ones first, and says so:
  a caller who misses one gets `EMFILE`. If it did not, there were too few from the start. That is
  `EPROTO`, as is a reply that doesn't answer the question.
  """

  alias Linx.Netlink.Port.{Descriptor, Program}
  alias Linx.Netlink.Port.Server.Requests

  @emfile 24
  @eproto 71

  @typedoc "What became of one of many."
  @type entry() :: {:ok, Descriptor.t()} | {:error, {atom(), pos_integer()}}

  @typedoc "What one request brought: a descriptor, or what became of each of many."
  @type opened() :: Descriptor.t() | [entry()]

  @typedoc "What became of one request: what it brought, a map, or why there is none."
  @type t() :: {:ok, opened()} | {:info, map()} | {:error, term()}

  @doc """
  One outcome for each of `count` requests with the same expectation, and the descriptors that are more
  than were asked for.

      iex> alias Linx.Netlink.Port.Server.Outcome
      iex> Outcome.of(:one, 1, :ok, {[18], false})
      {[{:ok, 18}], []}
      iex> {Outcome.of(:one, 1, :ok, {[], true}), Outcome.of(:one, 1, :ok, {[], false})}
      {{[{:error, {:port, 24}}], []}, {[{:error, {:port, 71}}], []}}
      iex> Outcome.of(:one, 2, {:ok, [:ok, :ok]}, {[18, 19, 20], false})
      {[{:ok, 18}, {:ok, 19}], [20]}
      iex> Outcome.of({:many, 2}, 1, {:ok, [{:error, {:open, 2}}, :ok]}, {[18], false})
      {[{:ok, [{:error, {:open, 2}}, {:ok, 18}]}], []}
  """
  @spec of(Requests.expectation(), pos_integer(), term(), Program.brought()) ::
          {[t()], [Descriptor.t()]}
  def of(expect, count, reply, {fds, truncated?}),
    do: of(expect, count, reply, fds, if(truncated?, do: @emfile, else: @eproto))

  defp of(expect, 1, reply, fds, missing) do
    {outcome, left} = of_one(expect, reply, fds, missing)
    {[outcome], left}
  end

  defp of(:one, count, reply, fds, missing) do
    case of_one({:many, count}, reply, fds, missing) do
      {{:ok, entries}, left} -> {entries, left}
      {{:error, reason}, left} -> {List.duplicate({:error, reason}, count), left}
    end
  end

  @doc """
  The descriptors that a request was answered with.

      iex> Linx.Netlink.Port.Server.Outcome.descriptors(18)
      [18]
      iex> Linx.Netlink.Port.Server.Outcome.descriptors([{:ok, 18}, {:error, {:open, 2}}, {:ok, 19}])
      [18, 19]
  """
  @spec descriptors(opened()) :: [Descriptor.t()]
  def descriptors(entries) when is_list(entries), do: for({:ok, fd} <- entries, do: fd)
  def descriptors(fd), do: [fd]

  defp of_one(:one, :ok, [fd | left], _missing), do: {{:ok, fd}, left}
  defp of_one(:one, :ok, [], missing), do: {{:error, {:port, missing}}, []}

  defp of_one({:many, count}, {:ok, results}, fds, missing)
       when is_list(results) and length(results) == count do
    {entries, left} = Enum.map_reduce(results, fds, &entry(&1, &2, missing))
    {{:ok, entries}, left}
  end

  defp of_one({:many, count}, {:error, reasons}, fds, missing)
       when is_list(reasons) and length(reasons) == count do
    {entries, left} = Enum.map_reduce(reasons, fds, &entry({:error, &1}, &2, missing))
    {{:ok, entries}, left}
  end

  defp of_one(:info, {:ok, map}, left, _missing) when is_map(map), do: {{:info, map}, left}
  defp of_one(_expect, {:error, reason}, left, _missing), do: {{:error, reason}, left}
  defp of_one(_expect, _reply, left, _missing), do: {{:error, {:port, @eproto}}, left}

  # Descriptors come in order, and the last ones are the ones that get lost.
  defp entry(:ok, [fd | fds], _missing), do: {{:ok, fd}, fds}
  defp entry(:ok, [], missing), do: {{:error, {:port, missing}}, []}

  defp entry({:error, {stage, code}}, fds, _missing) when is_atom(stage) and is_integer(code),
    do: {{:error, {stage, code}}, fds}

  defp entry(_other, fds, _missing), do: {{:error, {:port, @eproto}}, fds}
end
