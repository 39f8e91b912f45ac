defmodule Mix.Tasks.Compile.LinxNetlinkPort do
  @shortdoc "Builds the port program with cargo"

  @moduledoc """
  Builds the port program with cargo and puts it into the `priv` of Mix's build folder, so that each
  environment and each target has its own.

  Its sources are in the folder above this Mix project, or, in a Hex package, in `native`. Cargo is only
  asked when something has changed that the program is made of, or made with: `Cargo.toml`, `Cargo.lock`, a
  file in `src`; a variable that begins with `CARGO` or `RUST`; a file with settings of cargo or rustup.
  `mix clean` removes what was built here; cargo's own files stay with cargo.

  ## Without cargo

  Nothing is built where the port program is there already:

    * where the configuration says `config :linx_netlink_port, executable: path` (in `config/config.exs`;
      `config/runtime.exs` is read too late). It is what is started, on whichever machine the release runs;
    * where the variable `LINX_NETLINK_PORT_EXECUTABLE` has a path. A link to that file takes the place of
      what would have been built. `mix release` puts a copy of the file into the release, without the
      capabilities that it may have.

  What was built before is kept where cargo is missing, as long as the sources are the same.

  ## Other targets

  Cargo's settings hold, such as `CARGO_TARGET_DIR` and `CARGO_BUILD_TARGET`: cargo itself tells where
  it put the program. Where the sources can't be written to, its files go to Mix's build folder. Nerves
  names the target in other variables, which are translated:

  | Nerves | cargo |
  | --- | --- |
  | `TARGET_ARCH`, `TARGET_OS`, `TARGET_ABI` (where `CROSSCOMPILE` is set) | `CARGO_BUILD_TARGET`, if it isn't set |
  | `CC` | the linker of that target, if none is set |

  The target itself must have been installed (`rustup target add`).
  """

  use Mix.Task.Compiler

  alias Mix.LinxNetlinkPort.{Cargo, Fingerprint, Place}

  @variable "LINX_NETLINK_PORT_EXECUTABLE"

  @impl true
  def run(_args) do
    cond do
      path = Application.get_env(:linx_netlink_port, :executable) -> configured(to_string(path))
      path = variable() -> named(Path.expand(path))
      true -> built(Fingerprint.now(crate(), Cargo.cross_environment()))
    end
  end

  @impl true
  def manifests, do: [Place.manifest()]

  @impl true
  def clean, do: Place.clean()

  # The port program of another machine, maybe, and none of ours.
  defp configured(path), do: told_once("configured", path, ":executable in the configuration")

  defp named(path) do
    if not File.regular?(path), do: Mix.raise(not_there(path))

    Place.link(path)
    told_once("named", path, @variable)
  end

  defp told_once(how, path, by_whom) do
    mark = "#{how} #{path}"

    if Place.marked?(mark) do
      :noop
    else
      Mix.shell().info("Using the port program #{path} (#{by_whom}), nothing is built")
      Place.mark(mark)
      {:ok, []}
    end
  end

  defp built(%Fingerprint{} = fingerprint) do
    made_of_the_same? = Place.marked_alike?(fingerprint.sources)

    cond do
      Place.marked?(Fingerprint.mark(fingerprint)) and Place.there?() -> :noop
      cargo = System.find_executable("cargo") -> build(cargo, fingerprint)
      made_of_the_same? and Place.there?() -> kept()
      true -> Mix.raise(no_cargo())
    end
  end

  defp build(cargo, fingerprint) do
    Mix.shell().info("Building the port program #{Place.program()} (cargo build --release)")
    Place.install(Cargo.build(cargo, crate()))
    Place.mark(Fingerprint.mark(fingerprint))
    {:ok, []}
  end

  # Whoever built it had other settings, and cargo.
  defp kept do
    Mix.shell().info(
      "Keeping the port program #{Place.program()} as it was built before: cargo was not found"
    )

    :noop
  end

  defp variable do
    case System.get_env(@variable) do
      empty when empty in [nil, ""] -> nil
      path -> path
    end
  end

  # A package has it inside, a checkout one folder up.
  defp crate do
    crate = if File.dir?(native()), do: native(), else: Path.dirname(project())
    if File.regular?(Path.join(crate, "src/main.rs")), do: crate, else: Mix.raise(no_crate())
  end

  defp native, do: Path.join(project(), "native")
  defp project, do: Path.dirname(Mix.Project.project_file())

  defp no_cargo do
    "cargo is needed to build the port program #{Place.program()}, and was not found: install " <>
      "Rust 1.88 or newer (https://rustup.rs) and see to it that cargo is in PATH, or name a port " <>
      "program that is there already in #{@variable}"
  end

  defp not_there(path) do
    "there is no file #{path}, which #{@variable} names as the port program: correct it, or unset it to " <>
      "have the port program built"
  end

  defp no_crate do
    "the sources of the port program #{Place.program()} are neither above #{project()} nor in " <>
      "#{native()}: take the whole repository as a dependency, with `git: …, subdir: \"elixir_wrapper\"` " <>
      "rather than `sparse: …`, or name a port program that is there already in #{@variable}"
  end
end
