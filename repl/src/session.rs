//! A session: the port program that runs, the descriptors that it has handed
//! over, and what the user has set.

use std::collections::BTreeMap;
use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use eetf::Term;
use nix::sys::signal::Signal;

use linx_netlink_client::{Channel, ClientError, Message, Start};

use super::interrupt::Interrupts;
use super::mention::{self, Mention};
use super::out::{Out, Tone};
use super::program::{Program, Wait};
use super::text::{self, Fault, Notation};
use super::{answer, command, etf, hexview, kernel, spelling};

/// The most characters of a line that a fault is shown with.
const WIDEST: usize = 120;

/// The most descriptors that the port program keeps for a request that names them.
const MOST_MENTIONS: usize = 64;

/// What became of a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// Something about it failed, and that was said.
    Failed,
    /// The session is to end.
    Quit,
}

/// How a session goes, apart from the lines.
#[derive(Debug)]
pub struct Settings {
    /// What is started, and how.
    pub start: Start,
    /// How long an answer may take.
    pub patience: Duration,
    /// Whether a person is there: then more is said than answers.
    pub interactive: bool,
    /// Whether more lines follow one that has failed.
    pub goes_on: bool,
}

/// A session.
#[derive(Debug)]
pub struct Session {
    pub(super) settings: Settings,
    pub(super) out: Out,
    pub(super) program: Option<Program>,
    pub(super) interrupts: Option<Interrupts>,
    pub(super) notation: Notation,
    pub(super) hex: bool,
    pub(super) held: BTreeMap<u32, OwnedFd>,
    next_id: u64,
    next_number: u32,
    next_key: u64,
}

impl Session {
    /// A session whose port program is not started yet.
    pub fn new(settings: Settings, out: Out, interrupts: Option<Interrupts>) -> Self {
        Self {
            settings,
            out,
            program: None,
            interrupts,
            notation: Notation::default(),
            hex: false,
            held: BTreeMap::new(),
            next_id: 1,
            next_number: 1,
            next_key: 1,
        }
    }

    /// Starts the port program, and says so to a person.
    pub fn begin(&mut self) -> Outcome {
        match Program::start(&self.settings.start) {
            Ok(program) => {
                let hello = program.hello().clone();
                self.program = Some(program);
                if self.settings.interactive {
                    let text = text::print(&hello, self.notation);
                    self.out.line_in(Tone::Faint, text);
                }
                Outcome::Done
            }
            Err(error) => {
                let executable = self.settings.start.executable.as_os_str().as_bytes();
                let executable = spelling::shown(executable);
                self.out
                    .fault(format_args!("the port program does not start: {executable}: {error}"));
                if !self.settings.start.executable.exists() {
                    self.out.fault("`cargo build` makes it; --executable names another one");
                }
                Outcome::Failed
            }
        }
    }

    /// Does what a line says.
    pub fn line(&mut self, line: &str) -> Outcome {
        let outcome = if line.trim().is_empty() || is_comment(line) {
            self.look_after().unwrap_or(Outcome::Done)
        } else if command::is_command(line) {
            match command::parse(line) {
                Ok(command) => self.command(&command),
                Err(fault) => self.fault(line, &fault),
            }
        } else if let Some((column, name)) = command::meant(line) {
            self.fault(line, &Fault { column, message: format!("the command is {name}") })
        } else {
            match text::parse(line, self.notation) {
                Ok((term, notation)) => {
                    self.notation = notation;
                    self.request(term)
                }
                Err(fault) => self.fault(line, &fault),
            }
        };
        // A Ctrl-C since Enter was for this line; the next one begins with none.
        if let Some(interrupts) = &self.interrupts {
            interrupts.clear();
        }
        if self.out.closed() { Outcome::Quit } else { outcome }
    }

    /// Shows where a line is at fault.
    fn fault(&mut self, line: &str, fault: &Fault) -> Outcome {
        let message = spelling::harmless(&fault.to_string());
        self.out.fault(format_args!("{}\n{message}", pointed_at(line, fault.column)));
        Outcome::Failed
    }

