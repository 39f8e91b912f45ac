defmodule Linx.Netlink.Port.DoctestTest do
  use Linx.Netlink.Port.Test.Case

  {:ok, modules} = :application.get_key(:linx_netlink_port, :modules)

  for module <- modules, do: doctest(module)
end
