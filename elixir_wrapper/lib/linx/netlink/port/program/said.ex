defmodule Linx.Netlink.Port.Program.Said do
  @moduledoc """
  What the port program said, as an event of `Linx.Netlink.Port.Program`: a term that came over the pair, with
  what it brought, or in a frame.

      iex> alias Linx.Netlink.Port.Program.Said
      iex> Said.on_pair({:reply, 7, :ok}, {[18], false})
      {:reply, 7, :ok, {[18], false}}
      iex> Said.in_frame({:protocol_error, :bad_tag})
      {:strange, "could not read a request: :bad_tag", []}
  """

  alias Linx.Netlink.Port.Program.Pair
  alias Linx.Netlink.Port.{Text, Wire}

  @eproto 71

  @doc "In a message on the pair."
  @spec in_message(Pair.message()) :: tuple()
  def in_message({:ok, bytes, fds, truncated?}),
    do: on_pair(Wire.decode(bytes), {fds, truncated?})

  @doc "On the pair: with descriptors, and whether there were more."
  @spec on_pair(tuple(), {[non_neg_integer()], boolean()}) :: tuple()
  def on_pair({:reply, id, reply}, brought), do: {:reply, id, reply, brought}
  def on_pair({:unreadable, id}, brought) when id != nil, do: unreadable(id, brought)
  def on_pair(other, {fds, _truncated?}), do: strange(other, fds)

  @doc "In a frame on its stdout."
  @spec in_frame(tuple()) :: tuple()
  def in_frame({:reply, id, reply}), do: {:reply, id, reply, {[], false}}
  def in_frame({:unreadable, id}) when id != nil, do: unreadable(id, {[], false})

  def in_frame({:protocol_error, reason}),
    do: {:strange, "could not read a request: #{Text.term(reason)}", []}

  def in_frame(other), do: strange(other, [])

  defp strange(other, fds),
    do: {:strange, "sent what is no reply, dropped: #{Text.term(other)}", fds}

  # An answer, if not an intelligible one: whoever waits for it gets an error rather than nothing.
  defp unreadable(id, brought), do: {:reply, id, {:error, {:port, @eproto}}, brought}
end
