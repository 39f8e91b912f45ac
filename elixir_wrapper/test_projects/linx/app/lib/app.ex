defmodule App do
  @moduledoc """
  Somebody who uses Linx, and tells who served him. Where the configuration names a namespace, it is done at the
  start, and nothing else.
  """

  use Application

  @impl true
  def start(_type, _args) do
    children = if path = Application.get_env(:app, :open), do: [{Task, fn -> once(path) end}]
    Supervisor.start_link(List.wrap(children), strategy: :one_for_one)
  end

  @doc "Opens a socket in a namespace by Linx, and prints who has done it."
  def tell(path) do
    IO.puts(
      "opened #{opened(path)}, nif #{nif?()}, port programs #{length(port_programs())}, " <>
        "capabilities #{capabilities()}"
    )

    flush_log()
  end

  @doc "Waits until what has been logged is written: a BEAM that ends would leave it out."
  def flush_log do
    if Process.whereis(:logger_std_h_default), do: :logger_std_h.filesync(:default)
    if Process.whereis(Logger), do: Logger.flush()
  end

  @doc "Opens and closes sockets by Linx, and prints how many descriptors are left open."
  def left_open(path, count) do
    # A module that is loaded later is a file that is open meanwhile.
    for {application, _description, _version} <- Application.loaded_applications(),
        module <- Application.spec(application, :modules),
        do: Code.ensure_loaded(module)

    open_and_close(path)
    before = descriptors()
    for _number <- 1..count, do: open_and_close(path)
    IO.puts("left open: #{descriptors() - before}")
  end

  defp open_and_close(path) do
    {:ok, socket} = Linx.Netlink.Socket.open({:path, path}, 0)
    :ok = Linx.Netlink.Socket.close(socket)
  end

  defp descriptors, do: length(File.ls!("/proc/self/fd"))

  defp once(path) do
    tell(path)
    System.stop()
  end

  # SO_NETNS_COOKIE says in which namespace a socket is.
  defp opened(path) do
    with {:ok, %{socket: socket}} <- Linx.Netlink.Socket.open({:path, path}, 0),
         {:ok, <<cookie::native-64>>} <- :socket.getopt_native(socket, {1, 71}, 8) do
      "in #{cookie}"
    else
      {:error, reason} -> inspect(reason)
    end
  end

  defp nif?, do: File.read!("/proc/self/maps") =~ "linx_nif.so"

  # Whose parent is one of the BEAM's children.
  defp port_programs do
    parents = Map.new(processes())

    for {pid, parent} <- parents,
        parents[parent] == System.pid(),
        {:ok, command} <- [File.read("/proc/#{pid}/cmdline")],
        command =~ "--rendezvous",
        do: pid
  end

  defp processes do
    for path <- Path.wildcard("/proc/[0-9]*/status"),
        {:ok, status} <- [File.read(path)],
        [parent] <- [Regex.run(~r/^PPid:\s*(\d+)$/m, status, capture: :all_but_first)],
        do: {path |> Path.dirname() |> Path.basename(), parent}
  end

  defp capabilities do
    status = File.read!("/proc/self/status")
    [mask] = Regex.run(~r/^CapEff:\t(\w+)$/m, status, capture: :all_but_first)
    mask
  end
end
