//! Small steps between `eetf` terms and plain values.

use super::shape::Checked;
use eetf::{Atom, BigInteger, FixInteger, List, Term, Tuple};

/// The most terms that are decoded in one piece. A term takes 56 bytes in `eetf`, a map of one
/// pair some 500, so that the worst piece stays below 3 MiB.
const MAX_TERMS: usize = 16_384;

/// Decodes a term whose shape is known to be harmless.
pub fn decode(checked: Checked<'_>) -> Result<Term, String> {
    if checked.terms() > MAX_TERMS {
        return Err(format!("an argument has at most {MAX_TERMS} terms"));
    }
    // Not in the decoder's words, which may repeat the client's.
    Term::decode(&checked.for_decoder()[..]).map_err(|_| "a term that can't be decoded".into())
}

pub fn atom(term: &Term) -> Option<&str> {
    match term {
        Term::Atom(atom) => Some(&atom.name),
        _ => None,
    }
}

pub fn integer(term: &Term) -> Option<i128> {
    match term {
        Term::FixInteger(integer) => Some(integer.value.into()),
        Term::BigInteger(integer) => (&integer.value).try_into().ok(),
        _ => None,
    }
}

pub fn binary(term: &Term) -> Option<&[u8]> {
    match term {
        Term::Binary(binary) => Some(&binary.bytes),
        _ => None,
    }
}

/// The integers of a proper list, which is a string on the wire if all of them fit into bytes.
pub fn integers<T: From<u8> + TryFrom<i128>>(term: &Term) -> Option<Vec<T>> {
    match term {
        Term::ByteList(list) => Some(list.bytes.iter().map(|&byte| byte.into()).collect()),
        Term::List(list) => list.elements.iter().map(|it| integer(it)?.try_into().ok()).collect(),
        _ => None,
    }
}

/// The bytes of a binary or of a list of bytes. A list is not decoded, since it may be long.
pub fn bytes(checked: Checked<'_>) -> Result<Option<Vec<u8>>, String> {
    if let Some(mut list) = checked.list() {
        let bytes = list.by_ref().map(|it| it.unsigned()?.try_into().ok()).collect();
        return Ok(bytes).map(|bytes: Option<_>| bytes.filter(|_| list.is_proper()));
    }
    Ok(match decode(checked)? {
        Term::Binary(binary) => Some(binary.bytes),
        Term::ByteList(list) => Some(list.bytes),
        // The empty list, which is no LIST on the wire.
        Term::List(_) => Some(Vec::new()),
        _ => None,
    })
}

pub fn new_atom(name: &str) -> Term {
    Atom::from(name).into()
}

pub fn new_boolean(value: bool) -> Term {
    new_atom(if value { "true" } else { "false" })
}

pub fn new_tuple<const N: usize>(elements: [Term; N]) -> Term {
    Tuple::from(Vec::from(elements)).into()
}

pub fn new_list(elements: impl Iterator<Item = Term>) -> Term {
    List::from(elements.collect::<Vec<_>>()).into()
}

pub fn new_integer(value: u64) -> Term {
    match i32::try_from(value) {
        Ok(value) => FixInteger::from(value).into(),
        Err(_) => BigInteger::from(value).into(),
    }
}

/// What an answer may repeat of a client's words: printable, and in at most 64 bytes.
pub fn repeatable(words: &str) -> String {
    const MOST: usize = 64;
    let mut repeated = String::new();
    for part in words.chars().map(|it| it.escape_debug().to_string()) {
        if repeated.len() + part.len() > MOST - '…'.len_utf8() {
            return repeated + "…";
        }
        repeated += &part;
    }
    repeated
}
