defmodule Linx.Netlink.Port.NamesTest do
  @moduledoc "Names in the directories of the setting `:netns_dirs`, which are looked in one after the other."

  # The setting holds for all servers.
  use Linx.Netlink.Port.Test.Case, async: false

  alias Linx.Netlink.Port
  alias Linx.Netlink.Port.{Error, Settings}

  setup do
    %{namespace: Namespace.create()}
  end

  # Another name of the namespace, in a directory that is not one of the usual places.
  defp elsewhere(namespace, mode \\ 0o755) do
    directory = Fixture.directory()
    name = "lnp-elsewhere-#{System.unique_integer([:positive])}"
    path = Path.join(directory, name)
    File.touch!(path)
    {_output, 0} = System.cmd("mount", ["--bind", namespace.path, path])
    on_exit(fn -> System.cmd("umount", ["--lazy", path]) end)
    File.chmod!(directory, mode)
    {directory, name}
  end

  defp look_in(directories) do
    Application.put_env(:linx_netlink_port, :netns_dirs, directories)
    on_exit(fn -> Application.delete_env(:linx_netlink_port, :netns_dirs) end)
  end

  defp assert_opened({:ok, socket}, namespace) do
    Namespace.assert_inside(socket, namespace)
    :ok = :socket.close(socket)
  end

  test "a name is found in the second directory", context do
    {directory, name} = elsewhere(context.namespace)
    assert {:error, %Error{errno: :enoent}} = Port.open({:name, name}, :route)
    look_in(["/run/netns", directory])
    assert_opened(Port.open({:name, name}, :route), context.namespace)
    assert_opened(Port.open({:name, context.namespace.name}, :route), context.namespace)
  end

  test "a name that is in both is the first one's", context do
    other = Namespace.create()
    {directory, name} = elsewhere(other)
    File.touch!("/run/netns/#{name}")
    on_exit(fn -> System.cmd("ip", ["netns", "del", name]) end)
    {_output, 0} = System.cmd("mount", ["--bind", context.namespace.path, "/run/netns/#{name}"])
    look_in(["/run/netns", directory])
    assert_opened(Port.open({:name, name}, :route), context.namespace)
    look_in([directory, "/run/netns"])
    assert_opened(Port.open({:name, name}, :route), other)
  end

  test "of many, each is looked for where it may be, and what is nowhere is ENOENT", context do
    {directory, name} = elsewhere(context.namespace)
    look_in(["/run/netns", directory])
    there = {{:name, context.namespace.name}, :route}
    entries = [{{:name, name}, :route}, there, {{:name, "lnp-nowhere"}, :route}]
    entries = entries ++ [{{:name, name}, :route}, {:host, :route}]
    assert {:ok, [one, two, nowhere, four, {:ok, host}]} = Port.open_many(entries)
    for result <- [one, two, four], do: assert_opened(result, context.namespace)
    assert {:error, %Error{stage: :open, errno: :enoent} = error} = nowhere
    assert Exception.message(error) =~ "(/run/netns/lnp-nowhere, #{directory}/lnp-nowhere)"
    :ok = :socket.close(host)
  end

  test "a directory that the port program's arguments forbid is passed over", context do
    {directory, name} = elsewhere(context.namespace)
    look_in(["/run/netns", directory])
    server = start_server(args: ["--netns-dir", directory])
    assert_opened(Port.open({:name, name}, :route, server: server), context.namespace)
    options = [server: server]

    assert {:error, %Error{errno: :enoent}} =
             Port.open({:name, context.namespace.name}, :route, options)

    assert {:ok, [result, {:error, %Error{errno: :enoent}}]} =
             Port.open_many([{{:name, name}, :route}, {{:name, "lnp-no"}, :route}], options)

    assert_opened(result, context.namespace)
  end

  test "what is found and can't be entered is told, and not looked for elsewhere", context do
    {directory, name} = elsewhere(context.namespace)
    File.touch!("/run/netns/#{name}")
    on_exit(fn -> File.rm("/run/netns/#{name}") end)
    look_in(["/run/netns", directory])
    assert {:error, %Error{stage: stage}} = Port.open({:name, name}, :route)
    assert stage == :setns
  end

  test "the usual places are both of them, and what is no list of directories is refused" do
    assert Settings.netns_dirs!() == ["/run/netns", "/var/run/netns"]

    for wrong <- [[], "/run/netns", ["run/netns"], [:run], [<<"/run", 0>>]] do
      look_in(wrong)
      assert_raise ArgumentError, ~r/:netns_dirs/, fn -> Port.open({:name, "blue"}, :route) end
    end
  end
end
