//! Terms that look like requests: what is understood is what was said.

#![no_main]

use arbitrary::Arbitrary;
use eetf::{Atom, BigInteger, Binary, ByteList, FixInteger, List, Map, Term, Tuple};
use libfuzzer_sys::fuzz_target;
use linx_netlink_port::wire::{Malformed, OPTIONS, Request, read_request};

/// A term, with the words of the protocol among its atoms.
#[derive(Arbitrary, Debug)]
enum Word {
    Known(u8),
    Atom(String),
    Integer(i32),
    Large(u64),
    Bytes(Vec<u8>),
    String(Vec<u8>),
    List(Vec<Word>),
    Tuple(Vec<Word>),
    Map(Vec<(Word, Word)>),
}

const KNOWN: [&str; 10] =
    ["open_in_netns", "open_many", "info", "pid", "fd", "new", "user", "netns", "true", "false"];

/// A word of the protocol: each number is one.
fn known(number: u8) -> &'static str {
    let number = usize::from(number) % (KNOWN.len() + OPTIONS.len());
    match KNOWN.get(number) {
        Some(word) => word,
        None => OPTIONS[number - KNOWN.len()].name,
    }
}

fn term(word: Word) -> Term {
    let terms = |words: Vec<Word>| words.into_iter().map(term).collect::<Vec<_>>();
    match word {
        Word::Known(index) => Atom::from(known(index)).into(),
        Word::Atom(name) => Atom::from(name).into(),
        Word::Integer(value) => FixInteger::from(value).into(),
        Word::Large(value) => BigInteger::from(value).into(),
        Word::Bytes(bytes) => Binary::from(bytes).into(),
        Word::String(bytes) => ByteList::from(bytes).into(),
        Word::List(words) => List::from(terms(words)).into(),
        Word::Tuple(words) => Tuple::from(terms(words)).into(),
        Word::Map(pairs) => {
            let pairs = pairs.into_iter().map(|(key, value)| (term(key), term(value)));
            Map::from(pairs.collect::<std::collections::HashMap<_, _>>()).into()
        }
    }
}

fuzz_target!(|input: (u64, Word)| {
    let (id, command) = input;
    let request: Term = Tuple::from(vec![BigInteger::from(id).into(), term(command)]).into();
    let mut frame = Vec::new();
    if request.encode(&mut frame).is_err() {
        return;
    }
    let answered = match read_request(&frame) {
        Ok(Request { id, .. }) | Err(Malformed::BadArgument { id, .. }) => Some(id),
        Err(Malformed::Anonymous(_)) => None,
    };
    assert_eq!(answered, Some(id), "an id that can be read is answered");
});
