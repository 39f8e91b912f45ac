defmodule Mix.LinxNetlinkPort.Cargo do
  @moduledoc "Has cargo build the port program."

  alias Mix.LinxNetlinkPort.Place

  @args ~w(build --release --locked --bin linx-netlink-port) ++
          ~w(--message-format json-render-diagnostics)

  @doc "Builds what is in a folder, and tells where cargo has put the program."
  @spec build(Path.t(), Path.t()) :: Path.t()
  def build(cargo, crate) do
    options = [cd: crate, env: cross_environment()]

    # What people want to read is on stderr and goes straight through.
    case System.cmd(cargo, @args ++ target_dir(crate), options) do
      {messages, 0} -> executable(messages)
      {_messages, status} -> Mix.raise("cargo could not build #{program()} (status #{status})")
    end
  end

  @doc "What cargo is to be told where Nerves says what is built for."
  @spec cross_environment() :: [{String.t(), String.t()}]
  def cross_environment do
    names = ~w(CROSSCOMPILE TARGET_ARCH TARGET_OS TARGET_ABI)

    with nil <- System.get_env("CARGO_BUILD_TARGET"),
         [_prefix, arch, os, abi] <- for(name <- names, value = System.get_env(name), do: value) do
      target = "#{arch}-unknown-#{os}-#{abi}"
      [{"CARGO_BUILD_TARGET", target} | linker(target)]
    else
      _as_it_is -> []
    end
  end

  defp linker(target) do
    name = "CARGO_TARGET_#{target |> String.upcase() |> String.replace("-", "_")}_LINKER"
    linker = System.get_env(name) || System.get_env("CC")
    if linker, do: [{name, linker}], else: []
  end

  # Beside the sources, as is cargo's way, but not where that can't be written to.
  defp target_dir(crate) do
    told? = Enum.any?(~w(CARGO_TARGET_DIR CARGO_BUILD_TARGET_DIR), &System.get_env/1)

    if told? or writable?(Path.join(crate, "target")) or writable?(crate),
      do: [],
      else: ["--target-dir", Path.join(Mix.Project.app_path(), "cargo")]
  end

  defp writable?(folder) do
    match?({:ok, %File.Stat{access: :read_write}}, File.stat(folder))
  end

  # The last artifact is the program. A path in JSON needs no unescaping, unless it is a strange one.
  defp executable(messages) do
    case Regex.scan(~r/"executable":"((?:[^"\\]|\\.)+)"/, messages) do
      [] -> Mix.raise("cargo built #{program()}, but doesn't say where")
      found -> found |> List.last() |> List.last()
    end
  end

  defp program, do: Place.program()
end
