//! The REPL on a pseudo-terminal, with someone who types and reads.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;

use nix::pty::{Winsize, openpty};
use nix::unistd::Pid;

use crate::support::{BOUND, Directory, repl};

pub const PROMPT: &str = "linx> ";
pub const CTRL_C: &str = "\x03";
pub const CTRL_D: &str = "\x04";
pub const UP: &str = "\x1b[A";

/// A running session.
pub struct Terminal {
    repl: Child,
    keys: File,
    output: Receiver<Vec<u8>>,
    raw: Vec<u8>,
    /// How much of the screen has been read already.
    seen: usize,
    /// Where it keeps its history, unless the test has a place of its own.
    _state: Option<Directory>,
}

impl Terminal {
    /// A session with a history of its own.
    pub fn new(arguments: &[&str]) -> Self {
        let state = Directory::new();
        let mut terminal = Self::with(arguments, state.path(), &[]);
        terminal._state = Some(state);
        terminal
    }

    /// A session with its state in `state`, and these in its environment.
    pub fn with(arguments: &[&str], state: &Path, environment: &[(&str, &str)]) -> Self {
        let size = Winsize { ws_row: 50, ws_col: 300, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(&size, None).unwrap();
        let keys = File::from(pty.master);
        let mut screen = keys.try_clone().unwrap();
        let stdio = |fd: &OwnedFd| Stdio::from(fd.try_clone().unwrap());
        let mut command = Command::new(repl());
        command
            .args(arguments)
            .env("XDG_STATE_HOME", state)
            .env("TERM", "xterm")
            .env_remove("NO_COLOR")
            .envs(environment.iter().copied())
            .stdin(stdio(&pty.slave))
            .stdout(stdio(&pty.slave))
            .stderr(stdio(&pty.slave));
        // SAFETY: both calls are async-signal-safe, and touch nothing but the new process.
        unsafe {
            command.pre_exec(|| {
                nix::unistd::setsid()?;
                match nix::libc::ioctl(std::io::stdin().as_raw_fd(), nix::libc::TIOCSCTTY, 0) {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                }
            });
        }
        let repl = command.spawn().unwrap();
        // Its copies of the other end live in the command.
        drop((command, pty.slave));
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // The end of a terminal is an error.
            while let Ok(length @ 1..) = screen.read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { repl, keys, output, raw: Vec::new(), seen: 0, _state: None }
    }

    /// The REPL's process.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.repl.id().try_into().unwrap())
    }

    /// Types keys.
    pub fn keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until `text` is on the screen, after what was waited for before.
    /// Gives what stands between the two.
    pub fn expect(&mut self, text: &str) -> String {
        let deadline = Instant::now() + BOUND;
        loop {
            // The line that is being edited may have become shorter.
            let screen = self.screen();
            let rest = screen.get(self.seen..).unwrap_or_default();
            if let Some(at) = rest.find(text) {
                self.seen += at + text.len();
                return rest[..at].to_owned();
            }
            match self.output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.raw.extend(bytes),
                Err(error) => {
                    let why = if error == RecvTimeoutError::Timeout { "in time" } else { "at all" };
                    panic!("{text:?} did not come {why} in {screen}, after byte {}", self.seen);
                }
            }
        }
    }

    /// Types a line, and gives what is printed before the next prompt.
    pub fn line(&mut self, line: &str) -> String {
        self.keys(line);
        self.expect(line);
        self.keys("\r");
        self.expect("\n");
        // A line that prints nothing has the next prompt right below.
        self.seen -= 1;
        let output = self.expect(&format!("\n{PROMPT}"));
        output.trim_start_matches('\n').to_owned()
    }

    /// Waits for the end.
    pub fn end(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + BOUND;
        loop {
            match self.output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.raw.extend(bytes),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end: {:?}", self.screen()),
            }
        }
        (self.repl.wait().unwrap(), self.screen())
    }

    /// All bytes so far.
    pub fn raw(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }

    /// All text so far, as one would read it: lines as they were when they were left.
    pub fn screen(&self) -> String {
        let raw = self.raw();
        let mut lines = Vec::new();
        let mut line: Vec<char> = Vec::new();
        let mut column: usize = 0;
        let mut chars = raw.chars();
        while let Some(c) = chars.next() {
            match c {
                '\n' => {
                    lines.push(line.drain(..).collect::<String>());
                    column = 0;
                }
                '\r' => column = 0,
                '\x08' => column = column.saturating_sub(1),
                '\x07' => {}
                '\x1b' => {
                    if chars.next() != Some('[') {
                        continue;
                    }
                    let mut argument = String::new();
                    let end = chars.by_ref().find(|c| {
                        argument.push(*c);
                        matches!(c, '@'..='~')
                    });
                    let count = argument[..argument.len().saturating_sub(1)].parse().unwrap_or(1);
                    match end {
                        Some('C') => column += count,
                        Some('D') => column = column.saturating_sub(count),
                        Some('J' | 'K') => line.truncate(column),
                        _ => {}
                    }
                }
                c => {
                    line.resize(line.len().max(column + 1), ' ');
                    line[column] = c;
                    column += 1;
                }
            }
        }
        lines.push(line.into_iter().collect());
        lines.join("\n")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.repl.kill();
        let _ = self.repl.wait();
    }
}
