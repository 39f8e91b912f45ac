defmodule Linx.Netlink.Port.TelemetryTest do
  use Linx.Netlink.Port.Test.Case

  alias Linx.Netlink.Port
  alias Linx.Netlink.Port.{Error, Telemetry}

  # What stands in for the library tells the test what it would have told its handlers.
  setup do
    Application.put_env(:linx_netlink_port, :test_telemetry, self())

    {:module, :telemetry, _code, _result} =
      Module.create(
        :telemetry,
        quote do
          def execute(name, measurements, metadata) do
            to = Application.fetch_env!(:linx_netlink_port, :test_telemetry)
            send(to, {:event, name, measurements, metadata})
            :ok
          end
        end,
        Macro.Env.location(__ENV__)
      )

    Telemetry.detect()

    on_exit(fn ->
      :code.purge(:telemetry)
      :code.delete(:telemetry)
      Telemetry.detect()
      Application.delete_env(:linx_netlink_port, :test_telemetry)
    end)
  end

  test "tells of sockets that were opened, and how long it took" do
    {:ok, _socket} = Port.open("/proc/self/ns/net", :route)
    assert_received {:event, [:linx_netlink_port, :open, :stop], %{duration: duration}, metadata}
    assert duration > 0
    assert metadata == %{netns: "/proc/self/ns/net", protocol: :route, server: Port}
  end

  test "tells of other sockets, of descriptors, and of namespaces" do
    {:ok, netns} = Port.new_netns(owner: :user)
    assert_received {:event, [:linx_netlink_port, :open, :stop], _, metadata}
    assert metadata == %{netns: {:new, :user}, protocol: :netns, server: Port}
    {:ok, fd} = Port.open_descriptor(netns, {:inet, :dgram, :udp})
    assert_received {:event, [:linx_netlink_port, :open, :stop], _, metadata}
    assert metadata == %{netns: netns, protocol: {:inet, :dgram, :udp}, server: Port}
    Enum.each([Port.close_descriptor(fd), Port.close_netns(netns)], &assert(&1 == :ok))
  end

  test "tells of sockets that could not be had, and why" do
    {:error, error} = Port.open("/there/is/none", :route)

    assert_received {:event, [:linx_netlink_port, :open, :exception], %{duration: _time},
                     metadata}

    assert %{kind: :error, reason: ^error, netns: "/there/is/none"} = metadata
    assert %Error{errno: :enoent} = error
  end

  test "tells of what the drop-in does, and of many at once" do
    {:ok, fd} = Linx.Netlink.Port.Native.open_in_netns("/proc/self/ns/net", 0)
    :ok = Linx.Netlink.Port.Native.close_fd(fd)
    assert_received {:event, [:linx_netlink_port, :open, :stop], _, %{netns: "/proc/self/ns/net"}}
    {:ok, _results} = Port.open_many([{:host, :route}, {:host, :route}])
    assert_received {:event, [:linx_netlink_port, :open, :stop], _, %{entries: 2}}
  end

  test "tells of port programs that come and go" do
    server = start_server()
    pid = Process.whereis(server)
    os_pid = os_pid(server)
    assert_received {:event, [:linx_netlink_port, :program, :up], %{}, metadata}
    assert %{server: ^pid, os_pid: ^os_pid, version: "0.1.0"} = metadata
    kill_program(server)
    assert_received {:event, [:linx_netlink_port, :program, :down], %{in_flight: 0}, metadata}
    assert %{server: ^pid, reason: 32, executable: _path} = metadata
  end
end
