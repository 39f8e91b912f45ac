defmodule Linx.Netlink.Port.Procfs do
  @moduledoc """
  Paths that mean whoever looks at them: `/proc/self` and `/proc/thread-self`.

  Who writes one means the BEAM. The port program would find itself, and behind a launcher it can be somewhere
  else. So they are made paths that mean the BEAM to everybody who sees the same processes.

  The number is asked of /proc itself: one that is mounted for other processes counts them otherwise than
  `System.pid/0` does.
  """

  @itself ["self", "thread-self"]

  @doc """
  The same path, for others to look at. Symbolic links are not followed, and `..` is not resolved. A path stays
  as it is where there is no /proc.

  All threads of the BEAM are in the same network namespace and have the same descriptors, so that any of
  them will do.

  ## Examples

      iex> Linx.Netlink.Port.Procfs.for_others("/proc/self/ns/net") == "/proc/" <> System.pid() <> "/ns/net"
      true
      iex> Linx.Netlink.Port.Procfs.for_others("/proc/thread-self/fd/7") == "/proc/" <> System.pid() <> "/fd/7"
      true
      iex> Linx.Netlink.Port.Procfs.for_others("/run/netns/self")
      "/run/netns/self"
  """
  @spec for_others(binary()) :: binary()
  def for_others("/" <> _rest = path) do
    # Most paths are not split to be looked at.
    if self?(path), do: translate(path), else: path
  end

  def for_others(path), do: path

  defp self?(<<"self", _rest::binary>>), do: true
  defp self?(<<_byte, rest::binary>>), do: self?(rest)
  defp self?(<<>>), do: false

  defp translate(path) do
    with ["proc", itself | rest] when itself in @itself <- names(path),
         {:ok, number} <- File.read_link("/proc/self") do
      Enum.join(["/proc", number | rest], "/")
    else
      _another_path -> path
    end
  end

  # A trailing slash asks for a directory.
  defp names(path) do
    names = for name <- String.split(path, "/"), name not in ["", "."], do: name
    if String.ends_with?(path, ["/", "/."]), do: names ++ [""], else: names
  end
end
