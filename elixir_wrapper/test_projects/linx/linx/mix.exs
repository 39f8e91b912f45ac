defmodule Linx.MixProject do
  use Mix.Project

  def project, do: [app: :linx, version: "1.0.0", deps: []]
  def application, do: [extra_applications: [:logger]]
end
