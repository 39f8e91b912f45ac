//! Terms as people write them, in Erlang's notation and in Elixir's.
//!
//! A line is read in both notations. Mostly only one of them fits; where both
//! do (`{1, true}`), the one that the session used last decides, and its
//! meaning counts: `"a"` is a list in Erlang and a binary in Elixir. Where
//! none fits, the notation that got further says what is wrong.

mod binary;
mod fault;
mod grammar;
mod number;
mod print;
mod quoted;
mod rule;

pub use fault::Fault;
pub use number::integer;
pub use print::print;

use eetf::Term;

/// How a term is written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Notation {
    /// `{open_in_netns, <<"/run/netns/blue">>, 0}`
    #[default]
    Erlang,
    /// `{:open_in_netns, "/run/netns/blue", 0}`
    Elixir,
}

impl Notation {
    /// The other one.
    ///
    /// ```
    /// use linx_netlink_repl::text::Notation;
    ///
    /// assert_eq!(Notation::Erlang.other(), Notation::Elixir);
    /// ```
    pub fn other(self) -> Self {
        match self {
            Self::Erlang => Self::Elixir,
            Self::Elixir => Self::Erlang,
        }
    }
}

/// Reads one term, in `usual` notation or the other one.
///
/// # Errors
///
/// What is wrong, and where, when the text is a term in neither notation.
///
/// ```
/// use linx_netlink_repl::text::{Notation, parse};
///
/// let (_, notation) = parse("{1, :info}", Notation::Erlang)?;
/// assert_eq!(notation, Notation::Elixir);
/// assert_eq!(parse("{1, info", Notation::Erlang).unwrap_err().column, 9);
/// # Ok::<(), linx_netlink_repl::text::Fault>(())
/// ```
pub fn parse(text: &str, usual: Notation) -> Result<(Term, Notation), Fault> {
    let fault = match parse_as(text, usual) {
        Ok(term) => return Ok((term, usual)),
        Err(fault) => fault,
    };
    match parse_as(text, usual.other()) {
        Ok(term) => Ok((term, usual.other())),
        Err(other) if other.column > fault.column => Err(other),
        Err(_) => Err(fault),
    }
}

/// Reads one term in one notation.
///
/// # Errors
///
/// What is wrong, and where.
///
/// ```
/// use linx_netlink_repl::text::{Notation, parse_as};
///
/// assert!(parse_as("{1, :info}", Notation::Elixir).is_ok());
/// assert!(parse_as("{1, :info}", Notation::Erlang).is_err());
/// ```
pub fn parse_as(text: &str, notation: Notation) -> Result<Term, Fault> {
    grammar::line(text, notation)
}

#[cfg(test)]
mod tests;
