defmodule Linx.Netlink.Socket.Native do
  @moduledoc "The NIF, in the shape of Linx's: loaded together with the module."

  @on_load :load_nif

  @doc false
  def load_nif do
    :linx |> :code.priv_dir() |> :filename.join("linx_nif") |> :erlang.load_nif(0)
  end

  def open_in_netns(_netns_path, _protocol), do: :erlang.nif_error(:nif_not_loaded)
  def bind_netlink(_fd, _groups), do: :erlang.nif_error(:nif_not_loaded)
  def close_fd(_fd), do: :erlang.nif_error(:nif_not_loaded)
end
