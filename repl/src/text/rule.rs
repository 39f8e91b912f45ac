//! What all rules of the grammar stand on.

use winnow::Parser;
use winnow::token::take_while;

use super::fault::{Input, Parsed, wrong};

/// How deep terms may lie in each other. The port program takes 8; this is
/// only so that no line ends the REPL.
const DEEPEST: usize = 200;

/// A rule: reads what it is for from the beginning of the text.
pub(super) type Rule<'i, T> = fn(&mut Input<'i>) -> Parsed<T>;

/// White space, if there is any.
pub(super) fn space(i: &mut Input<'_>) -> Parsed<()> {
    take_while(0.., char::is_whitespace).void().parse_next(i)
}

/// Runs a rule one level further in.
pub(super) fn enter<'i, T>(i: &mut Input<'i>, rule: Rule<'i, T>) -> Parsed<T> {
    if i.state.depth == DEEPEST {
        return wrong(i, format!("terms lie at most {DEEPEST} deep in each other here"));
    }
    i.state.depth += 1;
    let result = rule(i);
    i.state.depth -= 1;
    result
}