    /// Sends a term as a request, and shows its answer.
    pub(super) fn request(&mut self, term: Term) -> Outcome {
        let (term, given) = answer::with_id(term, self.next_id);
        if given {
            self.next_id += 1;
        }
        let (term, mentions) = mention::resolve(term, &mut self.next_key);
        if let Some(missing) = mentions.iter().find(|it| !self.held.contains_key(&it.number)) {
            return self.no_such(missing.number);
        }
        if mentions.len() > MOST_MENTIONS {
            self.out.fault(format_args!(
                "the port program keeps {MOST_MENTIONS} descriptors, and this names {}",
                mentions.len()
            ));
            return Outcome::Failed;
        }
        match etf::encode(&term) {
            Ok(bytes) => self.exchange(&bytes, answer::id(&term), &mentions),
            Err(error) => {
                self.out.fault(error);
                Outcome::Failed
            }
        }
    }

    /// Sends a frame, after the descriptors that it mentions, and shows what comes back: the answer
    /// with `id`, or whatever comes first where the frame has none.
    pub(super) fn exchange(
        &mut self,
        frame: &[u8],
        id: Option<&Term>,
        mentions: &[Mention],
    ) -> Outcome {
        // A death that nobody has seen yet is no answer to this frame.
        let before = self.look_after().unwrap_or(Outcome::Done);
        if before == Outcome::Failed && !self.settings.goes_on {
            return before;
        }
        let outcome = self.send_and_wait(frame, id, mentions);
        if before == Outcome::Failed { before } else { outcome }
    }

    fn send_and_wait(&mut self, frame: &[u8], id: Option<&Term>, mentions: &[Mention]) -> Outcome {
        for mention in mentions {
            if let Err(error) = self.send_descriptor(*mention) {
                self.out.fault(format_args!("#{} can't be sent: {error}", mention.number));
                return self.died();
            }
        }
        let Some(program) = &mut self.program else { return Outcome::Failed };
        if self.hex {
            self.out.line_in(Tone::Faint, "to the port program:");
            self.out.line(hexview::frame_text(frame).trim_end());
        }
        let start = Instant::now();
        if program.send(frame).is_err() {
            return self.died();
        }
        let deadline = start + self.settings.patience;
        loop {
            let Some(program) = &mut self.program else { return Outcome::Failed };
            let stop = self.interrupts.as_ref().map(Interrupts::fd);
            match program.wait(deadline, stop) {
                Ok(Wait::Message(message)) => {
                    let took = start.elapsed();
                    let (outcome, mine) = self.show(message, id, took);
                    if mine {
                        return outcome;
                    }
                }
                Ok(Wait::Gone) => return self.died(),
                Ok(Wait::TimedOut) => {
                    let patience = self.settings.patience;
                    self.out.fault(format_args!(
                        "no answer in {patience:?}; it is shown if it still comes"
                    ));
                    return Outcome::Failed;
                }
                Ok(Wait::Interrupted) => {
                    self.out.fault("no longer waiting; the answer is shown if it still comes");
                    return Outcome::Failed;
                }
                Err(error) => {
                    self.out.fault(format_args!("the answer can't be read: {error}"));
                    return self.died();
                }
            }
        }
    }

    /// Sends a descriptor that is held here under its key.
    fn send_descriptor(&mut self, Mention { number, key }: Mention) -> Result<(), ClientError> {
        let key = etf::encode(&text::integer(key.into()))
            .map_err(|error| ClientError::Encode(error.to_string()))?;
        if self.hex {
            self.out.line_in(Tone::Faint, format_args!("on the pair, with #{number}:"));
            self.out.line(hexview::text(&key, 0).trim_end());
        }
        match (&self.program, self.held.get(&number)) {
            (Some(program), Some(fd)) => program.send_descriptor(&key, fd.as_fd()),
            _ => Err(ClientError::Ended),
        }
    }

