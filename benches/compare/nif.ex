defmodule Bench.Nif do
  @moduledoc """
  The NIF way (nif.c): a thread for each open, on a dirty I/O scheduler.

  The first three functions are those of Linx's NIF. The others tell how many descriptors the BEAM has
  open, and how many nanoseconds of processor time a process has taken.
  """

  def load!(file) do
    :ok = :erlang.load_nif(String.to_charlist(Path.rootname(file)), 0)
  end

  def open_in_netns(_path, _protocol), do: :erlang.nif_error(:not_loaded)
  def bind_netlink(_fd, _groups), do: :erlang.nif_error(:not_loaded)
  def close_fd(_fd), do: :erlang.nif_error(:not_loaded)
  def descriptors, do: :erlang.nif_error(:not_loaded)
  def processor_time(_os_pid), do: :erlang.nif_error(:not_loaded)
end
