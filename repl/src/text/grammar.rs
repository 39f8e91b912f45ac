//! The grammar of terms, for both notations at once: they differ in atoms,
//! strings, numbers and in how a map begins, and agree on the rest.

use std::collections::HashMap;

use eetf::{Atom, Binary, ImproperList, List, Map, Term, Tuple};
use winnow::Parser;
use winnow::combinator::opt;
use winnow::stream::{Stateful, Stream};
use winnow::token::{literal, take_while};

use super::Notation;
use super::binary::binary;
use super::fault::{Fault, Input, Parsed, State, wrong, wrong_at};
use super::number::{character, integer, number};
use super::quoted::{self, Piece};
use super::rule::{enter, space};

/// The atoms that Elixir writes with symbols; longer ones first.
pub(super) const OPERATORS: &[&str] = &[
    "%{}", "<<>>", "<<<", ">>>", "<<~", "~>>", "<~>", "...", "===", "!==", "&&&", "|||", "^^^",
    "~~~", "+++", "---", "..//", "..", "{}", "==", "!=", "=~", "<=", ">=", "&&", "||", "<>", "++",
    "--", "|>", "<-", "->", "\\\\", "<~", "~>", "**", "%", "+", "-", "*", "/", "<", ">", "=", "!",
    "&", "|", "^", ".", "@",
];

/// A whole line: one term, and after it at most a full stop and a comment.
pub(super) fn line(text: &str, notation: Notation) -> Result<Term, Fault> {
    let mut i = Stateful { input: text, state: State { notation, depth: 0 } };
    whole(&mut i).map_err(|error| match error.into_inner() {
        Ok(wrong) => wrong.locate(text),
        Err(_) => {
            Fault { column: text.chars().count() + 1, message: "the line ends too early".into() }
        }
    })
}

fn whole(i: &mut Input<'_>) -> Parsed<Term> {
    space(i)?;
    let term = term(i)?;
    let before = i.eof_offset();
    space(i)?;
    let comment = match i.state.notation {
        Notation::Erlang => {
            opt(literal(".")).parse_next(i)?;
            '%'
        }
        Notation::Elixir => '#',
    };
    space(i)?;
    match i.peek_token() {
        None => Ok(term),
        // With white space before it, so that `37#1` is no 37.
        Some(c) if c == comment && i.eof_offset() < before => Ok(term),
        Some(_) => wrong(i, "the term ends before this"),
    }
}

/// One term, which begins right here.
pub(super) fn term(i: &mut Input<'_>) -> Parsed<Term> {
    let erlang = i.state.notation == Notation::Erlang;
    let mut ahead = i.input.chars();
    let (first, second) = (ahead.next(), ahead.next());
    let Some(first) = first else {
        return wrong(i, "a term is expected here");
    };
    match first {
        '{' => enter(i, tuple),
        '[' => enter(i, list),
        '<' if second == Some('<') => enter(i, |i| binary(i, term)),
        '#' if erlang && second == Some('{') => enter(i, map),
        '%' if !erlang && second == Some('{') => enter(i, map),
        '#' | '%' if second == Some('{') => {
            wrong(i, "a map begins with #{ in Erlang, with %{ in Elixir")
        }
        '-' | '+' | '0'..='9' => number(i),
        '$' if erlang => character(i).map(integer),
        '?' if !erlang => character(i).map(integer),
        '"' => string(i),
        '\'' => apostrophes(i),
        '~' if !erlang => sigil(i),
        ':' if !erlang => symbol(i),
        ':' => wrong(i, "an atom has no colon in Erlang"),
        c if c.is_alphabetic() || c == '_' => word(i),
        _ => wrong(i, "a term is expected here"),
    }
}

fn atom(name: impl Into<String>) -> Term {
    Term::from(Atom { name: name.into() })
}

