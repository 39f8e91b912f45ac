import Config

if executable = System.get_env("APP_EXECUTABLE") do
  config :linx_netlink_port, executable: executable
end

if launcher = System.get_env("APP_LAUNCHER") do
  config :linx_netlink_port, launcher: String.split(launcher)
end
