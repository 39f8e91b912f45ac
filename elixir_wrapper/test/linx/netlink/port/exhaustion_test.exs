defmodule Linx.Netlink.Port.ExhaustionTest do
  use Linx.Netlink.Port.Test.Case

  alias Linx.Netlink.Port
  alias Linx.Netlink.Port.Error

  @exhausted [open: :emfile, socket: :emfile]

  @fixture Path.expand("../../../fixtures/exhausted.exs", __DIR__)

  test "a BEAM without descriptors gets EMFILE, loses nothing, and is served again when it has some" do
    ebin = Application.app_dir(:linx_netlink_port, "ebin")
    # The port program raises its own limit: it is the BEAM that has none left.
    command = "ulimit -S -n 80; exec elixir -pa '#{ebin}' '#{@fixture}'"

    {output, status} =
      System.cmd("timeout", ["60", "/bin/sh", "-c", command], stderr_to_stdout: true)

    assert status == 0, output

    assert output |> String.split("\n", trim: true) |> List.last() ==
             "[held: true, refused: {:port, :emfile}, drop_in: {:socket, 24}, " <>
               "others: [port: :emfile], many: 253, " <>
               "again: :ok, left: 0, same_program: true, unanswered: {:port, :etimedout}]"
  end

  test "a port program without descriptors says so, mixes nothing up, and serves again when it has some" do
    [one, two] = [Namespace.create(), Namespace.create()]
    server = start_server(launcher: ["/bin/sh", "-c", "ulimit -n 32; exec \"$0\" \"$@\""])
    os_pid = os_pid(server)
    entries = for number <- 1..48, do: {if(rem(number, 2) == 1, do: one, else: two).path, :route}

    cookies =
      for namespace <- [one, two] do
        {:ok, socket} = Port.open(namespace.path, :route, server: server)
        cookie = Namespace.cookie(socket)
        :ok = :socket.close(socket)
        cookie
      end

    Descriptors.settle(server)
    {here, there} = {Descriptors.count(), Descriptors.count(os_pid)}

    for _number <- 1..1_024 do
      {:ok, results} = Port.open_many(entries, server: server)

      opened =
        for {{:ok, socket}, cookie} <- Enum.zip(results, Stream.cycle(cookies)),
            do: {socket, cookie}

      errors = for {:error, error} <- results, do: error
      # The thread before may still be closing what it has sent: then there is nothing to be had.
      assert errors != []
      for %Error{} = error <- errors, do: assert({error.stage, error.errno} in @exhausted)

      for {socket, cookie} <- opened do
        assert Namespace.cookie(socket) == cookie
        :ok = :socket.close(socket)
      end
    end

    Descriptors.await(os_pid, there)
    {:ok, socket} = Port.open(one.path, :route, server: server)
    Namespace.assert_inside(socket, one)
    :ok = :socket.close(socket)
    assert {:ok, %{program: %{os_pid: ^os_pid}, server: %{starts: 1}}} = Port.info(server)
    Descriptors.settle(server)
    Descriptors.await(here)
    Descriptors.await(os_pid, there)
  end
end
