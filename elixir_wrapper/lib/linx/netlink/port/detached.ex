defmodule Linx.Netlink.Port.Detached do
  @moduledoc """
  Processes that outlive the application that started them.

  An application that stops ends every process that has its group leader, and each process inherits that
  of its parent. What has to be finished (a descriptor to be closed, a port program to be killed) must not
  end with whichever application it was begun in. So its group leader is `init`, which is there as long as
  the BEAM is.
  """

  @doc """
  Detaches the calling process, or another of this node.

  ## Example

      iex> Linx.Netlink.Port.Detached.detach(spawn(fn -> receive do: (:never -> :ok) end))
      :ok
      iex> task = Task.async(fn -> {Linx.Netlink.Port.Detached.detach(self()), Process.group_leader()} end)
      iex> Task.await(task) == {:ok, Process.whereis(:init)}
      true
  """
  @spec detach(pid()) :: :ok
  def detach(pid) do
    Process.group_leader(pid, Process.whereis(:init))
    :ok
  rescue
    # It has ended already.
    ArgumentError -> :ok
  end
end
