defmodule Linx.Netlink.Port.Server.Delivery do
  @moduledoc """
  Who is told what, once a request has been answered, or has failed.

  A descriptor is given to the closer to watch before its caller hears of it, and closed if nobody wants it
  any more.

  ## Example

  The port program is only named in the log, and so is left out.

      iex> alias Linx.Netlink.Port.Descriptor.Closer
      iex> alias Linx.Netlink.Port.Server.{Delivery, Requests}
      iex> sender = %{closer: Closer.start(), program: nil, info: fn -> %{} end}
      iex> {1, requests} = Requests.add(%Requests{}, {self(), :tag}, :one, 100, {:open, "red"})
      iex> requests = Requests.flush(requests, 0, fn 2, _commands -> :ok end)
      iex> {[{1, request}] = landed, _requests} = Requests.land(requests, 2, 1)
      iex> {:ok, fd} = Linx.Netlink.Port.Native.open_in_netns("/proc/self/ns/net", 0)
      iex> Delivery.deliver(landed, :ok, {[fd], false}, sender)
      []
      iex> {:ok, ^fd, 1, closer} = receive do: ({:tag, answer} -> answer)
      iex> {Closer.watched(closer), Closer.adopted(closer, 1), Closer.watched(closer)}
      {1, :ok, 0}
      iex> Delivery.fail(request, 32)
      iex> receive do: ({:tag, answer} -> answer)
      {:error, {:port, 32}}
  """

  require Logger

  alias Linx.Netlink.Port.{Descriptor, Errno, Program, Text, Wire}
  alias Linx.Netlink.Port.Descriptor.Closer
  alias Linx.Netlink.Port.Server.{Outcome, Requests}

  @einval 22
  @eproto 71

  @typedoc "Who delivers: whose descriptors these are, who sent them, and what the server tells of itself."
  @type sender() :: %{closer: Closer.t(), program: Program.t(), info: (... -> map())}

  @doc """
  Gives each of the requests that a reply answers its part of it, and returns the descriptors that nobody
  asked for. A request that nobody waits for any more is `nil`.

  Requests that share a flight expect the same.
  """
  @spec deliver(
          [{Wire.id(), Requests.request() | nil}, ...],
          reply :: term(),
          Program.brought(),
          sender()
        ) :: [Descriptor.t()]
  def deliver(landed, reply, {fds, _truncated?} = brought, sender) do
    case Enum.find_value(landed, fn {_id, it} -> it end) do
      nil ->
        Closer.close(sender.closer, fds)
        []

      %{expect: expect} ->
        deliver(landed, expect, reply, brought, sender)
    end
  end

  defp deliver(landed, expect, reply, brought, sender) do
    {outcomes, left} = Outcome.of(expect, length(landed), reply, brought)
    told = Enum.zip(landed, outcomes)

    brought =
      for {{id, %{from: {caller, _tag}}}, {:ok, opened}} <- told,
          fds = Outcome.descriptors(opened),
          fds != [],
          do: {id, caller, fds}

    :ok = Closer.watch(sender.closer, brought)

    Enum.each(told, fn {{id, it}, outcome} -> tell(id, it, outcome, sender) end)
    left
  end

  @doc "Tells the caller of a request that the port program can't be used, and why."
  @spec fail(Requests.request(), Errno.reason()) :: :ok
  def fail(%{from: :probe}, _code), do: :ok
  def fail(%{from: from}, code), do: GenServer.reply(from, {:error, {:port, code}})

  defp tell(_id, %{from: :probe}, _outcome, _sender), do: :ok

  defp tell(id, %{from: from}, {:ok, opened}, sender),
    do: GenServer.reply(from, {:ok, opened, id, sender.closer})

  defp tell(_id, %{from: from}, {:info, map}, sender),
    do: GenServer.reply(from, {:ok, map, sender.info.(), sender.closer})

  defp tell(_id, %{from: from}, {:error, reason}, sender),
    do: GenServer.reply(from, {:error, plain(reason, sender)})

  defp tell(_id, nil, {:ok, opened}, sender),
    do: Closer.close(sender.closer, Outcome.descriptors(opened))

  defp tell(_id, nil, {:error, _reason}, _sender), do: :ok

  defp plain({:badarg, text}, sender) do
    Logger.error(Text.printable(describe(sender, "refused an argument: #{Text.term(text)}")))
    {:port, @einval}
  end

  defp plain({stage, code} = reason, _sender) when is_atom(stage) and is_integer(code), do: reason
  defp plain(_other, _sender), do: {:port, @eproto}

  defp describe(sender, text), do: "#{Program.describe(sender.program)} #{text}"
end
