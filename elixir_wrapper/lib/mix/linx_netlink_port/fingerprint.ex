defmodule Mix.LinxNetlinkPort.Fingerprint do
  @moduledoc """
  What the port program is made of, and what it is made with: where both are the same as before, it need not be
  built.

  Of contents, not of times: a checkout touches every file and changes none.
  """

  @enforce_keys [:sources, :settings]
  defstruct @enforce_keys

  @type t() :: %__MODULE__{sources: String.t(), settings: String.t()}

  # What cargo and rustup look for in the folder of the sources, and in all above it.
  @settings ~w(.cargo/config.toml .cargo/config rust-toolchain.toml rust-toolchain)

  @doc "That of the sources in this folder, and of the settings that hold there, with these variables set."
  @spec now(Path.t(), [{String.t(), String.t()}]) :: t()
  def now(crate, environment) do
    %__MODULE__{sources: digest(sources(crate)), settings: digest(settings(crate, environment))}
  end

  @doc """
  Both in one. It begins with the sources'.

  ## Example

      iex> alias Mix.LinxNetlinkPort.Fingerprint
      iex> Fingerprint.mark(%Fingerprint{sources: "ABC", settings: "DEF"})
      "ABC DEF"
  """
  @spec mark(t()) :: String.t()
  def mark(%__MODULE__{sources: sources, settings: settings}), do: sources <> " " <> settings

  defp digest(parts), do: parts |> :erlang.md5() |> Base.encode16()

  defp sources(crate) do
    files =
      for pattern <- ["Cargo.toml", "Cargo.lock", "src/**/*"],
          file <- crate |> Path.join(pattern) |> Path.wildcard() |> Enum.sort(),
          File.regular?(file),
          do: file

    for file <- files, do: [Path.relative_to(file, crate), 0, File.read!(file), 0]
  end

  defp settings(crate, environment) do
    variables = for {name, _value} = set <- System.get_env(), cargos?(name), do: set

    files =
      for file <- settings_files(crate),
          {:ok, text} <- [File.read(file)],
          do: {Path.relative_to(file, crate), text}

    for {name, value} <- Enum.sort(variables ++ environment) ++ files, do: [name, 0, value, 0]
  end

  defp cargos?(name), do: String.starts_with?(name, ["CARGO", "RUST"])

  defp settings_files(crate) do
    cargo_home = System.get_env("CARGO_HOME") || Path.expand("~/.cargo")
    above = for folder <- folders(crate), name <- @settings, do: Path.join(folder, name)
    above ++ [Path.join(cargo_home, "config.toml"), Path.join(cargo_home, "config")]
  end

  defp folders("/"), do: ["/"]
  defp folders(folder), do: [folder | folders(Path.dirname(folder))]
end
