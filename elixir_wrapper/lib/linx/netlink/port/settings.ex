defmodule Linx.Netlink.Port.Settings do
  @moduledoc """
  How a server is set up: its options, completed from the application's configuration.
  """

  alias Linx.Netlink.Port.Text

  @enforce_keys [:name, :executable, :launcher, :args, :rendezvous, :timeout]
  defstruct @enforce_keys

  @type t() :: %__MODULE__{
          name: GenServer.name() | nil,
          executable: Path.t() | nil,
          launcher: [String.t()],
          args: [String.t()],
          rendezvous: binary() | nil,
          timeout: pos_integer()
        }

  @application :linx_netlink_port
  @defaults [executable: nil, launcher: [], args: [], rendezvous: nil, timeout: 5_000]
  @netns_dirs ["/run/netns", "/var/run/netns"]

  # sun_path has 108 bytes, one of which is the NUL byte that ends a path or begins an abstract name.
  @longest_address 107

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
            "unknown options #{Text.term(unknown)}; known are :name, " <>
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
      rendezvous: rendezvous!(settings[:rendezvous]),
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
          "the option :timeout must be a positive number of milliseconds, got: #{Text.term(other)}"
  end

  @doc """
  The directories in which names are looked for, one after the other. They are a setting of the application,
  not of a server: `config :linx_netlink_port, netns_dirs: [...]`.

      iex> Linx.Netlink.Port.Settings.netns_dirs!()
      ["/run/netns", "/var/run/netns"]
  """
  @spec netns_dirs!() :: [Path.t(), ...]
  def netns_dirs! do
    directories = configured(:netns_dirs, @netns_dirs)

    if is_list(directories) and directories != [] and Enum.all?(directories, &absolute?/1) do
      directories
    else
      raise ArgumentError,
            "the setting :netns_dirs must be a list of absolute paths, got: #{Text.term(directories)}"
    end
  end

  defp absolute?(path), do: match?("/" <> _rest, path) and not String.contains?(path, <<0>>)

  defp configured(key, default), do: Application.get_env(@application, key, default)

  defp executable!(nil), do: nil
  defp executable!(path) when is_binary(path) or is_list(path), do: Path.expand(path)

  defp executable!(other) do
    raise ArgumentError, "the option :executable must be a path, got: #{Text.term(other)}"
  end

  defp rendezvous!(nil), do: nil

  defp rendezvous!(address) do
    if rendezvous?(address) do
      address
    else
      raise ArgumentError,
            "the option :rendezvous must be an absolute path of 107 bytes at most, or @ and a name, got: " <>
              Text.term(address)
    end
  end

  defp rendezvous?("@" <> name),
    do: byte_size(name) in 1..@longest_address and not String.contains?(name, <<0>>)

  defp rendezvous?("/" <> _path = address),
    do: byte_size(address) <= @longest_address and not String.contains?(address, <<0>>)

  defp rendezvous?(_other), do: false

  defp words!(_key, nil), do: []

  defp words!(key, words) do
    if is_list(words) and not List.improper?(words) and Enum.all?(words, &is_binary/1) do
      words
    else
      raise ArgumentError,
            "the option #{Text.term(key)} must be a list of strings, got: #{Text.term(words)}"
    end
  end
end
