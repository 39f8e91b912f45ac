defmodule Linx.Netlink.Port.Server.Outcome do
  @moduledoc """
  What a reply means, given what was expected, for each of the requests that it answers.

  The kernel drops the descriptors that find no room in the BEAM's table, the last ones first: whoever
  misses one gets `EMFILE`. A reply that doesn't answer the question is `EPROTO`.
  """

  alias Linx.Netlink.Port.Descriptor
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

      iex> Linx.Netlink.Port.Server.Outcome.of(:one, 1, :ok, [18])
      {[{:ok, 18}], []}
      iex> Linx.Netlink.Port.Server.Outcome.of(:one, 1, :ok, [])
      {[{:error, {:port, 24}}], []}
      iex> Linx.Netlink.Port.Server.Outcome.of(:one, 2, {:ok, [:ok, :ok]}, [18, 19, 20])
      {[{:ok, 18}, {:ok, 19}], [20]}
      iex> Linx.Netlink.Port.Server.Outcome.of({:many, 2}, 1, {:ok, [{:error, {:open, 2}}, :ok]}, [18])
      {[{:ok, [{:error, {:open, 2}}, {:ok, 18}]}], []}
  """
  @spec of(Requests.expectation(), pos_integer(), term(), [Descriptor.t()]) ::
          {[t()], [Descriptor.t()]}
  def of(expect, 1, reply, fds) do
    {outcome, left} = of_one(expect, reply, fds)
    {[outcome], left}
  end

  def of(:one, count, reply, fds) do
    case of_one({:many, count}, reply, fds) do
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

  defp of_one(:one, :ok, [fd | left]), do: {{:ok, fd}, left}
  # The kernel drops what finds no room in the BEAM's table.
  defp of_one(:one, :ok, []), do: {{:error, {:port, @emfile}}, []}

  defp of_one({:many, count}, {:ok, results}, fds)
       when is_list(results) and length(results) == count do
    {entries, left} = Enum.map_reduce(results, fds, &entry/2)
    {{:ok, entries}, left}
  end

  defp of_one({:many, count}, {:error, reasons}, fds)
       when is_list(reasons) and length(reasons) == count do
    {entries, left} = Enum.map_reduce(reasons, fds, &entry({:error, &1}, &2))
    {{:ok, entries}, left}
  end

  defp of_one(:info, {:ok, map}, left) when is_map(map), do: {{:info, map}, left}
  defp of_one(_expect, {:error, reason}, left), do: {{:error, reason}, left}
  defp of_one(_expect, _reply, left), do: {{:error, {:port, @eproto}}, left}

  # Descriptors come in order, and the last ones are the ones that get lost.
  defp entry(:ok, [fd | fds]), do: {{:ok, fd}, fds}
  defp entry(:ok, []), do: {{:error, {:port, @emfile}}, []}

  defp entry({:error, {stage, code}}, fds) when is_atom(stage) and is_integer(code),
    do: {{:error, {stage, code}}, fds}

  defp entry(_other, fds), do: {{:error, {:port, @eproto}}, fds}
end
