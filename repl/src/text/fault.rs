//! What is wrong with a line, and where.

use std::borrow::Cow;
use std::fmt;

use winnow::error::{ErrMode, ParserError};
use winnow::stream::{Stateful, Stream};

use super::Notation;

/// A line that is no term: the column (in characters, from 1) and the reason.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// The character that is at fault, counted from 1.
    pub column: usize,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.column, self.message)
    }
}

impl std::error::Error for Fault {}

/// What the grammar carries along: the notation, and how deep it is in.
#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    pub notation: Notation,
    pub depth: usize,
}

/// The text that is still to be read.
pub(super) type Input<'i> = Stateful<&'i str, State>;

/// What every rule of the grammar returns.
pub(super) type Parsed<T> = Result<T, ErrMode<Wrong>>;

/// A fault while parsing: its place is told by what was left to read.
#[derive(Clone, Debug)]
pub(super) struct Wrong {
    left: usize,
    message: Cow<'static, str>,
}

impl Wrong {
    /// The fault as a person wants it, of the line that it was found in.
    pub fn locate(self, line: &str) -> Fault {
        let at = line.len().saturating_sub(self.left);
        let before = line.char_indices().take_while(|(i, _)| *i < at).count();
        Fault { column: before + 1, message: self.message.into_owned() }
    }
}

impl<'i> ParserError<Input<'i>> for Wrong {
    type Inner = Self;

    fn from_input(input: &Input<'i>) -> Self {
        Self { left: input.eof_offset(), message: Cow::Borrowed("this can't be read") }
    }

    fn into_inner(self) -> Result<Self, Self> {
        Ok(self)
    }
}

/// Gives up, at what comes next in `i`.
pub(super) fn wrong<T>(i: &Input<'_>, message: impl Into<Cow<'static, str>>) -> Parsed<T> {
    wrong_at(i.eof_offset(), message)
}

/// Gives up, at the place where `left` bytes were left to read.
pub(super) fn wrong_at<T>(left: usize, message: impl Into<Cow<'static, str>>) -> Parsed<T> {
    Err(ErrMode::Cut(Wrong { left, message: message.into() }))
}
