for name <- ["rtnetlink", "lab"],
    do: Code.require_file("../elixir_wrapper/test/support/#{name}.ex", __DIR__)

defmodule Demo do
  @moduledoc "Opens a socket in each of two namespaces, and shows what can be done over it."

  alias Linx.Netlink.Port
  alias Linx.Netlink.Port.Test.{Lab, Rtnetlink}

  def run([directory]) do
    {:ok, info} = Port.info()
    %{os_pid: os_pid, version: version, capabilities: capabilities} = info.program

    IO.puts("""

    The BEAM is process #{System.pid()}. The port program #{version} is process #{os_pid}, and holds
    #{describe(capabilities)}.
    """)

    [red, blue, green] = for name <- ~w(red blue green), do: Path.join(directory, name)
    Enum.each([:host, red, blue], &show/1)

    {:ok, socket} = Port.open(blue, :route)

    IO.puts(
      "Over a socket in blue: a bridge br0 is created, and gets the address 198.51.100.1.\n"
    )

    :ok = Rtnetlink.create_bridge(socket, "br0")
    :ok = Rtnetlink.add_address(socket, Rtnetlink.links(socket)["br0"], {198, 51, 100, 1})
    :socket.close(socket)

    show(blue)

    {:error, error} = Port.open(green, :route)
    IO.puts("And where there is no namespace:\n\n  #{Exception.message(error)}\n")
    lab()
  end

  # They go with this process.
  defp lab do
    lab = Lab.build()

    IO.puts("""
    Two namespaces that belong to this process, made by the port program, and a cable between them that was put
    there over sockets in them:
    """)

    Enum.each([lab.red, lab.blue], &show/1)
    {from, said} = Lab.talk(lab, "hello")
    IO.puts("On port 80 of the first, #{:inet.ntoa(from)} says #{inspect(said)}.\n")
  end

  defp describe([]), do: "no capability"

  defp describe(capabilities),
    do: Enum.map_join(capabilities, ", ", &"CAP_#{String.upcase(to_string(&1))}")

  defp name(%{fd: fd}), do: "What is open here as descriptor #{fd}"
  defp name(netns), do: inspect(netns)

  defp show(netns) do
    {:ok, socket} = Port.open(netns, :route)
    {:ok, <<cookie::native-64>>} = :socket.getopt_native(socket, {1, 71}, 8)
    addresses = Enum.group_by(Rtnetlink.addresses(socket), &elem(&1, 0), &elem(&1, 1))

    IO.puts("#{name(netns)} is the network namespace number #{cookie}:")

    for {name, index} <- Enum.sort_by(Rtnetlink.links(socket), &elem(&1, 1)) do
      addresses = addresses |> Map.get(index, []) |> Enum.map_join(", ", &:inet.ntoa/1)
      IO.puts("  #{index}: #{String.pad_trailing(name, 12)}#{addresses}")
    end

    IO.puts("")
    :socket.close(socket)
  end
end

Demo.run(System.argv())