/// A name without quotes: an atom in Erlang; nil, true, false or a module in Elixir.
fn word(i: &mut Input<'_>) -> Parsed<Term> {
    let start = i.eof_offset();
    let erlang = i.state.notation == Notation::Erlang;
    let mut name = name(i)?.to_owned();
    let capital = name.starts_with(|c: char| c.is_uppercase() || c == '_');
    if erlang {
        return if capital {
            wrong_at(start, format!("{name} is a variable in Erlang; as an atom it is '{name}'"))
        } else {
            Ok(atom(name))
        };
    }
    if matches!(name.as_str(), "nil" | "true" | "false") {
        return Ok(atom(name));
    }
    if !capital || name.starts_with('_') {
        return wrong_at(start, format!("{name} is a variable in Elixir; the atom is :{name}"));
    }
    while i.input.starts_with('.') && i.input[1..].starts_with(|c: char| c.is_ascii_uppercase()) {
        i.next_token();
        name.push('.');
        name.push_str(self::name(i)?);
    }
    Ok(atom(format!("Elixir.{name}")))
}

fn name<'i>(i: &mut Input<'i>) -> Parsed<&'i str> {
    take_while(1.., |c: char| c.is_alphanumeric() || c == '_' || c == '@').parse_next(i)
}

/// An atom with its colon, in Elixir.
fn symbol(i: &mut Input<'_>) -> Parsed<Term> {
    literal(":").parse_next(i)?;
    let start = i.eof_offset();
    if opt(literal("\"")).parse_next(i)?.is_some() {
        let pieces = quoted::until(i, '"')?;
        return quoted::string(start, &pieces).map(atom);
    }
    match symbol_name(i)? {
        Some(name) => Ok(atom(name)),
        None => wrong(i, "an atom's name is expected after the colon"),
    }
}

/// A name as it stands after an atom's colon, or before a key's.
fn symbol_name<'i>(i: &mut Input<'i>) -> Parsed<Option<&'i str>> {
    if i.input.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        let plain = i
            .input
            .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '@'))
            .unwrap_or(i.input.len());
        let mark = usize::from(i.input[plain..].starts_with(['?', '!']));
        return Ok(Some(i.next_slice(plain + mark)));
    }
    let operator = OPERATORS.iter().find(|operator| i.input.starts_with(**operator));
    Ok(operator.map(|operator| i.next_slice(operator.len())))
}

/// A key with its colon: `a: 1`, `"a b": 1`. Nothing is read if there is none.
fn key(i: &mut Input<'_>) -> Parsed<Option<Term>> {
    if i.state.notation == Notation::Erlang {
        return Ok(None);
    }
    let start = i.checkpoint();
    let left = i.eof_offset();
    let name = if opt(literal("\"")).parse_next(i)?.is_some() {
        // A string that is no key may be a fault of its own: told when it is read as one.
        quoted::until(i, '"').and_then(|pieces| quoted::string(left, &pieces)).ok()
    } else {
        symbol_name(i)?.map(str::to_owned)
    };
    let colon = i.input.starts_with(':') && !i.input.starts_with("::");
    match name {
        Some(name) if colon => {
            i.next_token();
            Ok(Some(atom(name)))
        }
        _ => {
            i.reset(&start);
            Ok(None)
        }
    }
}

/// What stands between brackets: terms, and after them pairs with keys.
#[derive(Default)]
struct Items {
    plain: Vec<Term>,
    keyed: Vec<(Term, Term)>,
    /// They ended with a `|`: a tail follows.
    tail: bool,
}

impl Items {
    /// The keys as a list of pairs.
    fn pairs(keyed: Vec<(Term, Term)>) -> Vec<Term> {
        keyed
            .into_iter()
            .map(|(key, value)| Term::from(Tuple { elements: vec![key, value] }))
            .collect()
    }
}

/// Items up to `end`, or up to the `|` of a list.
fn items(i: &mut Input<'_>, end: char) -> Parsed<Items> {
    let mut items = Items::default();
    space(i)?;
    if i.peek_token() == Some(end) {
        i.next_token();
        return Ok(items);
    }
    loop {
        space(i)?;
        if let Some(key) = key(i)? {
            space(i)?;
            items.keyed.push((key, term(i)?));
        } else if items.keyed.is_empty() {
            items.plain.push(term(i)?);
        } else {
            return wrong(i, "after a key with a colon, only such keys may follow");
        }
        space(i)?;
        match i.peek_token() {
            Some(',') => {
                i.next_token();
            }
            Some(c) if c == end => {
                i.next_token();
                return Ok(items);
            }
            Some('|') if end == ']' => {
                i.next_token();
                items.tail = true;
                return Ok(items);
            }
            _ => return wrong(i, format!("`,` or `{end}` is expected here")),
        }
    }
}

