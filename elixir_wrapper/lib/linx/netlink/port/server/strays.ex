defmodule Linx.Netlink.Port.Server.Strays do
  @moduledoc """
  What the port program answered, or will answer, to requests that callers sent themselves, by the lane.

    * An answer is *early* that the server came upon before its caller has handed the request over.
    * A request is *lost* whose caller has died before he had its answer, or had handed it over.

  ## Example

      iex> alias Linx.Netlink.Port.Server.Strays
      iex> strays = Strays.keep(%Strays{}, 7, :ok, {[18], false})
      iex> {early, strays} = Strays.take(strays, 7)
      iex> {early, Strays.early?(strays)}
      {{:ok, {[18], false}}, false}
      iex> strays = Strays.lose(strays, 8)
      iex> {Strays.awaited?(strays), Strays.answered(strays, 8), Strays.answered(strays, 9)}
      {true, {:ok, %Strays{}}, :error}
      iex> %Strays{} |> Strays.keep(9, :ok, {[19], false}) |> Strays.all()
      [{9, [19]}]
  """

  alias Linx.Netlink.Port.{Descriptor, Program, Wire}

  defstruct early: %{}, lost: %{}

  @typedoc "The answers that are early, by their requests; and the requests that are lost."
  @type t() :: %__MODULE__{
          early: %{optional(Wire.id()) => {term(), Program.brought()}},
          lost: %{optional(Wire.id()) => true}
        }

  @doc "Whether this answer is early."
  @spec early?(t(), Wire.id()) :: boolean()
  def early?(%__MODULE__{early: early}, id), do: is_map_key(early, id)

  @doc "Whether a caller is to come for an answer."
  @spec early?(t()) :: boolean()
  def early?(%__MODULE__{early: early}), do: early != %{}

  @doc "Whether an answer is still to come that nobody else waits for."
  @spec awaited?(t()) :: boolean()
  def awaited?(%__MODULE__{lost: lost}), do: lost != %{}

  @doc "Keeps an early answer."
  @spec keep(t(), Wire.id(), term(), Program.brought()) :: t()
  def keep(strays, id, reply, brought),
    do: %{strays | early: Map.put(strays.early, id, {reply, brought})}

  @doc "Takes an early answer out; `nil` if it has not come."
  @spec take(t(), Wire.id()) :: {{term(), Program.brought()} | nil, t()}
  def take(strays, id) do
    {early, rest} = Map.pop(strays.early, id)
    {early, %{strays | early: rest}}
  end

  @doc "A request is lost that has not been answered."
  @spec lose(t(), Wire.id()) :: t()
  def lose(strays, id), do: %{strays | lost: Map.put(strays.lost, id, true)}

  @doc "The answer to one that is lost has come; `:error` if it isn't one."
  @spec answered(t(), Wire.id()) :: {:ok, t()} | :error
  def answered(%__MODULE__{lost: lost}, id) when not is_map_key(lost, id), do: :error
  def answered(strays, id), do: {:ok, %{strays | lost: Map.delete(strays.lost, id)}}

  @doc "All that came early, with their descriptors."
  @spec all(t()) :: [{Wire.id(), [Descriptor.t()]}]
  def all(%__MODULE__{early: early}),
    do: for({id, {_reply, {fds, _truncated?}}} <- early, do: {id, fds})
end
