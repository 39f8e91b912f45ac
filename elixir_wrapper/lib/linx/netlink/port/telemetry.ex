defmodule Linx.Netlink.Port.Telemetry do
  @moduledoc """
  Emits `:telemetry` events where that library is there, and costs next to nothing where it isn't.

  The events are listed in `Linx.Netlink.Port`. There is no dependency: the library is looked for
  when the application starts, and called by name.
  """

  @key {__MODULE__, :available?}

  @doc """
  Looks for the library. Called when the application starts; call it again if it came later.

  ## Example

      iex> Linx.Netlink.Port.Telemetry.detect()
      :ok
  """
  @spec detect() :: :ok
  def detect do
    :persistent_term.put(@key, Code.ensure_loaded?(:telemetry))
  end

  @doc """
  Whether anybody can be listening.

  ## Example

      iex> Linx.Netlink.Port.Telemetry.available?() == Code.ensure_loaded?(:telemetry)
      true
  """
  @spec available?() :: boolean()
  def available?, do: :persistent_term.get(@key, false)

  @doc """
  Emits an event, if there is the library to do so.

  ## Example

      iex> name = [:linx_netlink_port, :program, :down]
      iex> Linx.Netlink.Port.Telemetry.event(name, %{in_flight: 0}, %{server: self(), reason: 32})
      :ok
  """
  @spec event([atom(), ...], map(), map()) :: :ok
  def event(name, measurements, metadata) do
    if available?(), do: execute(name, measurements, metadata)
    :ok
  end

  @doc """
  Runs `fun` and emits how long it took: `:stop` if it returned `{:ok, _}`, else `:exception`.

  ## Example

      iex> metadata = %{netns: :host, protocol: :route, server: Linx.Netlink.Port}
      iex> Linx.Netlink.Port.Telemetry.open_span(metadata, fn -> {:error, {:socket, 93}} end)
      {:error, {:socket, 93}}
  """
  @spec open_span(map(), (... -> result)) :: result when result: {:ok, term()} | {:error, term()}
  def open_span(metadata, fun) do
    if available?(), do: measured(metadata, fun), else: fun.()
  end

  defp measured(metadata, fun) do
    start = System.monotonic_time()
    result = fun.()
    measurements = %{duration: System.monotonic_time() - start}

    case result do
      {:ok, _opened} ->
        execute([:linx_netlink_port, :open, :stop], measurements, metadata)

      {:error, reason} ->
        metadata = Map.merge(metadata, %{kind: :error, reason: reason})
        execute([:linx_netlink_port, :open, :exception], measurements, metadata)
    end

    result
  end

  # By apply/3, so that neither the compiler nor Dialyzer misses the library.
  defp execute(name, measurements, metadata) do
    apply(:telemetry, :execute, [name, measurements, metadata])
  end
end
