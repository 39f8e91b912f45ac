//! The command line of the port program.

mod family;
mod words;

pub use words::{BY_HAND, HELP, USAGE, VERSION, WIDENS, line};

use std::ffi::OsString;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// Requests that may be in flight, unless the command line says otherwise.
pub const DEFAULT_MAX_IN_FLIGHT: usize = 256;

/// The largest buffer of a socket, in bytes, unless the command line says otherwise.
pub const DEFAULT_MAX_BUFFER: u32 = 8 << 20;

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Invocation {
    /// To serve, with these settings.
    Serve(Settings),
    /// To print [`HELP`].
    Help,
    /// To print [`VERSION`].
    Version,
    /// No arguments at all.
    ByHand,
}

/// How to serve.
#[derive(Debug, PartialEq, Eq)]
pub struct Settings {
    /// The path of the client's socket; a leading `@` means the abstract namespace.
    pub rendezvous: OsString,
    /// Requests that may be in flight, from 1 to 4096.
    pub max_in_flight: usize,
    /// The largest buffer that a socket may be given, in bytes, from 1 to 2^31-1.
    pub max_buffer: u32,
    /// Absolute. Where the namespaces are that may be opened; anywhere if there are none.
    pub netns_dirs: Vec<PathBuf>,
    /// The families of which sockets may be opened; any if there are none.
    pub families: Vec<u16>,
    /// The netlink protocols that may be opened; any if there are none.
    pub protocols: Vec<i32>,
    /// Whether processes may be named.
    pub pid: bool,
    /// Whether namespaces may be named by descriptors that the client sends.
    pub fd: bool,
    /// Whether namespaces themselves are handed over.
    pub netns: bool,
    /// Whether namespaces are made.
    pub new: bool,
    /// Whether user namespaces are entered and made.
    pub userns: bool,
    /// Whether `CAP_SYS_PTRACE` is kept.
    pub ptrace: bool,
    /// Whether nothing can be changed over the sockets.
    pub read_only: bool,
    /// Whether system calls are restricted.
    pub seccomp: bool,
}

impl Settings {
    /// Whether they take a restriction off, which is not for somebody who has less privilege than
    /// the program.
    ///
    /// ```
    /// use linx_netlink_port::cli::Settings;
    ///
    /// let settings = Settings::new("@somewhere".into());
    /// assert!(!settings.widen());
    /// assert!(Settings { seccomp: false, ..settings }.widen());
    /// ```
    pub fn widen(&self) -> bool {
        !self.seccomp || self.max_buffer > DEFAULT_MAX_BUFFER
    }

    /// Whether only namespaces in certain directories are opened.
    fn only_names(&self) -> bool {
        !self.netns_dirs.is_empty()
    }

    /// Whether namespaces are made: not where only those in certain directories are opened.
    ///
    /// ```
    /// use linx_netlink_port::cli::Settings;
    ///
    /// let settings = Settings::new("@somewhere".into());
    /// assert!(settings.makes_namespaces());
    /// let settings = Settings { netns_dirs: vec!["/run/netns".into()], ..settings };
    /// assert!(!settings.makes_namespaces());
    /// ```
    pub fn makes_namespaces(&self) -> bool {
        self.new && !self.only_names()
    }

    /// Whether namespaces may be named by descriptors: not where only those in certain directories are
    /// opened.
    ///
    /// ```
    /// use linx_netlink_port::cli::Settings;
    ///
    /// let settings = Settings::new("@somewhere".into());
    /// assert!(settings.takes_descriptors());
    /// assert!(!Settings { fd: false, ..settings }.takes_descriptors());
    /// ```
    pub fn takes_descriptors(&self) -> bool {
        self.fd && !self.only_names()
    }

    /// How to serve a client at `rendezvous`, unless the command line says otherwise.
    ///
    /// ```
    /// use linx_netlink_port::cli::{DEFAULT_MAX_IN_FLIGHT, Settings};
    ///
    /// let settings = Settings::new("@somewhere".into());
    /// assert_eq!(settings.max_in_flight, DEFAULT_MAX_IN_FLIGHT);
    /// assert!(settings.seccomp);
    /// ```
    pub fn new(rendezvous: OsString) -> Settings {
        Settings {
            rendezvous,
            max_in_flight: DEFAULT_MAX_IN_FLIGHT,
            max_buffer: DEFAULT_MAX_BUFFER,
            netns_dirs: Vec::new(),
            families: Vec::new(),
            protocols: Vec::new(),
            pid: true,
            fd: true,
            netns: true,
            new: true,
            userns: true,
            ptrace: true,
            read_only: false,
            seccomp: true,
        }
    }
}

