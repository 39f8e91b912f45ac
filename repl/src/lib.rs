//! The REPL: tries the port program by hand, over its real wire.
//!
//! `text` reads and prints terms, `etf` turns them into bytes, `hexview` shows
//! the bytes; `program` is the port program that runs, `session` what goes on
//! between it and the user, `answer` what an answer says, `mention` the descriptors in a request; `command` and
//! `actions` are the lines that begin with a colon, `kernel` what they ask;
//! `editor` and `completion` are the terminal's side, `spelling` is names that come from there.

#![deny(unsafe_code, unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]
#![deny(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used)]
#![warn(missing_debug_implementations, missing_docs)]

mod actions;
mod answer;
mod args;
mod command;
mod completion;
mod editor;
pub mod etf;
pub mod hexview;
mod interrupt;
mod kernel;
mod mention;
mod out;
mod program;
mod session;
mod spelling;
pub mod text;

use std::io::{BufRead, IsTerminal, stdin, stdout};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::Args;
use editor::{Entry, LineEditor};
use interrupt::Interrupts;
use out::{Out, Tone};
use session::{Outcome, Session, Settings};

/// The longest line that is read from stdin: enough for the largest frame,
/// and what would be refused beyond it, written byte by byte.
const LONGEST: u64 = 64 << 20;

/// Runs the REPL on the process's own arguments and streams.
///
/// ```standalone_crate
/// use std::process::{Command, ExitCode};
///
/// fn main() -> ExitCode {
///     if std::env::args().count() > 1 {
///         return linx_netlink_repl::run();
///     }
///     let again = std::env::current_exe().expect("this program");
///     let said = Command::new(again).args(["--completion", "bash"]).output().expect("it runs");
///     assert!(said.status.success());
///     assert!(String::from_utf8_lossy(&said.stdout).contains("--keep-going"));
///     ExitCode::SUCCESS
/// }
/// ```
pub fn run() -> ExitCode {
    let args = Args::parse();
    if let Some(shell) = args.completion {
        clap_complete::generate(shell, &mut Args::command(), "linx-netlink-repl", &mut stdout());
        return ExitCode::SUCCESS;
    }
    let interactive = args.lines.is_empty() && stdin().is_terminal();
    let settings = Settings {
        start: args.start(),
        patience: args.timeout,
        interactive,
        goes_on: interactive || args.keep_going,
    };
    let mut out = Out::new();
    let interrupts = match interactive.then(Interrupts::take_over).transpose() {
        Ok(interrupts) => interrupts,
        Err(error) => {
            out.fault(format_args!("Ctrl-C can't be watched for: {error}"));
            None
        }
    };
    let mut session = Session::new(settings, out, interrupts);
    let good = if interactive { converse(session) } else { script(&mut session, &args) };
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// With a person at a terminal.
fn converse(mut session: Session) -> bool {
    let mut out = Out::new();
    let mut editor = match LineEditor::new(out.coloured()) {
        Ok(editor) => editor,
        Err(error) => {
            out.fault(format_args!("this terminal can't be used: {error}"));
            return false;
        }
    };
    out.line_in(Tone::Faint, "Terms are requests, :help lists the commands, Ctrl-D ends.");
    session.begin();
    loop {
        match editor.read() {
            Ok(Entry::Line(line)) => {
                if session.line(&line) == Outcome::Quit {
                    return true;
                }
            }
            Ok(Entry::Dropped) => {}
            Ok(Entry::End) => return true,
            Err(error) => {
                out.fault(format_args!("the terminal fails: {error}"));
                return false;
            }
        }
    }
}

/// Lines from the arguments or from stdin.
fn script(session: &mut Session, args: &Args) -> bool {
    let mut good = session.begin() == Outcome::Done;
    if !good && !args.keep_going {
        return false;
    }
    let given = args.lines.iter().map(|line| Ok(line.clone()));
    let lines: Box<dyn Iterator<Item = std::io::Result<String>>> =
        if args.lines.is_empty() { Box::new(read_lines()) } else { Box::new(given) };
    for line in lines {
        let outcome = match line {
            Ok(line) => session.line(&line),
            Err(error) => {
                Out::new().fault(format_args!("stdin can't be read: {error}"));
                return false;
            }
        };
        match outcome {
            Outcome::Done => {}
            Outcome::Quit => break,
            Outcome::Failed => good = false,
        }
        if !good && !args.keep_going {
            break;
        }
    }
    good
}

/// The lines of stdin.
fn read_lines() -> impl Iterator<Item = std::io::Result<String>> {
    let mut input = stdin().lock();
    std::iter::from_fn(move || {
        let mut line = String::new();
        match std::io::Read::take(&mut input, LONGEST).read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(Ok(line.trim_end_matches(['\n', '\r']).to_owned())),
            Err(error) => Some(Err(error)),
        }
    })
}
