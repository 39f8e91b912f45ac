defmodule Linx.Netlink.Port.Settings do
  @moduledoc """
  How a server is set up: its options, completed from the application's configuration.
  """

  @enforce_keys [:name, :executable, :launcher, :args, :timeout]
  defstruct @enforce_keys

  @type t() :: %__MODULE__{
          name: GenServer.name() | nil,
          executable: Path.t() | nil,
          launcher: [String.t()],
          args: [String.t()],
          timeout: pos_integer()
        }

  @application :linx_netlink_port
  @defaults [executable: nil, launcher: [], args: [], timeout: 5_000]

  @doc """
  Checks the options of a server. What is missing comes from the configuration of
  `:linx_netlink_port`, then from the defaults; a name that is missing is none. What is wrong, or unknown,
  raises `ArgumentError`.

      iex> Linx.Netlink.Port.Settings.new!(timeout: 100).timeout
      100
      iex> Linx.Netlink.Port.Settings.new!(timeout: :infinity)
      ** (ArgumentError) the option :timeout must be a positive number of milliseconds, got: :infinity
  """
  @spec new!(keyword()) :: t()
  def new!(options) do
    {name, options} = Keyword.pop(options, :name)
    unknown = Enum.reject(Keyword.keys(options), &Keyword.has_key?(@defaults, &1))

    if unknown != [] do
      raise ArgumentError,
            "unknown options #{inspect(unknown)}; known are :name, " <>
              Enum.map_join(Keyword.keys(@defaults), ", ", &inspect/1)
    end

    settings =
      for {key, default} <- @defaults do
        {key, Keyword.get_lazy(options, key, fn -> configured(key, default) end)}
      end

    %__MODULE__{
      name: name,
      executable: executable!(settings[:executable]),
      launcher: words!(:launcher, settings[:launcher]),
      args: words!(:args, settings[:args]),
      timeout: timeout!(settings[:timeout])
    }
  end

  @doc """
  Checks a time limit in milliseconds, of 32 bits at most.

      iex> Linx.Netlink.Port.Settings.timeout!(100)
      100
      iex> Linx.Netlink.Port.Settings.timeout!(0)
      ** (ArgumentError) the option :timeout must be a positive number of milliseconds, got: 0
  """
  @spec timeout!(term()) :: pos_integer()
  def timeout!(timeout) when is_integer(timeout) and timeout in 1..0xFFFFFFFF, do: timeout

  def timeout!(other) do
    raise ArgumentError,
          "the option :timeout must be a positive number of milliseconds, got: #{inspect(other)}"
  end

  defp configured(key, default), do: Application.get_env(@application, key, default)

  defp executable!(nil), do: nil
  defp executable!(path) when is_binary(path) or is_list(path), do: Path.expand(path)

  defp executable!(other) do
    raise ArgumentError, "the option :executable must be a path, got: #{inspect(other)}"
  end

  defp words!(_key, nil), do: []

  defp words!(key, words) do
    if is_list(words) and not List.improper?(words) and Enum.all?(words, &is_binary/1) do
      words
    else
      raise ArgumentError,
            "the option #{inspect(key)} must be a list of strings, got: #{inspect(words)}"
    end
  end
end