/// What is wrong with the command line.
#[derive(Debug, PartialEq, Eq)]
pub enum UsageError {
    /// An argument that is no option.
    Unknown(OsString),
    /// The last argument is this option, which takes a value.
    MissingValue(&'static str),
    /// A value of `--family` that is none.
    BadFamily(OsString),
    /// A value that is no decimal number, or is out of the option's range.
    BadNumber {
        /// The option, with its dashes.
        option: &'static str,
        /// What was given to it.
        value: OsString,
        /// What it takes.
        range: RangeInclusive<i32>,
    },
    /// A directory whose path is not absolute.
    Relative(PathBuf),
    /// No `--rendezvous` among the arguments.
    NoRendezvous,
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UsageError::Unknown(argument) => {
                write!(f, "unknown argument {}", argument.to_string_lossy())
            }
            UsageError::MissingValue(option) => write!(f, "{option} takes a value"),
            UsageError::BadNumber { option, value, range } => {
                let (least, most) = (range.start(), range.end());
                let value = value.to_string_lossy();
                write!(f, "{option} takes a number from {least} to {most}, not {value}")
            }
            UsageError::BadFamily(value) => {
                let value = value.to_string_lossy();
                write!(
                    f,
                    "--family takes a name such as inet, or a number up to 65535, not {value}"
                )
            }
            UsageError::Relative(path) => {
                write!(f, "--netns-dir takes an absolute path, not {}", path.display())
            }
            UsageError::NoRendezvous => f.write_str("--rendezvous is missing"),
        }
    }
}

impl std::error::Error for UsageError {}

/// Reads the arguments, the program's name not among them.
///
/// Fails with the first that is wrong: an argument that is no option, an option without its value,
/// a value that is no number in its range (1 to 4096 for `--max-in-flight`, 1 to 2^31-1 for
/// `--max-buffer`, 0 to 2^31-1 for `--protocol`), no family or no absolute path. If none is wrong, fails
/// where `--rendezvous` is missing. What comes after `--help` or `--version` is not looked at.
///
/// ```
/// use linx_netlink_port::cli::{Invocation, Settings, parse};
///
/// let arguments = ["--rendezvous", "@somewhere", "--no-pid"].map(Into::into);
/// let settings = Settings { pid: false, ..Settings::new("@somewhere".into()) };
/// assert_eq!(parse(arguments.into_iter()), Ok(Invocation::Serve(settings)));
/// let error = parse(["--no-pids".into()].into_iter()).unwrap_err();
/// assert_eq!(error.to_string(), "unknown argument --no-pids");
/// ```
pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Invocation, UsageError> {
    let mut arguments = arguments.peekable();
    if arguments.peek().is_none() {
        return Ok(Invocation::ByHand);
    }
    let mut rendezvous = None;
    let mut settings = Settings::new(OsString::new());
    while let Some(argument) = arguments.next() {
        let mut value = |option| arguments.next().ok_or(UsageError::MissingValue(option));
        match argument.to_str() {
            Some("--rendezvous") => rendezvous = Some(value("--rendezvous")?),
            Some("--max-in-flight") => {
                settings.max_in_flight =
                    number("--max-in-flight", value("--max-in-flight")?, 1..=4096)?;
            }
            Some("--max-buffer") => {
                settings.max_buffer =
                    number("--max-buffer", value("--max-buffer")?, 1..=0x7fff_ffff)?;
            }
            Some("--netns-dir") => settings.netns_dirs.push(directory(value("--netns-dir")?)?),
            Some("--family") => settings.families.push(family(value("--family")?)?),
            Some("--protocol") => {
                settings.protocols.push(number("--protocol", value("--protocol")?, 0..=i32::MAX)?);
            }
            Some("--no-pid") => settings.pid = false,
            Some("--no-fd") => settings.fd = false,
            Some("--no-netns") => settings.netns = false,
            Some("--no-new") => settings.new = false,
            Some("--no-userns") => settings.userns = false,
            Some("--no-ptrace") => settings.ptrace = false,
            Some("--read-only") => settings.read_only = true,
            Some("--no-seccomp") => settings.seccomp = false,
            Some("--help" | "-h") => return Ok(Invocation::Help),
            Some("--version" | "-V") => return Ok(Invocation::Version),
            _ => return Err(UsageError::Unknown(argument)),
        }
    }
    settings.rendezvous = rendezvous.ok_or(UsageError::NoRendezvous)?;
    Ok(Invocation::Serve(settings))
}

