//! Integers in any base and of any size, floats, and characters as integers.

use eetf::{BigInteger, FixInteger, Float, Term};
use num_bigint::BigInt;
use winnow::Parser;
use winnow::combinator::{opt, preceded};
use winnow::stream::Stream;
use winnow::token::{literal, one_of, take_while};

use super::Notation;
use super::fault::{Input, Parsed, wrong, wrong_at};
use super::quoted::{self, Piece};

/// The term of an integer, in the smaller of the two forms it can have.
///
/// ```
/// use eetf::{FixInteger, Term};
/// use linx_netlink_repl::text::integer;
///
/// assert_eq!(integer(7.into()), Term::from(FixInteger::from(7)));
/// ```
pub fn integer(value: BigInt) -> Term {
    match i32::try_from(&value) {
        Ok(value) => Term::from(FixInteger { value }),
        Err(_) => Term::from(BigInteger { value }),
    }
}

/// A number, with a sign or without: `-16#ff`, `0xff`, `1_000`, `1.5e-3`.
pub(super) fn number(i: &mut Input<'_>) -> Parsed<Term> {
    let negative = opt(one_of(['-', '+'])).parse_next(i)? == Some('-');
    let start = i.eof_offset();
    if matches!(i.peek_token(), Some('$' | '?')) {
        let value = character(i)?;
        return Ok(integer(if negative { -value } else { value }));
    }
    let whole = digits(i, 10)?;
    if let Some(fraction) = fraction(i)? {
        let sign = if negative { "-" } else { "" };
        return match format!("{sign}{whole}.{fraction}").parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Term::from(Float { value })),
            _ => wrong_at(start, "this float is too large"),
        };
    }
    let value = match based(i, &whole, start)? {
        Some(value) => value,
        None => big(&whole, 10, start)?,
    };
    match i.peek_token() {
        Some(c) if c.is_alphanumeric() || c == '_' => wrong(i, format!("{c} is no digit here")),
        _ => Ok(integer(if negative { -value } else { value })),
    }
}

/// `$a` in Erlang, `?a` in Elixir.
pub(super) fn character(i: &mut Input<'_>) -> Parsed<BigInt> {
    let sign = if i.state.notation == Notation::Erlang { '$' } else { '?' };
    if opt(one_of(sign)).parse_next(i)?.is_none() {
        return wrong(i, format!("a character is written {sign}a"));
    }
    match quoted::piece(i)? {
        Some(Piece::Code(code)) => Ok(BigInt::from(code)),
        Some(Piece::Byte(byte)) => Ok(BigInt::from(byte)),
        None => wrong(i, format!("a character is expected after {sign}")),
    }
}

/// `.5e-3`, if it follows.
fn fraction(i: &mut Input<'_>) -> Parsed<Option<String>> {
    let mut rest = i.input.chars();
    if rest.next() != Some('.') || !rest.next().is_some_and(|c| c.is_ascii_digit()) {
        return Ok(None);
    }
    i.next_token();
    let mut text = digits(i, 10)?;
    let exponent = opt(preceded(one_of(['e', 'E']), opt(one_of(['-', '+'])))).parse_next(i)?;
    if let Some(sign) = exponent {
        text.push('e');
        text.extend(sign);
        text.push_str(&digits(i, 10)?);
    }
    Ok(Some(text))
}

/// What follows a base: `#ff` after 16, `xff` after 0.
fn based(i: &mut Input<'_>, whole: &str, start: usize) -> Parsed<Option<BigInt>> {
    let base = match i.state.notation {
        Notation::Erlang if i.input.starts_with('#') => {
            let Some(base) = whole.parse().ok().filter(|b| (2..=36).contains(b)) else {
                return wrong_at(start, "a base is 2 to 36");
            };
            literal("#").parse_next(i)?;
            base
        }
        Notation::Elixir if whole == "0" => match opt(one_of(['x', 'o', 'b'])).parse_next(i)? {
            Some('x') => 16,
            Some('o') => 8,
            Some(_) => 2,
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    let at = i.eof_offset();
    let text = digits(i, base)?;
    big(&text, base, at).map(Some)
}

/// One digit or more, with single underscores between them, which are dropped.
fn digits(i: &mut Input<'_>, base: u32) -> Parsed<String> {
    let start = i.eof_offset();
    let text = take_while(0.., |c: char| c.is_digit(base) || c == '_').parse_next(i)?;
    if text.is_empty() {
        return wrong(i, format!("a digit of base {base} is expected here"));
    }
    if text.starts_with('_') || text.ends_with('_') || text.contains("__") {
        return wrong_at(start, "an underscore stands between two digits");
    }
    Ok(text.replace('_', ""))
}

fn big(text: &str, base: u32, start: usize) -> Parsed<BigInt> {
    match BigInt::parse_bytes(text.as_bytes(), base) {
        Some(value) => Ok(value),
        None => wrong_at(start, "this is no number"),
    }
}
