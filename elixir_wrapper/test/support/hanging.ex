defmodule Linx.Netlink.Port.Test.Hanging do
  @moduledoc """
  Namespace files whose lookup hangs, as on a dead file server: a FUSE that doesn't answer, mounted by
  the example program `hanging-netns`.

  It is mounted in a mount namespace of its own, and reached through `/proc`: nobody else gets to see
  it, and it is gone with its process.
  """

  import ExUnit.Assertions

  alias Linx.Netlink.Port.Test.Helpers

  @enforce_keys [:port, :os_pid, :directory]
  defstruct @enforce_keys

  @patience 60_000
  @crate Path.expand("../../..", __DIR__)
  # What `cargo test --workspace` has built already, if it was asked to.
  @build ~w(build --quiet --locked --workspace --example hanging-netns) ++
           ~w(--message-format json-render-diagnostics)

  @doc "Builds what mounts it, and returns its path. The first time it takes a while."
  def build do
    with nil <- :persistent_term.get(__MODULE__, nil) do
      path = cargo_build()
      :persistent_term.put(__MODULE__, path)
      path
    end
  end

  defp cargo_build do
    {messages, status} = System.cmd("cargo", @build, cd: @crate)
    assert status == 0, "cargo can't build the example hanging-netns"
    [[_match, path]] = Regex.scan(~r/"executable":"([^"]+hanging-netns)"/, messages)
    path
  end

  @doc "Mounts it over a directory. It belongs to the calling process, and ends with it."
  def mount(directory) do
    port =
      Port.open({:spawn_executable, System.find_executable("unshare")}, [
        :binary,
        :exit_status,
        args: ["--mount", "--propagation", "private", build(), directory]
      ])

    assert_receive {^port, {:data, "ready\n"}}, @patience
    {:os_pid, os_pid} = Port.info(port, :os_pid)
    %__MODULE__{port: port, os_pid: os_pid, directory: directory}
  end

  @doc "A file whose lookup hangs, by a name that may be anything."
  def path(hanging, name \\ "netns") do
    "/proc/#{hanging.os_pid}/root#{Path.join(hanging.directory, "#{name}")}"
  end

  @doc "Ends it: what hangs fails with `ECONNABORTED`."
  def release(hanging) do
    Port.close(hanging.port)
    Helpers.await_gone(hanging.os_pid)
  end

  @doc "Waits until so many of a process's threads hang."
  def await_threads(os_pid, count) do
    Helpers.eventually("#{count} threads hang", fn -> threads(os_pid) == count end)
  end

  # In the system call openat(2), by its number.
  defp threads(os_pid) do
    openat = if machine() == "aarch64", do: "56", else: "257"

    for path <- Path.wildcard("/proc/#{os_pid}/task/*/syscall"),
        {:ok, call} <- [File.read(path)],
        match?([^openat | _arguments], String.split(call)),
        reduce: 0,
        do: (count -> count + 1)
  end

  defp machine do
    :system_architecture |> :erlang.system_info() |> to_string() |> String.split("-") |> hd()
  end
end
