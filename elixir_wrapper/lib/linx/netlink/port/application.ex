defmodule Linx.Netlink.Port.Application do
  @moduledoc """
  Starts the server of the default name, unless configuration says no:

      config :linx_netlink_port, start: false

  The port program itself is only started when it is first needed.
  """

  use Application

  alias Linx.Netlink.Port.Telemetry

  @impl true
  def start(_type, _args) do
    Telemetry.detect()
    Supervisor.start_link(children(), strategy: :one_for_one, name: __MODULE__.Supervisor)
  end

  defp children do
    if Application.get_env(:linx_netlink_port, :start, true), do: [Linx.Netlink.Port], else: []
  end
end
