defmodule App.MixProject do
  use Mix.Project

  def project do
    [
      app: :app,
      version: "1.0.0",
      deps: [{:linx_netlink_port, path: System.fetch_env!("WRAPPER")}],
      releases: [app: [include_executables_for: [:unix]]]
    ]
  end

  def application, do: [extra_applications: [:logger]]
end
