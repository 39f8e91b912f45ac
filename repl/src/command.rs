//! The REPL's own commands: lines that begin with a colon and a name.

use std::time::Duration;

use super::hexview;
use super::text::Fault;

/// Each command: its name, what follows it, what it does.
pub const COMMANDS: [(&str, &str, &str); 12] = [
    (":fds", "", "the descriptors that are open"),
    (":close", "N", "closes descriptor N"),
    (":links", "N", "asks the kernel for the links, over descriptor N"),
    (":addrs", "N", "asks the kernel for the addresses, over descriptor N"),
    (":watch", "N SECONDS", "prints link events as they come in on descriptor N"),
    (":info", "", "what the port program is and how it is doing"),
    (":netns", "", "the network namespaces there are to open"),
    (":hex", "on|off", "shows frames byte by byte, or no longer"),
    (":send", "HEX", "sends these bytes as a frame; its length goes before them"),
    (":restart", "", "stops the port program and starts a new one"),
    (":help", "", "this"),
    (":quit", "", "ends, as Ctrl-D does"),
];

/// A command.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Command {
    Fds,
    Close(u32),
    Links(u32),
    Addrs(u32),
    Watch(u32, Duration),
    Info,
    Netns,
    Hex(bool),
    Send(Vec<u8>),
    Restart,
    Help,
    Quit,
}

/// Whether a line is a command rather than a term.
pub fn is_command(line: &str) -> bool {
    let mut chars = line.trim_start().chars();
    chars.next() == Some(':') && chars.next().is_some_and(|c| c.is_ascii_lowercase())
}

/// The command that was meant where only its colon is missing, and where that would be. `info` alone
/// is a request too.
pub fn meant(line: &str) -> Option<(usize, &'static str)> {
    let mut words = Words { line, at: 0 };
    let (column, word) = words.next()?;
    let (name, ..) =
        COMMANDS.into_iter().find(|(name, ..)| name.strip_prefix(':') == Some(word))?;
    (name != ":info").then_some((column, name))
}

/// Reads a command.
///
/// # Errors
///
/// What is wrong with it, and where.
pub fn parse(line: &str) -> Result<Command, Fault> {
    let mut words = Words { line, at: 0 };
    let (column, name) = words.next().unwrap_or((1, ""));
    let command = match name {
        ":fds" => Command::Fds,
        ":close" => Command::Close(words.number()?),
        ":links" => Command::Links(words.number()?),
        ":addrs" => Command::Addrs(words.number()?),
        ":watch" => Command::Watch(words.number()?, words.seconds()?),
        ":info" => Command::Info,
        ":netns" => Command::Netns,
        ":hex" => Command::Hex(words.switch()?),
        ":send" => Command::Send(words.hex()?),
        ":restart" => Command::Restart,
        ":help" => Command::Help,
        ":quit" => Command::Quit,
        other => return fault(column, format!("{other} is no command; :help lists them")),
    };
    match words.next() {
        None => Ok(command),
        Some((column, _)) => fault(column, format!("{name} takes nothing more")),
    }
}

fn fault<T>(column: usize, message: impl Into<String>) -> Result<T, Fault> {
    Err(Fault { column, message: message.into() })
}

/// The words of a line, with the columns that they begin at.
struct Words<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Words<'a> {
    fn column(&self) -> usize {
        self.line[..self.at].chars().count() + 1
    }

    fn skip_space(&mut self) {
        let rest = &self.line[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn next(&mut self) -> Option<(usize, &'a str)> {
        self.skip_space();
        let rest = &self.line[self.at..];
        let word = &rest[..rest.find(char::is_whitespace).unwrap_or(rest.len())];
        let column = self.column();
        self.at += word.len();
        (!word.is_empty()).then_some((column, word))
    }

    fn expect(&mut self, what: &str) -> Result<(usize, &'a str), Fault> {
        match self.next() {
            Some(word) => Ok(word),
            None => fault(self.column(), format!("{what} is expected here")),
        }
    }

    /// A descriptor's number, with its # or without.
    fn number(&mut self) -> Result<u32, Fault> {
        let what = "a descriptor's number, as :fds shows it,";
        let (column, word) = self.expect(what)?;
        match word.strip_prefix('#').unwrap_or(word).parse() {
            Ok(number) => Ok(number),
            Err(_) => fault(column, format!("{what} is expected here")),
        }
    }

    fn seconds(&mut self) -> Result<Duration, Fault> {
        let (column, word) = self.expect("a number of seconds")?;
        match word.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
            // Times that no clock can tell are as good as for ever.
            Some(period) => Ok(period.min(Duration::from_secs(100 * 365 * 86_400))),
            None => fault(column, "a number of seconds is expected here"),
        }
    }

    fn switch(&mut self) -> Result<bool, Fault> {
        match self.expect("on or off")? {
            (_, "on") => Ok(true),
            (_, "off") => Ok(false),
            (column, _) => fault(column, "on or off is expected here"),
        }
    }

    /// All that is left.
    fn hex(&mut self) -> Result<Vec<u8>, Fault> {
        self.skip_space();
        let column = self.column();
        let rest = &self.line[self.at..];
        self.at = self.line.len();
        match hexview::parse_hex(rest) {
            Ok(bytes) => Ok(bytes),
            Err(at) => fault(column + at - 1, "a hexadecimal digit is expected here"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read() {
        assert_eq!(parse(":fds"), Ok(Command::Fds));
        assert_eq!(parse("  :close  #12 "), Ok(Command::Close(12)));
        assert_eq!(parse(":links 3"), Ok(Command::Links(3)));
        assert_eq!(parse(":watch 1 2.5"), Ok(Command::Watch(1, Duration::from_millis(2500))));
        assert_eq!(parse(":hex on"), Ok(Command::Hex(true)));
        assert_eq!(parse(":send 83 6a"), Ok(Command::Send(vec![131, 106])));
        assert_eq!(parse(":send"), Ok(Command::Send(vec![])));
    }

    #[test]
    fn faults_point_at_their_columns() {
        for (line, column) in [
            (":nonsense", 1),
            ("  :nonsense", 3),
            (":close", 7),
            (":close x", 8),
            (":close -1", 8),
            (":close 1 2", 10),
            (":watch 1", 9),
            (":watch 1 -1", 10),
            (":watch 1 nan", 10),
            (":hex", 5),
            (":hex maybe", 6),
            (":send 83 6", 11),
            (":send 83 zz", 10),
        ] {
            assert_eq!(parse(line).map_err(|fault| fault.column), Err(column), "{line}");
        }
    }

    #[test]
    fn terms_are_no_commands() {
        assert!(is_command(" :fds"));
        assert!(is_command(":watch 1 2"));
        for line in ["", "info", "{:fds}", ":\"fds\"", ":+", ":Fds"] {
            assert!(!is_command(line), "{line}");
        }
    }

    #[test]
    fn a_command_without_its_colon_is_known() {
        assert_eq!(meant("help"), Some((1, ":help")));
        assert_eq!(meant("  close 1"), Some((3, ":close")));
        for line in ["", "info", "info.", "{help}", "helpless", ":help", "'help'"] {
            assert_eq!(meant(line), None, "{line}");
        }
    }

    #[test]
    fn every_command_in_the_list_is_one() {
        for (name, arguments, _) in COMMANDS {
            let arguments = arguments
                .replace("SECONDS", "1")
                .replace("HEX", "")
                .replace("on|off", "on")
                .replace('N', "1");
            assert!(parse(&format!("{name} {arguments}")).is_ok(), "{name}");
        }
    }
}
