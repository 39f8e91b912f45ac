defmodule Linx.Netlink.Port.NifModule do
  @moduledoc """
  The module in which Linx has its NIF, `Linx.Netlink.Socket.Native`: what is loaded under its name, and how to have
  something else there.

  What is put there comes from no file to the code server, like a module that was typed into a shell: whoever
  reloads what has changed on disk leaves it alone. While it is there, no call loads Linx's own, and so neither
  its NIF.
  """

  alias Linx.Netlink.Port.Text

  @module Linx.Netlink.Socket.Native
  @mark :linx_netlink_port

  @doc """
  Its name.

  ## Example

      iex> Linx.Netlink.Port.NifModule.name()
      Linx.Netlink.Socket.Native
  """
  @spec name() :: module()
  def name, do: @module

  @doc """
  The attribute by which one that was put there is known.

  ## Example

      iex> Linx.Netlink.Port.NifModule.mark()
      :linx_netlink_port
  """
  @spec mark() :: atom()
  def mark, do: @mark

  @doc """
  Loads a module of that name, over whatever is there; tells whether something was, or in a sentence why it can't
  be.
  """
  @spec put(binary()) :: {:ok, :loaded | :not_loaded} | {:error, String.t()}
  def put(binary) do
    before = if :erlang.module_loaded(@module), do: :loaded, else: :not_loaded

    case :code.load_binary(@module, [], binary) do
      {:module, @module} ->
        # Where nobody is at work in it any more, the NIF goes too.
        _ = :code.soft_purge(@module)
        {:ok, before}

      {:error, reason} ->
        {:error, "#{inspect(@module)} can't be replaced, since #{why(reason)}"}
    end
  end

  @doc """
  Whether what is loaded there was put there.

  ## Example

      iex> Linx.Netlink.Port.NifModule.ours?()
      false
  """
  @spec ours?() :: boolean()
  def ours?, do: loaded() == :ours

  @doc """
  Whether something else is loaded there.

  ## Example

      iex> Linx.Netlink.Port.NifModule.another?()
      false
  """
  @spec another?() :: boolean()
  def another?, do: loaded() == :another

  @doc """
  Takes away what was put there. What was loaded before is loaded again, from its file; what was not, is when it
  is called.
  """
  @spec take_away(:loaded | :not_loaded) :: :ok | {:error, String.t()}
  def take_away(before) do
    cond do
      not ours?() -> :ok
      before == :loaded -> load_own()
      before == :not_loaded -> unload()
    end
  end

  defp load_own do
    case :code.load_file(@module) do
      {:module, @module} ->
        :ok

      {:error, reason} ->
        :ok = unload()
        {:error, "#{inspect(@module)} can't be loaded again, since #{why(reason)}"}
    end
  end

  defp unload do
    _ = :code.purge(@module)
    _ = :code.delete(@module)
    _ = :code.purge(@module)
    :ok
  end

  # Asked in one step: a module that isn't there would be loaded to be asked.
  defp loaded do
    if @module |> :erlang.get_module_info(:attributes) |> Keyword.has_key?(@mark),
      do: :ours,
      else: :another
  rescue
    ArgumentError -> :nothing
  end

  defp why(:sticky_directory), do: "its directory is sticky (`:code.unstick_dir/1`)"
  defp why(:nofile), do: "there is no file of it in the code path"
  defp why(:on_load_failure), do: "its `@on_load` function failed"
  defp why(reason), do: "the code server says #{Text.term(reason)}"
end
