defmodule Linx.Netlink.Port.Test.Case do
  @moduledoc """
  A test that leaves nothing behind.

  When it is over, and its processes are gone, the BEAM must have as many descriptors open as before:
  what a test opens and the code under test forgets makes the test fail.
  """

  use ExUnit.CaseTemplate

  alias Linx.Netlink.Port.Test.Descriptors

  using do
    quote do
      import Linx.Netlink.Port.Test.{Helpers, Scene}
      alias Linx.Netlink.Port.Test.{Beam, Descriptors, DoomedBeam, Fixture, Hanging}
      alias Linx.Netlink.Port.Test.{Impostor, Namespace, Rtnetlink}
    end
  end

  setup do
    before = Descriptors.count()
    on_exit(fn -> Descriptors.await(before) end)
  end
end
