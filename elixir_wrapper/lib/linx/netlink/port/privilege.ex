defmodule Linx.Netlink.Port.Privilege do
  @moduledoc "What the BEAM may do, as the kernel tells it."

  import Bitwise

  # linux/capability.h.
  @cap_net_admin 12

  @doc """
  For whom a new network namespace is made, if nobody says: for the system where the BEAM has
  `CAP_NET_ADMIN`, so that others may configure it who may configure the system's; else for the user, so that
  the BEAM may.

      iex> Linx.Netlink.Port.Privilege.owner() in [:system, :user]
      true
  """
  @spec owner() :: :system | :user
  def owner do
    if (effective() >>> @cap_net_admin &&& 1) == 1, do: :system, else: :user
  end

  # Where procfs isn't there to ask, there is none to count on.
  defp effective do
    with {:ok, status} <- File.read("/proc/self/status"),
         [_line, mask] <- Regex.run(~r/^CapEff:\s*([0-9a-f]+)$/m, status) do
      String.to_integer(mask, 16)
    else
      _unknown -> 0
    end
  end
end
