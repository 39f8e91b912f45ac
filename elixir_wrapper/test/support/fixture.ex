defmodule Linx.Netlink.Port.Test.Fixture do
  @moduledoc "Files that a test needs, in a directory of its own that goes with it."

  import ExUnit.Callbacks, only: [on_exit: 1]

  def directory do
    path = make_directory()
    on_exit(fn -> File.rm_rf!(path) end)
    path
  end

  @doc "The same for whoever removes it himself."
  def make_directory do
    path =
      Path.join(System.tmp_dir!(), "lnp-#{System.pid()}-#{System.unique_integer([:positive])}")

    File.mkdir_p!(path)
    path
  end

  @doc "What there is where the system puts temporary files."
  def temporary, do: File.ls!(System.tmp_dir!())

  @doc "A shell script, to be run in place of the port program."
  def script(body, mode \\ 0o755) do
    path = Path.join(directory(), "port-program")
    File.write!(path, "#!/bin/sh\n" <> body)
    File.chmod!(path, mode)
    path
  end
end
