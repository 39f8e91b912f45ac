defmodule Mix.LinxNetlinkPort.FingerprintTest do
  use ExUnit.Case, async: true

  alias Linx.Netlink.Port.Test.Fixture
  alias Mix.LinxNetlinkPort.Fingerprint

  setup do
    above = Fixture.directory()
    crate = Path.join(above, "crate")
    for name <- ~w(Cargo.toml Cargo.lock src/main.rs), do: write(crate, name, "")
    %{above: above, crate: crate, before: Fingerprint.now(crate, [])}
  end

  defp write(folder, name, text) do
    file = Path.join(folder, name)
    file |> Path.dirname() |> File.mkdir_p!()
    File.write!(file, text)
  end

  test "is the same where only times have changed", %{crate: crate, before: before} do
    File.touch!(Path.join(crate, "src/main.rs"), 0)
    assert Fingerprint.now(crate, []) == before
  end

  test "tells that the sources have changed", %{crate: crate, before: before} do
    for name <- ~w(Cargo.toml Cargo.lock src/main.rs src/deep/more.rs), reduce: before do
      before ->
        write(crate, name, "changed")
        now = Fingerprint.now(crate, [])
        assert now.sources != before.sources
        assert now.settings == before.settings
        now
    end
  end

  test "tells that settings have changed, in files here and above, and for Nerves", context do
    for folder <- [context.crate, context.above],
        name <- ~w(.cargo/config.toml rust-toolchain.toml),
        reduce: context.before do
      before ->
        write(folder, name, "changed")
        now = Fingerprint.now(context.crate, [])
        assert now.settings != before.settings
        assert now.sources == before.sources
        now
    end

    other_target = Fingerprint.now(context.crate, [{"CARGO_BUILD_TARGET", "other"}])
    assert other_target.settings != context.before.settings
  end
end
