defmodule Linx.Netlink.Port.ExhaustionTest do
  use Linx.Netlink.Port.Test.Case

  @fixture Path.expand("../../../fixtures/exhausted.exs", __DIR__)

  test "a BEAM without descriptors gets EMFILE, loses nothing, and is served again when it has some" do
    ebin = Application.app_dir(:linx_netlink_port, "ebin")
    command = "ulimit -n 80; exec elixir -pa '#{ebin}' '#{@fixture}'"
    {output, status} = System.cmd("/bin/sh", ["-c", command], stderr_to_stdout: true)
    assert status == 0, output

    assert output |> String.split("\n", trim: true) |> List.last() ==
             "[held: true, refused: {:port, :emfile}, others: [port: :emfile], many: 253, " <>
               "again: :ok, left: 0, same_program: true]"
  end
end