fn number<N: TryFrom<i32>>(
    option: &'static str,
    value: OsString,
    range: RangeInclusive<i32>,
) -> Result<N, UsageError> {
    let number = value.to_str().and_then(|text| text.parse().ok());
    match number.filter(|number| range.contains(number)).map(N::try_from) {
        Some(Ok(number)) => Ok(number),
        _ => Err(UsageError::BadNumber { option, value, range }),
    }
}

fn family(value: OsString) -> Result<u16, UsageError> {
    match value.to_str().and_then(family::family) {
        Some(family) => Ok(family),
        None => Err(UsageError::BadFamily(value)),
    }
}

fn directory(value: OsString) -> Result<PathBuf, UsageError> {
    let path = PathBuf::from(value);
    if path.is_absolute() { Ok(path) } else { Err(UsageError::Relative(path)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Invocation, UsageError> {
        parse(line.split_whitespace().map(OsString::from))
    }

    fn settings(rendezvous: &str, max_in_flight: usize) -> Invocation {
        Invocation::Serve(Settings { max_in_flight, ..Settings::new(rendezvous.into()) })
    }

    fn bad_number(
        option: &'static str,
        value: &str,
        range: RangeInclusive<i32>,
    ) -> Result<Invocation, UsageError> {
        Err(UsageError::BadNumber { option, value: value.into(), range })
    }

    #[test]
    fn the_rendezvous_is_all_that_is_needed() {
        assert_eq!(parsed("--rendezvous @name"), Ok(settings("@name", 256)));
        assert_eq!(parsed("--max-in-flight 7 --rendezvous /s"), Ok(settings("/s", 7)));
    }

    #[test]
    fn without_options_nothing_is_refused_and_all_is_confined() {
        let settings = Settings::new("@x".into());
        assert!(settings.netns_dirs.is_empty() && settings.protocols.is_empty() && settings.pid);
        assert!(settings.families.is_empty() && settings.fd && settings.netns && settings.new);
        assert!(settings.ptrace && settings.seccomp);
    }

    #[test]
    fn policy_and_confinement_are_read() {
        let line = "--rendezvous @x --netns-dir /run/netns --protocol 0 --netns-dir /n/ \
            --protocol 16 --family netlink --family 17 --no-pid --no-fd --no-netns --no-new \
            --no-userns --no-ptrace --read-only --no-seccomp";
        let expected = Settings {
            netns_dirs: vec!["/run/netns".into(), "/n/".into()],
            families: vec![16, 17],
            protocols: vec![0, 16],
            pid: false,
            fd: false,
            netns: false,
            new: false,
            userns: false,
            ptrace: false,
            read_only: true,
            seccomp: false,
            ..Settings::new("@x".into())
        };
        assert_eq!(parsed(line), Ok(Invocation::Serve(expected)));
    }

    #[test]
    fn a_policy_that_cannot_be_meant_is_refused() {
        for path in ["", "netns", "./netns", "../netns"] {
            let arguments = ["--rendezvous", "@x", "--netns-dir", path].map(OsString::from);
            assert_eq!(parse(arguments.into_iter()), Err(UsageError::Relative(path.into())));
        }
        for value in ["-1", "2147483648", "route", "0x10"] {
            let error = parsed(&format!("--rendezvous @x --protocol {value}"));
            assert_eq!(error, bad_number("--protocol", value, 0..=i32::MAX));
        }
        for value in ["-1", "65536", "ipv6", "INET"] {
            let error = parsed(&format!("--rendezvous @x --family {value}"));
            assert_eq!(error, Err(UsageError::BadFamily(value.into())));
        }
        assert_eq!(parsed("--netns-dir"), Err(UsageError::MissingValue("--netns-dir")));
    }

    #[test]
    fn the_help_fits_a_terminal() {
        assert!(HELP.lines().all(|line| line.len() <= 100));
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
            assert_eq!(error, bad_number("--max-in-flight", value, 1..=4096));
        }
    }
}
