ExUnit.start(capture_log: true, exclude: [:packaging, :flat, :bench])

# As on a machine where `ip netns` has been used before. A mount namespace that is older than its first use may never
# see what it mounts (with iproute2 7.3).
if System.find_executable("ip") do
  name = "lnp-first-#{System.pid()}"

  for command <- ["add", "delete"],
      do: System.cmd("ip", ["netns", command, name], stderr_to_stdout: true)
end

# What is loaded and started the first time, before descriptors are counted.
{:ok, _info} = Linx.Netlink.Port.info()
