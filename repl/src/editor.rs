//! Lines from a terminal: editing, history, completion.

use std::borrow::Cow;
use std::env;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use super::completion;

const PROMPT: &str = "linx> ";
/// Lines that are remembered.
const HISTORY: usize = 10_000;

/// What came from the terminal.
#[derive(Debug)]
pub enum Entry {
    /// A line.
    Line(String),
    /// Ctrl-C: the line was dropped.
    Dropped,
    /// Ctrl-D: no more lines.
    End,
}

/// The line editor.
pub struct LineEditor {
    editor: Editor<Completion, FileHistory>,
    history: Option<PathBuf>,
}

impl LineEditor {
    /// An editor that knows the lines of earlier sessions.
    ///
    /// # Errors
    ///
    /// When the terminal can't be used.
    pub fn new(coloured: bool) -> io::Result<Self> {
        let config = Config::builder()
            .max_history_size(HISTORY)
            .and_then(|config| config.history_ignore_dups(true))
            .map_err(io::Error::other)?
            .history_ignore_space(true)
            .completion_type(CompletionType::List)
            .build();
        let mut editor = Editor::with_config(config).map_err(io::Error::other)?;
        editor.set_helper(Some(Completion { coloured }));
        let history = history_file();
        if let Some(file) = &history {
            // There is none before the first session.
            let _ = editor.load_history(file);
        }
        Ok(Self { editor, history })
    }

    /// The next line.
    ///
    /// # Errors
    ///
    /// When the terminal fails.
    pub fn read(&mut self) -> io::Result<Entry> {
        let line = loop {
            match self.editor.readline(PROMPT) {
                Ok(line) => break line,
                Err(ReadlineError::Interrupted) => return Ok(Entry::Dropped),
                Err(ReadlineError::Eof) => return Ok(Entry::End),
                Err(ReadlineError::Signal(_)) => {}
                Err(ReadlineError::Io(error)) => return Err(error),
                Err(error) => return Err(io::Error::other(error)),
            }
        };
        let kept = !line.trim().is_empty()
            && self.editor.add_history_entry(line.as_str()).unwrap_or(false);
        if let (true, Some(file)) = (kept, &self.history) {
            // A session without a history is better than none.
            let _ = self.editor.append_history(file);
        }
        Ok(Entry::Line(line))
    }
}

/// Where the history is kept: in the user's state directory, nobody else's to read.
fn history_file() -> Option<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))?;
    let directory = state.join("linx-netlink-port");
    DirBuilder::new().recursive(true).mode(0o700).create(&directory).ok()?;
    Some(directory.join("history"))
}

/// What Tab does, and how the prompt looks.
struct Completion {
    coloured: bool,
}

impl Helper for Completion {}
impl Validator for Completion {}

impl Hinter for Completion {
    type Hint = String;
}

impl Highlighter for Completion {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        if self.coloured {
            Cow::Owned(format!("\x1b[1;36m{prompt}\x1b[0m"))
        } else {
            Cow::Borrowed(prompt)
        }
    }
}

impl Completer for Completion {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(completion::complete(&line[..at]))
    }
}
