defmodule Mix.LinxNetlinkPort.Place do
  @moduledoc "Where the port program of a build is, and what is remembered of how it came there."

  @program "linx-netlink-port"
  @manifest "compile.linx_netlink_port"

  @doc "The file's name."
  @spec program() :: String.t()
  def program, do: @program

  @doc "The file in which it is remembered how the program came."
  @spec manifest() :: Path.t()
  def manifest, do: Path.join(Mix.Project.manifest_path(), @manifest)

  @doc "Whether there is a program."
  @spec there?() :: boolean()
  def there?, do: own_folder?() and File.exists?(target())

  @doc "Whether it came just so."
  @spec marked?(String.t()) :: boolean()
  def marked?(mark), do: File.read(manifest()) == {:ok, mark}

  @doc "Whether the mark begins so."
  @spec marked_alike?(String.t()) :: boolean()
  def marked_alike?(beginning) do
    case File.read(manifest()) do
      {:ok, mark} -> String.starts_with?(mark, beginning)
      {:error, _reason} -> false
    end
  end

  @doc "Remembers how it came."
  @spec mark(String.t()) :: :ok
  def mark(mark) do
    File.mkdir_p!(Path.dirname(manifest()))
    File.write!(manifest(), mark)
  end

  @doc "Puts a copy of a program there."
  @spec install(Path.t()) :: :ok
  def install(executable) do
    replace(fn aside ->
      File.cp!(executable, aside)
      File.chmod!(aside, 0o755)
    end)
  end

  @doc "Puts a link to a program there, if there is none."
  @spec link(Path.t()) :: :ok
  def link(executable) do
    if there?() and File.read_link(target()) == {:ok, executable},
      do: :ok,
      else: replace(&File.ln_s!(executable, &1))
  end

  @doc "Removes the program, and what is remembered of it."
  @spec clean() :: :ok
  def clean do
    _ = if own_folder?(), do: File.rm(target())
    _ = File.rm(manifest())
    :ok
  end

  # Made aside and renamed, so that nobody ever starts half of it, and one that runs is left alone.
  defp replace(make) do
    own_folder()
    aside = "#{target()}.#{System.pid()}"
    _ = File.rm(aside)
    make.(aside)
    File.rename!(aside, target())
  end

  # Where the sources have a `priv`, Mix makes the build's a link to it, or copies what is in there: all builds
  # would share one program.
  defp own_folder do
    shared = Mix.Project.project_file() |> Path.dirname() |> Path.join("priv")
    _ = File.rm(Path.join(shared, @program))
    _ = File.rmdir(shared)
    _ = unless own_folder?(), do: File.rm(folder())
    File.mkdir_p!(folder())
  end

  defp own_folder?, do: match?({:error, _no_link}, File.read_link(folder()))

  defp target, do: Path.join(folder(), @program)
  defp folder, do: Path.join(Mix.Project.app_path(), "priv")
end
