defmodule Mix.Tasks.Compile.LinxNetlinkPort do
  @shortdoc "Builds the port program with cargo"

  @moduledoc """
  Builds the port program with cargo and puts it into `priv/`.

  Its sources are in the folder above this Mix project, or, in a Hex package, in `native`. Cargo is only
  asked when something that the program is made of has changed: `Cargo.toml`, `Cargo.lock`, a file in
  `src`, or the target. `mix clean` removes what was built here; cargo's own files stay with cargo.

  Cargo's settings hold, such as `CARGO_TARGET_DIR` and `CARGO_BUILD_TARGET`: cargo itself tells where
  it put the program. Nerves names the target in other variables, which are translated:

  | Nerves | cargo |
  | --- | --- |
  | `TARGET_ARCH`, `TARGET_OS`, `TARGET_ABI` (where `CROSSCOMPILE` is set) | `CARGO_BUILD_TARGET`, if it isn't set |
  | `CC` | the linker of that target, if none is set |

  The target itself must have been installed (`rustup target add`).
  """

  use Mix.Task.Compiler

  @program "linx-netlink-port"
  @manifest "compile.linx_netlink_port"
  @cargo_args ~w(build --release --locked --bin linx-netlink-port) ++
                ~w(--message-format json-render-diagnostics)

  @impl true
  def run(_args) do
    fingerprint = fingerprint()

    if File.exists?(target()) and File.read(manifest()) == {:ok, fingerprint} do
      :noop
    else
      build(fingerprint)
    end
  end

  @impl true
  def manifests, do: [manifest()]

  @impl true
  def clean do
    _ = File.rm(target())
    _ = File.rm(manifest())
    :ok
  end

  defp build(fingerprint) do
    install(cargo_build())
    File.mkdir_p!(Path.dirname(manifest()))
    File.write!(manifest(), fingerprint)
    # Only now is there a priv directory to be seen from the build path.
    Mix.Project.build_structure()
    {:ok, []}
  end

  defp cargo_build do
    cargo = System.find_executable("cargo") || Mix.raise(no_cargo())
    Mix.shell().info("Building the port program #{@program} (cargo build --release)")

    # What people want to read is on stderr and goes straight through.
    case System.cmd(cargo, @cargo_args, cd: crate(), env: cross_environment()) do
      {messages, 0} -> executable(messages)
      {_messages, status} -> Mix.raise("cargo could not build #{@program} (status #{status})")
    end
  end

  # The last artifact is the program. A path in JSON needs no unescaping, unless it is a strange one.
  defp executable(messages) do
    case Regex.scan(~r/"executable":"((?:[^"\\]|\\.)+)"/, messages) do
      [] -> Mix.raise("cargo built #{@program}, but doesn't say where")
      found -> found |> List.last() |> List.last()
    end
  end

  # Written aside and renamed, so that nobody ever starts half of it, and one that runs is left alone.
  defp install(executable) do
    File.mkdir_p!(Path.dirname(target()))
    aside = "#{target()}.#{System.pid()}"
    File.cp!(executable, aside)
    File.chmod!(aside, 0o755)
    File.rename!(aside, target())
  end

  # Of contents, not of times: a checkout touches every file and changes none.
  defp fingerprint do
    set = for name <- ~w(CARGO_BUILD_TARGET RUSTFLAGS), do: {name, System.get_env(name, "")}
    environment = for {name, value} <- set ++ cross_environment(), do: [name, 0, value, 0]

    contents = for file <- sources(), do: [Path.relative_to(file, crate()), 0, File.read!(file)]
    [environment, contents] |> :erlang.md5() |> Base.encode16()
  end

  defp sources do
    fixed = for name <- ["Cargo.toml", "Cargo.lock"], do: Path.join(crate(), name)
    sources = crate() |> Path.join("src/**/*") |> Path.wildcard() |> Enum.filter(&File.regular?/1)
    files = Enum.filter(fixed, &File.regular?/1) ++ Enum.sort(sources)

    if length(files) < 3, do: Mix.raise(no_crate()), else: files
  end

  # What cargo is to be told where Nerves says what is built for.
  defp cross_environment do
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

  # A package has it inside, a checkout one folder up.
  defp crate, do: if(File.dir?(native()), do: native(), else: Path.dirname(project()))
  defp native, do: Path.join(project(), "native")
  defp project, do: Path.dirname(Mix.Project.project_file())
  defp target, do: Path.join([project(), "priv", @program])
  defp manifest, do: Path.join(Mix.Project.manifest_path(), @manifest)

  defp no_cargo do
    """
    cargo is needed to build the port program #{@program}, and was not found.

    Install Rust 1.88 or newer:

        curl https://sh.rustup.rs -sSf | sh

    or, where the distribution's Rust is new enough, `apt-get install cargo`. If it is installed, see to
    it that it is in PATH (`. "$HOME/.cargo/env"`).
    """
  end

  defp no_crate do
    """
    the sources of the port program #{@program} are neither above #{project()} nor in #{native()}.

    They are in the same repository as this project, one folder up; as a dependency, use
    `git: …, subdir: "elixir_wrapper"` rather than `sparse: …`.
    """
  end
end
