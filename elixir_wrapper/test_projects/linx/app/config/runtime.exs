import Config

if System.get_env("REPLACE_NIF") do
  config :linx_netlink_port, replace_nif: true
end
