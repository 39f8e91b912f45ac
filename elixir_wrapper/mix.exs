defmodule LinxNetlinkPort.MixProject do
  use Mix.Project

  @version "0.1.0"

  def project do
    [
      app: :linx_netlink_port,
      version: @version,
      elixir: "~> 1.14",
      description: "Sockets in other network namespaces, netlink and others, without a NIF",
      # The last one builds the port program, and is itself compiled by the first ones.
      compilers: Mix.compilers() ++ [:linx_netlink_port],
      elixirc_paths: elixirc_paths(Mix.env()),
      # Newer versions of Elixir wonder about files that look like tests.
      test_ignore_filters: [&String.starts_with?(&1, "test/fixtures/")],
      start_permanent: Mix.env() == :prod,
      deps: [],
      package: package()
    ]
  end

  def application do
    [
      mod: {Linx.Netlink.Port.Application, []},
      extra_applications: [:logger, :crypto] ++ extra_applications(Mix.env())
    ]
  end

  # For servers that answer over TLS, where Erlang has it.
  defp extra_applications(:test), do: [ssl: :optional, public_key: :optional]
  defp extra_applications(_env), do: []

  defp elixirc_paths(:test), do: ["lib", "test/support"]
  defp elixirc_paths(_env), do: ["lib"]

  defp package do
    [
      licenses: ["MIT"],
      links: %{},
      # Not all of it is here: script/package puts it together.
      files: ~w(lib native docs mix.exs .formatter.exs README.md CHANGELOG.md LICENSE)
    ]
  end
end
