//! The REPL. All of it is in the library's room `repl`.

use std::process::ExitCode;

fn main() -> ExitCode {
    linx_netlink_port::repl::run()
}
