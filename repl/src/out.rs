//! Where the REPL prints: answers on stdout, faults on stderr, colours on
//! terminals only.

use std::env;
use std::fmt::Display;
use std::io::{IsTerminal, Write, stderr, stdout};

/// What a text is, for its colour.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tone {
    /// A fault.
    Bad,
    /// Less important than the rest.
    Faint,
    /// More important than the rest.
    Strong,
}

/// The two streams.
#[derive(Debug)]
pub struct Out {
    colours: (bool, bool),
    closed: bool,
}

impl Out {
    /// Colours where a terminal is and nobody objects.
    pub fn new() -> Self {
        let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        let wanted = !set("NO_COLOR") && env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self {
            colours: (wanted && stdout().is_terminal(), wanted && stderr().is_terminal()),
            closed: false,
        }
    }

    /// Whether nobody reads stdout any more.
    pub fn closed(&self) -> bool {
        self.closed
    }

    /// Whether stdout gets colours.
    pub fn coloured(&self) -> bool {
        self.colours.0
    }

    /// The text, in its colour if stdout gets any.
    pub fn toned(&self, tone: Tone, text: impl Display) -> String {
        painted(self.colours.0, tone, &text)
    }

    /// A line of an answer.
    pub fn line(&mut self, text: impl Display) {
        let mut out = stdout().lock();
        if writeln!(out, "{text}").and_then(|()| out.flush()).is_err() {
            self.closed = true;
        }
    }

    /// A line of an answer, in a colour.
    pub fn line_in(&mut self, tone: Tone, text: impl Display) {
        let text = self.toned(tone, text);
        self.line(text);
    }

    /// A line about a fault.
    pub fn fault(&mut self, text: impl Display) {
        let text = painted(self.colours.1, Tone::Bad, &text);
        // There is nowhere to say that stderr is gone.
        let _ = writeln!(stderr().lock(), "{text}");
    }
}

impl Default for Out {
    fn default() -> Self {
        Self::new()
    }
}

fn painted(coloured: bool, tone: Tone, text: &dyn Display) -> String {
    let code = match tone {
        Tone::Bad => "31",
        Tone::Faint => "2",
        Tone::Strong => "1",
    };
    if coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
}
