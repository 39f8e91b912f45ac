defmodule Bench.Nif do
  @moduledoc "The NIF way (nif.c): a thread for each open, on a dirty I/O scheduler."

  def load!(file) do
    :ok = :erlang.load_nif(String.to_charlist(Path.rootname(file)), 0)
  end

  def open(_path, _protocol), do: :erlang.nif_error(:not_loaded)
  def close(_fd), do: :erlang.nif_error(:not_loaded)
end
