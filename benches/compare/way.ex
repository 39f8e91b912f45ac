defmodule Bench.Way do
  @moduledoc """
  A way to open sockets from Elixir: how it opens one, how to see where that landed, how to close it.
  """

  alias Bench.Nif
  alias Linx.Netlink.Port
  alias Linx.Netlink.Port.Descriptor.Closer
  alias Linx.Netlink.Port.Native

  @enforce_keys [:open, :adopt, :close]
  defstruct @enforce_keys

  @netns_cookie {1, 71}

  def nif, do: %__MODULE__{open: &Nif.open(&1, 0), adopt: &:socket.open/1, close: &Nif.close/1}

  def drop_in do
    %__MODULE__{
      open: &Native.open_in_netns(&1, 0),
      adopt: &:socket.open/1,
      close: &Nif.close/1
    }
  end

  def port do
    %__MODULE__{open: &Port.open(&1, 0), adopt: &{:ok, &1}, close: &:socket.close/1}
  end

  @doc "The NIF, and what it takes to have a socket with nothing left over."
  def nif_adopted, do: %{port() | open: &open_adopted(&1, Nif)}

  defp open_adopted(path, nif) do
    with {:ok, fd} <- nif.open(path, 0),
         {:ok, socket} <- :socket.open(fd) do
      nif.close(fd)
      {:ok, socket}
    end
  end

  @doc "Fails unless every socket is in its namespace; closes them."
  def check_and_close(way, opened) do
    for {netns, result} <- opened do
      {:ok, handle} = result
      {:ok, socket} = way.adopt.(handle)
      {:ok, <<cookie::native-64>>} = :socket.getopt_native(socket, @netns_cookie, 8)
      if cookie != netns.cookie, do: raise("a socket for #{netns.path} landed elsewhere")
      if socket != handle, do: :ok = :socket.close(socket)
      :ok = way.close.(handle)
    end

    settle()
  end

  @doc "Waits until the server has closed what it has to."
  def settle do
    0 = Closer.watched(:sys.get_state(Port).closer)
    :ok
  end
end