fn tuple(i: &mut Input<'_>) -> Parsed<Term> {
    literal("{").parse_next(i)?;
    let Items { plain: mut elements, keyed, .. } = items(i, '}')?;
    if !keyed.is_empty() {
        elements.push(Term::from(List { elements: Items::pairs(keyed) }));
    }
    Ok(Term::from(Tuple { elements }))
}

fn list(i: &mut Input<'_>) -> Parsed<Term> {
    literal("[").parse_next(i)?;
    let Items { plain: mut elements, keyed, tail } = items(i, ']')?;
    elements.extend(Items::pairs(keyed));
    if !tail {
        return Ok(Term::from(List { elements }));
    }
    space(i)?;
    let tail = term(i)?;
    space(i)?;
    if opt(literal("]")).parse_next(i)?.is_none() {
        return wrong(i, "`]` is expected here: a list has one tail");
    }
    Ok(with_tail(elements, tail))
}

/// A list of `elements` that goes on as `tail`.
fn with_tail(mut elements: Vec<Term>, tail: Term) -> Term {
    match tail {
        Term::List(more) => {
            elements.extend(more.elements);
            Term::from(List { elements })
        }
        Term::ImproperList(more) => {
            elements.extend(more.elements);
            Term::from(ImproperList { elements, last: more.last })
        }
        last => Term::from(ImproperList { elements, last: Box::new(last) }),
    }
}

fn map(i: &mut Input<'_>) -> Parsed<Term> {
    i.next_slice(2);
    let mut map = HashMap::new();
    space(i)?;
    if opt(literal("}")).parse_next(i)?.is_some() {
        return Ok(Term::from(Map { map }));
    }
    loop {
        space(i)?;
        // Keys with a colon may stand before others, which Elixir itself wants the other way round.
        let left = match key(i)? {
            Some(key) => key,
            None => {
                let key = term(i)?;
                space(i)?;
                if opt(literal("=>")).parse_next(i)?.is_none() {
                    return wrong(i, "`=>` is expected here");
                }
                key
            }
        };
        space(i)?;
        let right = term(i)?;
        map.insert(left, right);
        space(i)?;
        match i.peek_token() {
            Some(',') => i.next_token(),
            Some('}') => {
                i.next_token();
                return Ok(Term::from(Map { map }));
            }
            _ => return wrong(i, "`,` or `}` is expected here"),
        };
    }
}

/// `"text"`: a list of characters in Erlang, a binary in Elixir.
fn string(i: &mut Input<'_>) -> Parsed<Term> {
    let start = i.eof_offset();
    literal("\"").parse_next(i)?;
    let mut pieces = quoted::until(i, '"')?;
    if i.state.notation == Notation::Elixir {
        return Ok(Term::from(Binary { bytes: quoted::bytes(start, &pieces)? }));
    }
    // Strings that follow each other are one.
    loop {
        let after = i.checkpoint();
        space(i)?;
        if opt(literal("\"")).parse_next(i)?.is_none() {
            i.reset(&after);
            return Ok(characters(&pieces));
        }
        pieces.extend(quoted::until(i, '"')?);
    }
}

/// A list of characters.
fn characters(pieces: &[Piece]) -> Term {
    let code = |piece: &Piece| match *piece {
        Piece::Code(code) => integer(code.into()),
        Piece::Byte(byte) => integer(byte.into()),
    };
    Term::from(List { elements: pieces.iter().map(code).collect() })
}

/// `'text'`: an atom in Erlang, a list of characters in Elixir.
fn apostrophes(i: &mut Input<'_>) -> Parsed<Term> {
    let start = i.eof_offset();
    literal("'").parse_next(i)?;
    let pieces = quoted::until(i, '\'')?;
    match i.state.notation {
        Notation::Erlang => quoted::string(start, &pieces).map(atom),
        Notation::Elixir => Ok(characters(&pieces)),
    }
}

/// `~c"text"`: a list of characters.
fn sigil(i: &mut Input<'_>) -> Parsed<Term> {
    if opt(literal("~c\"")).parse_next(i)?.is_none() {
        return wrong(i, "of Elixir's sigils, only ~c\"text\" is a term");
    }
    let pieces = quoted::until(i, '"')?;
    Ok(characters(&pieces))
}
