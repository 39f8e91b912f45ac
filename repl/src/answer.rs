//! What an answer says.

use eetf::{Atom, FixInteger, Term, Tuple};
use nix::errno::Errno;
use num_bigint::BigInt;

use super::text::integer;

/// The pair `{First, Second}`.
fn pair(term: &Term) -> Option<(&Term, &Term)> {
    match term {
        Term::Tuple(tuple) => match tuple.elements.as_slice() {
            [first, second] => Some((first, second)),
            _ => None,
        },
        _ => None,
    }
}

fn atom(term: &Term) -> Option<&str> {
    match term {
        Term::Atom(Atom { name }) => Some(name),
        _ => None,
    }
}

/// The id of a request or an answer that has one.
pub fn id(term: &Term) -> Option<&Term> {
    match pair(term)? {
        (id @ (Term::FixInteger(_) | Term::BigInteger(_)), _) => Some(id),
        _ => None,
    }
}

/// The request with an id around it: its own, or the one that is given.
pub fn with_id(term: Term, given: u64) -> (Term, bool) {
    if id(&term).is_some() {
        return (term, false);
    }
    let id = integer(BigInt::from(given));
    (Term::from(Tuple { elements: vec![id, term] }), true)
}

/// Whether an answer is an error.
pub fn failed(term: &Term) -> bool {
    match pair(term) {
        Some((first, _)) if atom(first) == Some("protocol_error") => true,
        Some((_, result)) => pair(result).is_some_and(|(tag, _)| atom(tag) == Some("error")),
        None => true,
    }
}

/// How many descriptors an answer says it brings: one for each `ok`.
pub fn promised(term: &Term) -> usize {
    let Some((_, result)) = pair(term) else { return 0 };
    if atom(result) == Some("ok") {
        return 1;
    }
    match pair(result) {
        Some((tag, Term::List(list))) if atom(tag) == Some("ok") => {
            list.elements.iter().filter(|element| atom(element) == Some("ok")).count()
        }
        _ => 0,
    }
}

/// What the errnos in an answer mean: `open: ENOENT, No such file or directory`.
pub fn errnos(term: &Term) -> Vec<String> {
    let mut found = Vec::new();
    collect(term, &mut found);
    found
}

fn collect(term: &Term, found: &mut Vec<String>) {
    match term {
        Term::Tuple(tuple) => match tuple.elements.as_slice() {
            [Term::Atom(stage), Term::FixInteger(FixInteger { value })]
                if stage.name != "badarg" =>
            {
                let errno = Errno::from_raw(*value);
                let text = format!("{}: {errno:?}, {}", stage.name.escape_debug(), errno.desc());
                if !found.contains(&text) {
                    found.push(text);
                }
            }
            elements => elements.iter().for_each(|element| collect(element, found)),
        },
        Term::List(list) => list.elements.iter().for_each(|element| collect(element, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::{Notation, parse_as, print};
    use super::*;

    fn term(text: &str) -> Term {
        parse_as(text, Notation::Erlang).unwrap()
    }

    #[test]
    fn ids_are_given_out_where_they_are_missing() {
        let given = |text: &str| print(&with_id(term(text), 9).0, Notation::Erlang);
        assert_eq!(given("info"), "{9,info}");
        assert_eq!(given("{7,info}"), "{7,info}");
        assert_eq!(given("{-7,info}"), "{-7,info}");
        assert_eq!(given("{18446744073709551616,info}"), "{18446744073709551616,info}");
        assert_eq!(given("{open_in_netns,<<\"a\">>,0}"), "{9,{open_in_netns,<<\"a\">>,0}}");
        assert_eq!(given("{open_many,[]}"), "{9,{open_many,[]}}");
    }

    #[test]
    fn errors_are_told_from_answers() {
        for (text, error) in [
            ("{1,ok}", false),
            ("{1,{ok,#{}}}", false),
            ("{1,{ok,[ok,{error,{open,2}}]}}", false),
            ("{1,{error,{open,2}}}", true),
            ("{1,{error,[{open,2}]}}", true),
            ("{protocol_error,bad_tag}", true),
            ("nonsense", true),
        ] {
            assert_eq!(failed(&term(text)), error, "{text}");
        }
    }

    #[test]
    fn descriptors_are_counted_by_their_oks() {
        assert_eq!(promised(&term("{1,ok}")), 1);
        assert_eq!(promised(&term("{1,{ok,[ok,{error,{open,2}},ok]}}")), 2);
        assert_eq!(promised(&term("{1,{ok,#{}}}")), 0);
        assert_eq!(promised(&term("{1,{error,{open,2}}}")), 0);
    }

    #[test]
    fn errnos_are_explained_once() {
        assert_eq!(
            errnos(&term("{1,{ok,[ok,{error,{open,2}},{error,{open,2}},{error,{setns,1}}]}}")),
            ["open: ENOENT, No such file or directory", "setns: EPERM, Operation not permitted"]
        );
    }
}
