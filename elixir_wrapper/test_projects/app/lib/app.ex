defmodule App do
  @moduledoc "The smallest user there is: opens a socket, and prints whom it has to thank for it."

  def run do
    {:ok, _apps} = Application.ensure_all_started(:linx_netlink_port)
    {:ok, socket} = Linx.Netlink.Port.open({:path, "/proc/self/ns/net"}, :route)
    # SO_DOMAIN is AF_NETLINK.
    {:ok, <<16::native-32>>} = :socket.getopt_native(socket, {1, 39}, 4)
    {:ok, %{server: %{executable: executable}, program: program}} = Linx.Netlink.Port.info()
    IO.puts("opened by #{executable} #{program.version}")
  end
end
