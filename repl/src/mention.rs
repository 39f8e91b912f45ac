//! Descriptors of the REPL in a request: `{fd, "#3"}` names #3, and is sent as `{fd, Key}` after the
//! descriptor itself.

use eetf::{Atom, FixInteger, List, Term, Tuple};
use num_bigint::BigInt;

use super::text::integer;

/// A descriptor that a request names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Mention {
    /// Its number, as `:fds` shows it.
    pub number: u32,
    /// What the request calls it.
    pub key: u64,
}

/// The request with a key in the place of each `"#N"` after `fd`, counted up from `next`, and what
/// they stand for. The program forgets a key once it is used: so each mention has one of its own.
pub fn resolve(request: Term, next: &mut u64) -> (Term, Vec<Mention>) {
    let mut mentions = Vec::new();
    let term = resolved(request, next, &mut mentions);
    (term, mentions)
}

fn resolved(term: Term, next: &mut u64, mentions: &mut Vec<Mention>) -> Term {
    let mut all = |elements: Vec<Term>| -> Vec<Term> {
        elements.into_iter().map(|element| resolved(element, next, mentions)).collect()
    };
    match term {
        Term::Tuple(Tuple { elements }) => match named(&elements) {
            Some(number) => {
                let key = *next;
                *next += 1;
                mentions.push(Mention { number, key });
                let key = integer(BigInt::from(key));
                Term::from(Tuple { elements: vec![Term::from(Atom::from("fd")), key] })
            }
            None => Term::from(Tuple { elements: all(elements) }),
        },
        Term::List(List { elements }) => Term::from(List { elements: all(elements) }),
        other => other,
    }
}

/// The number in `{fd, "#N"}`.
fn named(elements: &[Term]) -> Option<u32> {
    match elements {
        [Term::Atom(Atom { name }), text] if name == "fd" => {
            let text = String::from_utf8(bytes(text)?).ok()?;
            text.strip_prefix('#')?.parse().ok()
        }
        _ => None,
    }
}

/// What a string is in either notation.
fn bytes(term: &Term) -> Option<Vec<u8>> {
    let byte = |element: &Term| match element {
        Term::FixInteger(FixInteger { value }) => u8::try_from(*value).ok(),
        _ => None,
    };
    match term {
        Term::Binary(binary) => Some(binary.bytes.clone()),
        Term::List(list) => list.elements.iter().map(byte).collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::{Notation, parse_as, print};
    use super::*;

    fn resolved_line(line: &str, notation: Notation) -> (String, Vec<(u32, u64)>) {
        let (term, mentions) = resolve(parse_as(line, notation).unwrap(), &mut 7);
        let mentions = mentions.iter().map(|it| (it.number, it.key)).collect();
        (print(&term, notation), mentions)
    }

    #[test]
    fn each_mention_has_a_key_of_its_own_in_either_notation() {
        for (notation, line, sent) in [
            (
                Notation::Erlang,
                "{open_many,[{{fd,\"#3\"},0},{{fd,<<\"#3\">>},netns},{new,0}]}",
                "{open_many,[{{fd,7},0},{{fd,8},netns},{new,0}]}",
            ),
            (
                Notation::Elixir,
                "{:open_many, [{{:fd, \"#3\"}, 0}, {{:fd, ~c\"#3\"}, :netns}, {:new, 0}]}",
                "{:open_many, [{{:fd, 7}, 0}, {{:fd, 8}, :netns}, {:new, 0}]}",
            ),
        ] {
            assert_eq!(resolved_line(line, notation), (sent.to_owned(), vec![(3, 7), (3, 8)]));
        }
    }

    #[test]
    fn everything_else_is_sent_as_it_is() {
        for line in [
            "{open_in_netns,{fd,3},0}",
            "{open_in_netns,{fd,\"#\"},0}",
            "{open_in_netns,{fd,\"3\"},0}",
            "{open_in_netns,\"#3\",0}",
            "{open_in_netns,{pid,\"#3\"},0}",
            "{1,{fd,<<\"#x\">>,0}}",
        ] {
            assert_eq!(resolved_line(line, Notation::Erlang), (line.to_owned(), vec![]), "{line}");
        }
    }
}
