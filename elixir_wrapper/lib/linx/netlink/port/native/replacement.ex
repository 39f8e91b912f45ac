defmodule Linx.Netlink.Port.Native.Replacement do
  @moduledoc """
  Keeps `Linx.Netlink.Port.Native` in the place of Linx's NIF, from its start to its end:

      config :linx_netlink_port, replace_nif: true

  Whoever recompiles or reloads Linx in a running BEAM brings its own module back. Nothing tells when code is
  loaded, so it looks every second, replaces the module again, and says so in the log. A module that is
  only gone is left alone: it is being compiled, and will be loaded when it is called.
  """

  use GenServer

  require Logger

  alias Linx.Netlink.Port.Native.StandIn
  alias Linx.Netlink.Port.{NifModule, Text}

  # In milliseconds.
  @interval 1_000

  @doc """
  Whether the configuration asks for it. Anything but true and false raises `ArgumentError`.

  ## Example

      iex> Linx.Netlink.Port.Native.Replacement.wanted?()
      false
  """
  @spec wanted?() :: boolean()
  def wanted? do
    case Application.get_env(:linx_netlink_port, :replace_nif) do
      wanted? when is_boolean(wanted?) -> wanted?
      nil -> false
      other -> raise ArgumentError, "replace_nif must be true or false, got: #{Text.term(other)}"
    end
  end

  @doc "Replaces Linx's module, for as long as this process lives."
  @spec start_link(term()) :: GenServer.on_start()
  def start_link(_argument), do: GenServer.start_link(__MODULE__, [])

  @impl true
  def init([]) do
    Process.flag(:trap_exit, true)

    case NifModule.put(StandIn.binary()) do
      {:ok, before} ->
        Logger.info("#{name()} is the port program's from now on (replace_nif)")
        {:ok, look_later(%{before: before, refused: nil})}

      {:error, text} ->
        {:stop, {RuntimeError.exception(text), []}}
    end
  end

  @impl true
  def handle_info(:look, state) do
    state = if NifModule.another?(), do: replace_again(state), else: %{state | refused: nil}
    {:noreply, look_later(state)}
  end

  def handle_info(_other, state), do: {:noreply, state}

  @impl true
  def terminate(_reason, state) do
    with {:error, text} <- NifModule.take_away(state.before), do: Logger.warning(text)
  end

  defp replace_again(state) do
    case NifModule.put(StandIn.binary()) do
      {:ok, before} ->
        Logger.warning(
          "#{name()} was loaded anew, and served by Linx's NIF for up to a second; " <>
            "it is the port program's again (replace_nif)"
        )

        %{state | before: before, refused: nil}

      # Once is enough.
      {:error, text} ->
        if text != state.refused, do: Logger.error(text)
        %{state | refused: text}
    end
  end

  defp look_later(state) do
    Process.send_after(self(), :look, @interval)
    state
  end

  defp name, do: inspect(NifModule.name())
end
