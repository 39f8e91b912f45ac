ExUnit.start(capture_log: true, exclude: [:packaging, :flat, :bench])

# What is loaded and started the first time, before descriptors are counted.
{:ok, _info} = Linx.Netlink.Port.info()
