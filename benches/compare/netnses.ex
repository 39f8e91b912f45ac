defmodule Bench.Netnses do
  @moduledoc "The network namespaces in which sockets are opened. They go with the mount namespace, to
  which /run belongs."

  alias Bench.Outside

  @doc """
  Makes so many, each with the number that tells a socket in it. Nobody else is asked which namespace is
  which than a program (floor.c) that knows nothing of the others.
  """
  def make(count, floor) do
    names = for number <- 1..count, do: "bench-#{number}"
    batch = "/run/netns-add"
    File.write!(batch, Enum.map(names, &"netns add #{&1}\n"))
    {_output, 0} = System.cmd("ip", ["-batch", batch])
    File.rm!(batch)
    paths = Enum.map(names, &"/run/netns/#{&1}")
    port = Outside.start(floor, paths)
    cookies = Outside.ask(port, "cookies")
    Port.close(port)
    ^count = cookies |> Enum.uniq() |> length()
    for {path, cookie} <- Enum.zip(paths, cookies), do: %{path: path, cookie: cookie}
  end

  @doc "The path of one in a user namespace of its own, and the port as long as which it lives."
  def rootless do
    unshare = System.find_executable("unshare")
    port = Outside.start(unshare, ["--user", "--net", "sh", "-c", "echo $$; exec cat"])
    [os_pid] = Outside.hear(port)
    {"/proc/#{os_pid}/ns/net", port}
  end
end