    /// Shows a message, and says whether it is the answer that is waited for.
    fn show(&mut self, message: Message, id: Option<&Term>, took: Duration) -> (Outcome, bool) {
        let on_pair = message.channel == Channel::Pair;
        if self.hex {
            let (channel, view) = if on_pair {
                ("on the pair:", hexview::text(&message.bytes, 0))
            } else {
                ("from the port program:", hexview::frame_text(&message.bytes))
            };
            self.out.line_in(Tone::Faint, channel);
            self.out.line(view.trim_end());
        }
        let term = match etf::decode(&message.bytes) {
            Ok(term) => term,
            Err(error) => {
                self.out.fault(error);
                self.keep(message.descriptors);
                return (Outcome::Failed, true);
            }
        };
        let mine = id.is_none() || answer::id(&term).is_none_or(|answered| Some(answered) == id);
        let failed = answer::failed(&term);
        let tone = if failed { Tone::Bad } else { Tone::Strong };
        let text = text::print(&term, self.notation);
        let mut shown = self.out.toned(tone, text);
        if self.settings.interactive {
            let when = if mine { format!("{took:.1?}") } else { "late".to_owned() };
            shown = format!("{shown}  {}", self.out.toned(Tone::Faint, when));
        }
        self.out.line(shown);
        if self.settings.interactive {
            for note in answer::errnos(&term) {
                self.out.line_in(Tone::Faint, format_args!("  {note}"));
            }
        }
        let promised = if on_pair { answer::promised(&term) } else { 0 };
        let (came, cut) = (message.descriptors.len(), message.truncated);
        self.keep(message.descriptors);
        if came != promised || cut {
            let cut = if cut { ", and the kernel has dropped some" } else { "" };
            self.out.fault(format_args!("{promised} descriptors were promised, {came} came{cut}"));
            return (Outcome::Failed, mine);
        }
        (if failed { Outcome::Failed } else { Outcome::Done }, mine)
    }

    /// Numbers descriptors, and shows what they are.
    fn keep(&mut self, fds: Vec<OwnedFd>) {
        for fd in fds {
            let number = self.next_number;
            self.next_number += 1;
            self.out.line(format_args!("#{number}: {}", kernel::describe(fd.as_fd())));
            self.held.insert(number, fd);
        }
    }

    /// Takes in what has come unasked, and notices a port program that has died.
    fn look_after(&mut self) -> Option<Outcome> {
        loop {
            let Some(program) = &mut self.program else { return Some(self.begin()) };
            match program.wait(Instant::now(), None) {
                Ok(Wait::Message(message)) => {
                    let none = text::integer((-1).into());
                    self.show(message, Some(&none), Duration::ZERO);
                }
                Ok(Wait::TimedOut | Wait::Interrupted) => return None,
                Ok(Wait::Gone) | Err(_) => return Some(self.died()),
            }
        }
    }

    /// Says how the port program ended, and starts a new one.
    fn died(&mut self) -> Outcome {
        if let Some(program) = self.program.take() {
            let end = match program.bury() {
                Ok(status) => End(status).to_string(),
                Err(error) => format!("is gone ({error})"),
            };
            self.out.fault(format_args!("the port program {end}; starting a new one"));
        }
        self.begin();
        Outcome::Failed
    }
}

/// A line, and below it a mark at one of its columns. Of a long line, the part around it.
fn pointed_at(line: &str, column: usize) -> String {
    let from = if column > WIDEST { column - WIDEST / 2 } else { 0 };
    let part: String = line.chars().skip(from).take(WIDEST).collect();
    format!("{}\n{:>2$}", spelling::harmless(&part), "^", column - from)
}

/// Whether a line is a comment, in either notation.
fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with(['%', '#']) && !line[1..].starts_with('{')
}

/// How a process ended, in words.
pub(super) struct End(pub ExitStatus);

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(signal) = self.0.signal() {
            return match Signal::try_from(signal) {
                Ok(name) => write!(f, "was killed by signal {signal} ({name})"),
                Err(_) => write!(f, "was killed by signal {signal}"),
            };
        }
        match self.0.code() {
            Some(code) => write!(f, "ended with status {code}"),
            None => write!(f, "ended ({})", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_told_from_maps() {
        for line in ["% a comment", "# a comment", "  #", "%"] {
            assert!(is_comment(line), "{line}");
        }
        for line in ["%{a: 1}", "#{a => 1}", "{a} % b"] {
            assert!(!is_comment(line), "{line}");
        }
    }

    #[test]
    fn the_mark_is_below_its_column() {
        assert_eq!(pointed_at("a\tb", 3), "a b\n  ^");
        let line = format!("{}!{}", "a".repeat(999), "b".repeat(999));
        let shown = pointed_at(&line, 1000);
        let (part, mark) = shown.split_once('\n').unwrap();
        assert_eq!((part.len(), part.find('!')), (WIDEST, mark.find('^')));
    }

    #[test]
    fn ends_are_told_in_words() {
        assert_eq!(End(ExitStatus::from_raw(9)).to_string(), "was killed by signal 9 (SIGKILL)");
        assert_eq!(End(ExitStatus::from_raw(3 << 8)).to_string(), "ended with status 3");
    }
}
