defmodule Linx.Netlink.Port.StoppedTest do
  @moduledoc "What is left when a server is ended while its callers are at work: nothing."

  use Linx.Netlink.Port.Test.Case

  @fixture Path.expand("../../../fixtures/stopped.exs", __DIR__)

  for way <- ["its own application", "another application", "stopped", "killed"] do
    test "no descriptor is left, however the server is ended: #{way}" do
      ebin = Application.app_dir(:linx_netlink_port, "ebin")
      arguments = ["-pa", ebin, @fixture, unquote(way)]
      # Its port programs complain that nobody listens to them any more.
      {said, status} = System.cmd("elixir", arguments, stderr_to_stdout: true)
      assert status == 0, said
      assert "0 left of many" in String.split(said, "\n"), said
    end
  end
end
