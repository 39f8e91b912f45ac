defmodule Linx.Netlink.Port.DoctestTest do
  use ExUnit.Case, async: true

  doctest Linx.Netlink.Port.Atoms
  doctest Linx.Netlink.Port.Backoff
  doctest Linx.Netlink.Port.Errno
  doctest Linx.Netlink.Port.Error
  doctest Linx.Netlink.Port.Netns
  doctest Linx.Netlink.Port.Options
  doctest Linx.Netlink.Port.Outcome
  doctest Linx.Netlink.Port.Protocol
  doctest Linx.Netlink.Port.Settings
  doctest Linx.Netlink.Port.Wire
end
