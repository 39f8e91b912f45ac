defmodule Linx.Netlink.Port.Netns do
  @moduledoc """
  The ways to name a network namespace, brought into the form that the wire knows.

  A relative path means what it means to the BEAM, at the time of the call, so it is made absolute
  here: the port program's working directory may be another one. The path is only put together, not
  cleaned up: `..` and symbolic links are for the kernel to resolve.

      iex> Linx.Netlink.Port.Netns.resolve!("/run/netns/blue")
      {:ok, "/run/netns/blue"}
      iex> Linx.Netlink.Port.Netns.resolve!({:name, "blue"})
      {:ok, "/run/netns/blue"}
      iex> Linx.Netlink.Port.Netns.resolve!({:pid, 4711})
      {:ok, {:pid, 4711}}
      iex> Linx.Netlink.Port.Netns.resolve!("/run/netns/bl\\0ue")
      {:error, {:open, 22}}
  """

  alias Linx.Netlink.Port.Procfs

  @typedoc "A network namespace, as users name it."
  @type t() ::
          :host
          | {:path, Path.t()}
          | {:pid, pos_integer()}
          | {:name, String.t()}
          | Path.t()

  @typedoc "A network namespace, as the wire knows it; `:host` is none of the port program's business."
  @type wire() :: :host | binary() | {:pid, pos_integer()}

  # PATH_MAX counts the byte that ends the string.
  @path_max 4096
  @einval 22
  @enametoolong 36

  @doc """
  The wire's form; or an error that can be told without asking: a path contains a NUL byte (22), has 4,096
  bytes or more (36), or is relative and the BEAM's working directory can't be told.

  It raises `ArgumentError` on what names no network namespace: another term, a process id that is none, a
  name that would lead out of /run/netns.
  """
  @spec resolve!(term()) :: {:ok, wire()} | {:error, {:open, pos_integer()}}
  def resolve!(:host), do: {:ok, :host}
  def resolve!({:path, path}), do: path!(path)

  # The largest pid_t.
  def resolve!({:pid, pid}) when is_integer(pid) and pid in 1..0x7FFFFFFF, do: {:ok, {:pid, pid}}
  def resolve!({:name, name}) when is_binary(name), do: name!(name)
  def resolve!(path) when is_binary(path) or is_list(path), do: path!(path)

  def resolve!(other) do
    raise ArgumentError,
          "not a network namespace: #{inspect(other)}; expected :host, {:path, path}, " <>
            "{:pid, pid}, {:name, name} or a path"
  end

  @doc """
  The wire's form of a path given as bytes: checked as the kernel would, and made one that means to the port
  program what it means to the BEAM. The errors are those of `resolve!/1`.

      iex> Linx.Netlink.Port.Netns.path("/run/netns/blue")
      {:ok, "/run/netns/blue"}
      iex> Linx.Netlink.Port.Netns.path("blue") == {:ok, Path.join(File.cwd!(), "blue")}
      true
      iex> Linx.Netlink.Port.Netns.path(String.duplicate("/", 4_096))
      {:error, {:open, 36}}
  """
  @spec path(binary()) :: {:ok, binary()} | {:error, {:open, pos_integer()}}
  def path(path) when byte_size(path) >= @path_max, do: {:error, {:open, @enametoolong}}

  def path(path) do
    case :binary.match(path, <<0>>) do
      :nomatch -> absolute(path)
      _found -> {:error, {:open, @einval}}
    end
  end

  @doc """
  A network namespace for people to read.

      iex> Linx.Netlink.Port.Netns.describe({:pid, 1})
      "the network namespace of process 1"
      iex> Linx.Netlink.Port.Netns.describe({:name, "blue"})
      "the network namespace \\"blue\\" (/run/netns/blue)"
  """
  @spec describe(term()) :: String.t()
  def describe(nil), do: "a network namespace"
  def describe(:host), do: "the BEAM's own network namespace"
  def describe({:pid, pid}), do: "the network namespace of process #{inspect(pid)}"
  def describe({:name, name}), do: "the network namespace #{inspect(name)} (/run/netns/#{name})"
  def describe({:path, path}), do: describe(path)
  def describe(path) when is_binary(path), do: printable(path)
  def describe(other), do: inspect(other)

  defp path!(path) when is_binary(path), do: path(path)

  defp path!(path) when is_list(path) do
    case :unicode.characters_to_binary(path) do
      bytes when is_binary(bytes) -> path(bytes)
      _invalid -> raise ArgumentError, "not a path: #{inspect(path)}"
    end
  end

  defp path!(other), do: raise(ArgumentError, "not a path: #{inspect(other)}")

  # A name is one directory entry. Anything else would reach outside /run/netns.
  defp name!(name) do
    if name in ["", ".", ".."] or String.contains?(name, ["/", <<0>>]) do
      raise ArgumentError,
            "not a name of a network namespace: #{inspect(name)}; " <>
              "it must not be empty, \".\" or \"..\", or contain a slash or a NUL byte"
    end

    path("/run/netns/" <> name)
  end

  # The empty path stays empty: the kernel answers ENOENT to it, not the working directory.
  defp absolute(<<first, _rest::binary>> = path) when first != ?/ do
    case File.cwd() do
      {:ok, cwd} -> {:ok, Procfs.for_others(cwd <> "/" <> path)}
      {:error, reason} -> {:error, {:open, Linx.Netlink.Port.Errno.to_code(reason)}}
    end
  end

  defp absolute(path), do: {:ok, Procfs.for_others(path)}

  defp printable(path), do: if(String.printable?(path), do: path, else: inspect(path))
end
