//! The REPL's arguments.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use clap_complete::Shell;

use linx_netlink_client::Start;

/// Tries linx-netlink-port by hand, over its real wire.
///
/// A line is a term, in Erlang's notation or Elixir's, and is sent as a request. In it, {fd, "#3"} names
/// descriptor #3, as it was shown when it came. :help lists the commands. Without a terminal, lines
/// come from stdin, answers go to stdout, and the first error ends it with status 1.
#[derive(Debug, Parser)]
#[command(name = "linx-netlink-repl", version)]
pub struct Args {
    /// The port program [default: the linx-netlink-port beside this program]
    #[arg(long, value_name = "PATH")]
    executable: Option<PathBuf>,

    /// What starts the port program, with its own arguments, such as "sudo -n"
    #[arg(long, value_name = "COMMAND")]
    launcher: Option<String>,

    /// Does this line, and ends; may be given several times
    #[arg(short = 'e', value_name = "TERM", allow_hyphen_values = true)]
    pub lines: Vec<String>,

    /// Goes on after an error; the status is 1 all the same
    #[arg(long)]
    pub keep_going: bool,

    /// How long an answer may take
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub timeout: Duration,

    /// Prints what this shell needs to complete these arguments, and ends
    #[arg(long, value_name = "SHELL")]
    pub completion: Option<Shell>,

    /// The port program's own arguments
    #[arg(last = true, value_name = "ARGUMENT")]
    arguments: Vec<OsString>,
}

impl Args {
    /// What is to be started.
    pub fn start(&self) -> Start {
        let beside = || {
            env::current_exe().ok()?.parent().map(|directory| directory.join("linx-netlink-port"))
        };
        let launcher = self.launcher.iter().flat_map(|launcher| launcher.split_whitespace());
        // Someone may have to type a password.
        let timeout = Duration::from_secs(if self.launcher.is_some() { 60 } else { 10 });
        let executable = self.executable.clone().or_else(beside);
        Start {
            launcher: launcher.map(OsString::from).collect(),
            arguments: self.arguments.clone(),
            timeout,
            ..Start::new(executable.unwrap_or_else(|| "linx-netlink-port".into()))
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    match seconds.filter(|period| !period.is_zero()) {
        Some(period) => Ok(period.min(Duration::from_secs(1_000_000_000))),
        None => Err("a number of seconds above 0 is expected".into()),
    }
}
