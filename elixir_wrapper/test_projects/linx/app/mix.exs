defmodule App.MixProject do
  use Mix.Project

  def project do
    [
      app: :app,
      version: "1.0.0",
      deps: deps(System.get_env("FIRST")),
      releases: [app: [include_executables_for: [:unix]]]
    ]
  end

  def application, do: [mod: {App, []}, extra_applications: [:logger]]

  defp deps("wrapper"), do: Enum.reverse(deps("linx"))

  defp deps(_linx) do
    [{:linx, path: "../linx"}, {:linx_netlink_port, path: System.fetch_env!("WRAPPER")}]
  end
end
