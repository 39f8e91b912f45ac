defmodule Linx.MixProject do
  use Mix.Project

  def project do
    [
      app: :linx,
      version: "1.0.0",
      deps: [{:linx_netlink_port, path: System.fetch_env!("WRAPPER")}]
    ]
  end

  def application, do: [extra_applications: [:logger]]
end
