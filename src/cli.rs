//! The command line of the port program.

use std::ffi::OsString;
use std::fmt;

/// Requests that may be in flight, unless the command line says otherwise.
pub const DEFAULT_MAX_IN_FLIGHT: usize = 256;

/// What `--version` prints.
pub const VERSION: &str = concat!("linx-netlink-port ", env!("CARGO_PKG_VERSION"), "\n");

/// What `--help` prints; the manual page is made of it too.
pub const HELP: &str = "\
Opens netlink sockets in other network namespaces and hands the descriptors to its client,
usually a BEAM that started it with Port.open.

Usage: linx-netlink-port --rendezvous PATH [OPTIONS]

Options:
  --rendezvous PATH    the unix socket (SOCK_SEQPACKET) on which the client listens; a leading @
                       means the abstract namespace
  --max-in-flight N    requests that may be in flight, from 1 to 4096; those beyond fail
                       with {thread, EAGAIN} [default: 256]
  --help               print this and exit
  --version            print the version and exit

Exit status: 0 after the end of file on stdin, 1 if that came inside a frame or the system failed
the program, 2 for wrong arguments, 3 if the rendezvous can't be reached.
";

/// What somebody is told who starts the program by hand.
pub const BY_HAND: &str = "\
linx-netlink-port opens netlink sockets in other network namespaces, for a program that starts it.
Usage: linx-netlink-port --rendezvous PATH [OPTIONS], with pipes as stdin and stdout; see --help.
Run linx-netlink-repl to try it by hand.
";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Invocation {
    Serve(Settings),
    Help,
    Version,
    /// No arguments at all.
    ByHand,
}

/// How to serve.
#[derive(Debug, PartialEq, Eq)]
pub struct Settings {
    pub rendezvous: OsString,
    pub max_in_flight: usize,
}

/// What is wrong with the command line.
#[derive(Debug, PartialEq, Eq)]
pub enum UsageError {
    Unknown(OsString),
    MissingValue(&'static str),
    BadNumber { option: &'static str, value: OsString },
    NoRendezvous,
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UsageError::Unknown(argument) => {
                write!(f, "unknown argument {}", argument.to_string_lossy())
            }
            UsageError::MissingValue(option) => write!(f, "{option} takes a value"),
            UsageError::BadNumber { option, value } => {
                write!(f, "{option} cannot be {}", value.to_string_lossy())
            }
            UsageError::NoRendezvous => f.write_str("--rendezvous is missing"),
        }
    }
}

impl std::error::Error for UsageError {}

/// Reads the arguments, the program's name not among them.
pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Invocation, UsageError> {
    let mut arguments = arguments.peekable();
    if arguments.peek().is_none() {
        return Ok(Invocation::ByHand);
    }
    let mut rendezvous = None;
    let mut max_in_flight = DEFAULT_MAX_IN_FLIGHT;
    while let Some(argument) = arguments.next() {
        let mut value = |option| arguments.next().ok_or(UsageError::MissingValue(option));
        match argument.to_str() {
            Some("--rendezvous") => rendezvous = Some(value("--rendezvous")?),
            Some("--max-in-flight") => {
                max_in_flight = number("--max-in-flight", value("--max-in-flight")?, 1..=4096)?;
            }
            Some("--help" | "-h") => return Ok(Invocation::Help),
            Some("--version" | "-V") => return Ok(Invocation::Version),
            _ => return Err(UsageError::Unknown(argument)),
        }
    }
    let rendezvous = rendezvous.ok_or(UsageError::NoRendezvous)?;
    Ok(Invocation::Serve(Settings { rendezvous, max_in_flight }))
}

fn number(
    option: &'static str,
    value: OsString,
    range: std::ops::RangeInclusive<usize>,
) -> Result<usize, UsageError> {
    let parsed = value.to_str().and_then(|text| text.parse().ok());
    match parsed.filter(|number| range.contains(number)) {
        Some(number) => Ok(number),
        None => Err(UsageError::BadNumber { option, value }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Invocation, UsageError> {
        parse(line.split_whitespace().map(OsString::from))
    }

    fn settings(rendezvous: &str, max_in_flight: usize) -> Invocation {
        Invocation::Serve(Settings { rendezvous: rendezvous.into(), max_in_flight })
    }

    #[test]
    fn the_rendezvous_is_all_that_is_needed() {
        assert_eq!(parsed("--rendezvous @name"), Ok(settings("@name", 256)));
        assert_eq!(parsed("--max-in-flight 7 --rendezvous /s"), Ok(settings("/s", 7)));
    }

    #[test]
    fn started_by_hand_it_has_no_arguments() {
        assert_eq!(parsed(""), Ok(Invocation::ByHand));
        assert_eq!(parsed("--help"), Ok(Invocation::Help));
        assert_eq!(parsed("--version"), Ok(Invocation::Version));
    }

    #[test]
    fn wrong_arguments_are_named() {
        assert_eq!(parsed("--max-in-flight 7"), Err(UsageError::NoRendezvous));
        assert_eq!(parsed("--rendezvous"), Err(UsageError::MissingValue("--rendezvous")));
        assert_eq!(parsed("--colour"), Err(UsageError::Unknown("--colour".into())));
        for value in ["0", "4097", "-1", "many"] {
            let error = parsed(&format!("--rendezvous @x --max-in-flight {value}"));
            let option = "--max-in-flight";
            assert_eq!(error, Err(UsageError::BadNumber { option, value: value.into() }));
        }
    }
}
