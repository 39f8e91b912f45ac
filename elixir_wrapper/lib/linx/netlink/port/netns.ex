defmodule Linx.Netlink.Port.Netns do
  @moduledoc """
  The ways to name a network namespace, brought into the form that the wire knows.

  A relative path means what it means to the BEAM, at the time of the call, so it is made absolute
  here: the port program's working directory may be another one. The path is only put together, not
  cleaned up: `..` and symbolic links are for the kernel to resolve.

      iex> Linx.Netlink.Port.Netns.resolve!("/run/netns/blue")
      {:ok, "/run/netns/blue"}
      iex> Linx.Netlink.Port.Netns.resolve!({:name, "blue"})
      {:ok, {:places, ["/run/netns/blue", "/var/run/netns/blue"]}}
      iex> Linx.Netlink.Port.Netns.resolve!({:pid, 4711})
      {:ok, {:pid, 4711}}
      iex> Linx.Netlink.Port.Netns.resolve!("/run/netns/bl\\0ue")
      {:error, {:open, 22}}

  A network namespace that is open in the BEAM is a struct of this module. `Linx.Netlink.Port.new_netns/1`
  and `Linx.Netlink.Port.open_netns/2` return one. It names the namespace by its descriptor, `:fd`.
  """

  alias Linx.Netlink.Port.{Procfs, Settings, Text}

  @derive {Inspect, only: [:fd]}
  @enforce_keys [:fd, :id, :keeper, :marks]
  defstruct @enforce_keys

  @typedoc """
  A network namespace that is open here: its descriptor; by which number which process keeps it; and whether
  that is to close it, and how many use it now.
  """
  @type open() :: %__MODULE__{
          fd: non_neg_integer(),
          id: non_neg_integer(),
          keeper: struct(),
          marks: :atomics.atomics_ref()
        }

  @typedoc "A network namespace, as users name it."
  @type t() ::
          :host
          | open()
          | {:path, Path.t()}
          | {:pid, pos_integer()}
          | {:name, String.t()}
          | Path.t()

  @typedoc """
  A network namespace, as the wire knows it; `:host` is none of the port program's business. The descriptor
  of one that is open here is sent under a key, which is used once. Of several `:places`, it
  is the first that there is, as the port program sees it.
  """
  @type wire() ::
          :host
          | binary()
          | {:pid, pos_integer()}
          | :new
          | {:new, :user}
          | {:fd, key :: pos_integer(), open()}

  # The marks, and how long to wait for a borrower, in milliseconds: one that was killed returns nothing.
  @closing 1
  @borrowers 2
  @most_borrowed 100

  # PATH_MAX counts the byte that ends the string.
  @path_max 4096
  @enoent 2
  @eacces 13
  @enotdir 20
  @einval 22
  @enametoolong 36

  @doc """
  The wire's form; or an error that can be told without asking: a path contains a NUL byte (22), has 4,096
  bytes or more (36), or is relative and the BEAM's working directory can't be told.

  It raises `ArgumentError` on what names no network namespace: another term, a process id that is none, a
  name that would lead out of the directories of names.
  """
  @spec resolve!(term()) :: {:ok, wire()} | {:error, {:open, pos_integer()}}
  def resolve!(:host), do: {:ok, :host}

  def resolve!(%__MODULE__{} = netns),
    do: {:ok, {:fd, System.unique_integer([:positive]), netns}}

  def resolve!({:path, path}), do: path!(path)

  # The largest pid_t.
  def resolve!({:pid, pid}) when is_integer(pid) and pid in 1..0x7FFFFFFF, do: {:ok, {:pid, pid}}
  def resolve!({:name, name}) when is_binary(name), do: name!(name)
  def resolve!(path) when is_binary(path) or is_list(path), do: path!(path)

  def resolve!(other) do
    raise ArgumentError,
          "not a network namespace: #{Text.term(other)}; expected :host, {:path, path}, " <>
            "{:pid, pid}, {:name, name}, a path or a #{inspect(__MODULE__)}"
  end

  @doc """
  A network namespace that is open here, kept by a process under a number.

      iex> alias Linx.Netlink.Port.Netns
      iex> netns = Netns.open(18, 7, %{})
      iex> Netns.borrow(netns, fn fd -> {:sent, fd} end)
      {:sent, 18}
      iex> {Netns.closing(netns), Netns.borrow(netns, fn fd -> {:sent, fd} end)}
      {:ok, :closed}
  """
  @spec open(non_neg_integer(), non_neg_integer(), map()) :: open()
  def open(fd, id, keeper),
    do: %__MODULE__{fd: fd, id: id, keeper: keeper, marks: :atomics.new(2, [])}

  @doc """
  Runs a short function on the descriptor, which is not closed meanwhile; `:closed` if it is closed already.

  Without that, the number might be another file's by then.
  """
  @spec borrow(open(), (non_neg_integer() -> result)) :: result | :closed when result: term()
  def borrow(%__MODULE__{fd: fd, marks: marks}, fun) do
    :atomics.add(marks, @borrowers, 1)
    if :atomics.get(marks, @closing) == 0, do: fun.(fd), else: :closed
  after
    :atomics.sub(marks, @borrowers, 1)
  end

  @doc "Says that it will be closed now, and waits until nobody uses it any more."
  @spec closing(open()) :: :ok
  def closing(%__MODULE__{marks: marks}) do
    :atomics.put(marks, @closing, 1)
    await_return(marks, System.monotonic_time(:millisecond) + @most_borrowed)
  end

  defp await_return(marks, deadline) do
    if :atomics.get(marks, @borrowers) > 0 and System.monotonic_time(:millisecond) < deadline do
      :erlang.yield()
      await_return(marks, deadline)
    else
      :ok
    end
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

  def path(path), do: if(nul?(path), do: {:error, {:open, @einval}}, else: absolute(path))

  # Most paths are short. What searches long ones has to be set up.
  defp nul?(<<0, _rest::binary>>), do: true
  defp nul?(<<_byte, rest::binary>>), do: nul?(rest)
  defp nul?(<<>>), do: false

  @doc """
  Where to look next for a name that was not found; `nil` where there is nothing more to be done.

  The BEAM can't tell where a name is: the port program may see directories that are closed to the BEAM,
  or those of another mount namespace, and its arguments may forbid one (`--netns-dir`), which is `EACCES`.

      iex> alias Linx.Netlink.Port.Netns
      iex> Netns.elsewhere({:ok, {:places, ["/run/netns/a", "/n/a"]}}, {:error, {:open, 2}})
      {:ok, {:places, ["/n/a"]}}
      iex> Netns.elsewhere({:ok, {:places, ["/n/a"]}}, {:error, {:open, 2}})
      nil
      iex> Netns.elsewhere({:ok, {:places, ["/run/netns/a", "/n/a"]}}, {:error, {:setns, 22}})
      nil
  """
  @spec elsewhere(term(), {:ok, term()} | {:error, term()}) ::
          {:ok, {:places, [binary(), ...]}} | nil
  def elsewhere({:ok, {:places, [_here, next | more]}}, {:error, {:open, code}})
      when code in [@enoent, @eacces, @enotdir],
      do: {:ok, {:places, [next | more]}}

  def elsewhere(_target, _result), do: nil

  @doc """
  Of the results of two places the one to tell. That it isn't there says more than that nobody may look.

      iex> alias Linx.Netlink.Port.Netns
      iex> Netns.better({:error, {:open, 2}}, {:error, {:open, 13}})
      {:error, {:open, 2}}
      iex> Netns.better({:error, {:open, 13}}, {:error, {:setns, 1}})
      {:error, {:setns, 1}}
  """
  @spec better({:error, term()}, result) :: {:error, term()} | result
        when result: {:ok, term()} | {:error, term()}
  def better(first, {:error, {:open, code}}) when code in [@eacces, @enotdir], do: first
  def better(_first, second), do: second

  @doc """
  A network namespace for people to read.

      iex> Linx.Netlink.Port.Netns.describe({:pid, 1})
      "the network namespace of process 1"
      iex> Linx.Netlink.Port.Netns.describe({:name, "blue"})
      "the network namespace \\"blue\\" (/run/netns/blue, /var/run/netns/blue)"
  """
  @spec describe(term()) :: String.t()
  def describe(nil), do: "a network namespace"
  def describe(:host), do: "the BEAM's own network namespace"
  def describe(new) when new in [:new, {:new, :user}], do: "a new network namespace"
  def describe(%__MODULE__{fd: fd}), do: "the network namespace of descriptor #{fd}"
  def describe({:pid, pid}), do: "the network namespace of process #{Text.term(pid)}"

  def describe({:name, name}) when is_binary(name),
    do:
      "the network namespace #{Text.quoted(name)} (#{Enum.map_join(places(name), ", ", &Text.short/1)})"

  def describe({:path, path}), do: describe(path)
  def describe(path) when is_binary(path), do: Text.short(path)
  def describe(other), do: Text.term(other)

  defp path!(path) when is_binary(path), do: path(path)

  defp path!(path) when is_list(path) do
    case :unicode.characters_to_binary(path) do
      bytes when is_binary(bytes) -> path(bytes)
      _invalid -> raise ArgumentError, "not a path: #{Text.term(path)}"
    end
  end

  defp path!(other), do: raise(ArgumentError, "not a path: #{Text.term(other)}")

  # A name is one directory entry. Anything else would reach outside.
  defp name!(name) do
    if name in ["", ".", ".."] or String.contains?(name, ["/", <<0>>]) do
      raise ArgumentError,
            "not a name of a network namespace: #{Text.term(name)}; " <>
              "it must not be empty, \".\" or \"..\", or contain a slash or a NUL byte"
    end

    with [first, _second | _more] = places <- places(name), {:ok, _path} <- path(first) do
      {:ok, {:places, places}}
    else
      [only] -> path(only)
      {:error, reason} -> {:error, reason}
    end
  end

  defp places(name), do: for(directory <- Settings.netns_dirs!(), do: directory <> "/" <> name)

  # The empty path stays empty: the kernel answers ENOENT to it, not the working directory.
  defp absolute(<<first, _rest::binary>> = path) when first != ?/ do
    case File.cwd() do
      {:ok, cwd} -> {:ok, Procfs.for_others(cwd <> "/" <> path)}
      {:error, reason} -> {:error, {:open, Linx.Netlink.Port.Errno.to_code(reason)}}
    end
  end

  defp absolute(path), do: {:ok, Procfs.for_others(path)}
end
