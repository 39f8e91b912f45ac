//! The REPL. All of it is in the library, where tests reach it.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    linx_netlink_repl::run()
}
