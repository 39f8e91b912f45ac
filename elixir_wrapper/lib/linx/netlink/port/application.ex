defmodule Linx.Netlink.Port.Application do
  @moduledoc """
  Starts the server of the default name, unless configuration says no:

      config :linx_netlink_port, start: false

  The port program itself is only started when it is first needed. With `replace_nif: true`, Linx's own
  `Linx.Netlink.Socket.Native` is replaced as long as the application runs.
  """

  use Application

  alias Linx.Netlink.Port.Native.Replacement
  alias Linx.Netlink.Port.{Lane, Telemetry}

  # What its modules use, and what the log uses to tell of it.
  @used_by_them [:calendar, :erl_posix_msg, :inet, :prim_file, :socket] ++
                  [Enumerable, Enumerable.List, Stream.Reducers] ++
                  [Exception, Logger.Formatter, Logger.Translator]

  @impl true
  def start(_type, _args) do
    load()
    Telemetry.detect()
    # It lives as long as this process, which is as long as the application.
    Lane.make_table()
    Supervisor.start_link(children(), strategy: :one_for_one, name: __MODULE__.Supervisor)
  end

  # A BEAM that loads its code when it is first used has no descriptor to load it with when it matters
  # most: when it has run out of them, and has to say so.
  defp load do
    modules = Application.spec(:linx_netlink_port, :modules) || []
    _ = :code.ensure_modules_loaded(modules ++ @used_by_them)
    :ok
  end

  # What is replaced is so when there is somebody to ask, and no longer.
  defp children do
    server = if Application.get_env(:linx_netlink_port, :start, true), do: [Linx.Netlink.Port]
    replacement = if Replacement.wanted?(), do: [Replacement]
    List.wrap(server) ++ List.wrap(replacement)
  end
end
