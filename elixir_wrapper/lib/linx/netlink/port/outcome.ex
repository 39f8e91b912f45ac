defmodule Linx.Netlink.Port.Outcome do
  @moduledoc """
  What a reply means, given what was expected.

  The kernel drops the descriptors that find no room in the BEAM's table, the last ones first: whoever
  misses one gets `EMFILE`. A reply that doesn't answer the question is `EPROTO`.
  """

  alias Linx.Netlink.Port.{Descriptor, Requests}

  @emfile 24
  @eproto 71

  @typedoc "What became of one of many."
  @type entry() :: {:ok, Descriptor.t()} | {:error, {atom(), pos_integer()}}

  @doc """
  The result, and the descriptors that are more than were asked for; a map; or why there is none.

      iex> Linx.Netlink.Port.Outcome.of(:one, :ok, [18])
      {:ok, 18, []}
      iex> Linx.Netlink.Port.Outcome.of(:one, :ok, [])
      {:error, {:port, 24}}
      iex> Linx.Netlink.Port.Outcome.of({:many, 2}, {:ok, [{:error, {:open, 2}}, :ok]}, [18])
      {:ok, [{:error, {:open, 2}}, {:ok, 18}], []}
  """
  @spec of(Requests.expectation(), term(), [Descriptor.t()]) ::
          {:ok, Descriptor.t() | [entry()], [Descriptor.t()]} | {:info, map()} | {:error, term()}
  def of(:one, :ok, [fd | extra]), do: {:ok, fd, extra}
  # The kernel drops what finds no room in the BEAM's table.
  def of(:one, :ok, []), do: {:error, {:port, @emfile}}

  def of({:many, count}, {:ok, results}, fds)
      when is_list(results) and length(results) == count do
    {results, extra} = Enum.map_reduce(results, fds, &entry/2)
    {:ok, results, extra}
  end

  def of({:many, count}, {:error, reasons}, fds)
      when is_list(reasons) and length(reasons) == count do
    {results, extra} = Enum.map_reduce(reasons, fds, &entry({:error, &1}, &2))
    {:ok, results, extra}
  end

  def of(:info, {:ok, map}, []) when is_map(map), do: {:info, map}
  def of(_expect, {:error, reason}, _fds), do: {:error, reason}
  def of(_expect, _reply, _fds), do: {:error, {:port, @eproto}}

  # Descriptors come in order, and the last ones are the ones that get lost.
  defp entry(:ok, [fd | fds]), do: {{:ok, fd}, fds}
  defp entry(:ok, []), do: {{:error, {:port, @emfile}}, []}

  defp entry({:error, {stage, code}}, fds) when is_atom(stage) and is_integer(code),
    do: {{:error, {stage, code}}, fds}

  defp entry(_other, fds), do: {{:error, {:port, @eproto}}, fds}
end
