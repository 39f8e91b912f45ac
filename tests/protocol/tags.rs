//! Which encodings of a term are read, and which are refused.

use crate::client::{Port, Reply};
use crate::commands::{ROUTE, UEVENT, entry, open, open_many, open_with};
use crate::etf::{
    ACCEPTED, ATOM, ATOM_UTF8, INTEGER, LARGE_TUPLE, LIST, NIL, SMALL_ATOM, SMALL_ATOM_UTF8,
    SMALL_BIG, SMALL_INTEGER, STRING, Term, VERSION, atom, binary, int, list, map, tuple,
    write_tag_and_length,
};
use crate::framing::still_serves;
use crate::reply::at;
use crate::scene::Namespace;
use crate::socket;

use nix::libc;

const ATOM_TAGS: [u8; 4] = [ATOM, SMALL_ATOM, ATOM_UTF8, SMALL_ATOM_UTF8];

/// An atom under the tag of one's choice.
fn atom_as(tag: u8, name: &[u8]) -> Term {
    let length = u16::try_from(name.len()).expect("a short name").to_be_bytes();
    let short = matches!(tag, SMALL_ATOM | SMALL_ATOM_UTF8);
    let length = if short { &length[1..] } else { &length[..] };
    Term::Raw([&[tag], length, name].concat())
}

/// A tuple with a 32-bit arity.
fn large_tuple(elements: &[Term]) -> Term {
    let mut bytes = Vec::new();
    write_tag_and_length(LARGE_TUPLE, elements.len(), &mut bytes);
    elements.iter().for_each(|e| bytes.extend(e.bare()));
    Term::Raw(bytes)
}

/// A list of bytes as Erlang writes it.
pub fn string(text: &[u8]) -> Term {
    let length = u16::try_from(text.len()).expect("a short string").to_be_bytes();
    Term::Raw([&[STRING], &length[..], text].concat())
}

/// A list of bytes, each an integer of its own.
fn list_of_bytes(text: &[u8], spell: impl Fn(u8) -> Vec<u8>) -> Term {
    let mut bytes = Vec::new();
    write_tag_and_length(LIST, text.len(), &mut bytes);
    text.iter().for_each(|b| bytes.extend(spell(*b)));
    bytes.push(NIL);
    Term::Raw(bytes)
}

/// An integer under the tag INTEGER.
fn integer(value: i32) -> Vec<u8> {
    [&[INTEGER], &value.to_be_bytes()[..]].concat()
}

/// An integer under the tag SMALL_BIG, with `length` bytes.
fn small_big(value: u64, length: u8) -> Term {
    let bytes = &value.to_le_bytes()[..length.into()];
    Term::Raw([&[SMALL_BIG, length, 0], bytes].concat())
}

#[test]
fn a_command_may_be_any_of_the_four_atoms() {
    let mut port = Port::start();
    for tag in ATOM_TAGS {
        port.ask(atom_as(tag, b"info")).info();
    }
    port.end();
}

#[test]
fn every_atom_of_a_request_may_be_any_of_the_four() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    for tag in ATOM_TAGS {
        let word = |name: &str| atom_as(tag, name.as_bytes());
        let options = Term::Map(vec![
            (word("ext_ack"), word("true")),
            (word("cap_ack"), word("false")),
            (word("groups"), int(1)),
        ]);
        let netns = tuple([word("pid"), int(namespace.pid())]);
        let fd = port.open(tuple([word("open_in_netns"), netns, int(ROUTE), options]));
        assert_eq!(socket::cookie(&fd), namespace.cookie);
        assert_eq!(socket::bound_to(&fd).1, 1);
        let many = tuple([word("open_many"), list([entry(namespace.by_path(), ROUTE)])]);
        assert_eq!(port.ask(many).opened_many().len(), 1);
    }
    port.end();
}

#[test]
fn an_atom_that_is_not_ascii_is_a_term_like_any_other() {
    let mut port = Port::start();
    for (tag, name) in [
        (ATOM, &b"\xe9"[..]),
        (SMALL_ATOM, b"\xe9"),
        (ATOM_UTF8, "é".as_bytes()),
        (SMALL_ATOM_UTF8, "é".as_bytes()),
    ] {
        let options = Term::Map(vec![(atom_as(tag, name), int(1))]);
        let command = tuple([atom("open_in_netns"), binary(b"/n"), int(ROUTE), options]);
        let reply = format!("{:?}", port.ask(command));
        let reason = format!("{:?}", binary("é is no option".as_bytes()));
        assert!(reply.contains(&reason), "{reply}");
    }
    port.end();
}

#[test]
fn every_tuple_may_be_a_large_one() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let netns = large_tuple(&[atom("pid"), int(namespace.pid())]);
    let entries = list([large_tuple(&[netns.clone(), int(ROUTE)])]);
    for command in [
        large_tuple(&[atom("open_in_netns"), netns, int(ROUTE)]),
        large_tuple(&[atom("open_many"), entries]),
    ] {
        port.send_frame(&large_tuple(&[int(1), command]).encode());
        match port.next() {
            reply if reply.id() != Some(1) => panic!("{reply:?}"),
            Reply::Pair(_, fds) => {
                assert_eq!(fds.len(), 1);
                assert_eq!(socket::cookie(&fds[0]), namespace.cookie);
            }
            reply => panic!("{reply:?}"),
        }
    }
    port.end();
}

#[test]
fn a_path_may_be_a_binary_or_any_list_of_bytes() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let path = namespace.path();
    let path = path.as_bytes();
    for spelt in [
        binary(path),
        string(path),
        list_of_bytes(path, |b| vec![SMALL_INTEGER, b]),
        list_of_bytes(path, |b| integer(b.into())),
        list_of_bytes(path, |b| small_big(b.into(), 1).bare()),
    ] {
        let fd = port.open(open(spelt, ROUTE));
        assert_eq!(socket::cookie(&fd), namespace.cookie);
    }
    port.end();
}

#[test]
fn a_path_of_bytes_that_are_not_text_is_as_good() {
    let mut port = Port::start();
    let path = [b'/', 0xff, 0xfe, b'x'];
    for spelt in [binary(path), string(&path)] {
        assert_eq!(port.ask(open(spelt, ROUTE)).failure(), at("open", libc::ENOENT));
    }
    port.end();
}

#[test]
fn a_protocol_may_be_any_integer_tag() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let protocol = UEVENT as u8;
    for spelt in [
        Term::Raw(vec![SMALL_INTEGER, protocol]),
        Term::Raw(integer(protocol.into())),
        small_big(protocol.into(), 1),
        small_big(protocol.into(), 8),
    ] {
        let command = tuple([atom("open_in_netns"), namespace.by_path(), spelt]);
        let fd = port.open(command);
        assert_eq!(socket::kind(&fd).2, UEVENT);
    }
    port.end();
}

#[test]
fn memberships_may_be_a_string_as_erlang_writes_small_lists() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    for spelt in
        [string(&[1, 5]), list([int(1), int(5)]), list_of_bytes(&[1, 5], |b| integer(b.into()))]
    {
        let fd = port.open(open_with(namespace.by_path(), ROUTE, map([("memberships", spelt)])));
        assert_eq!(socket::memberships(&fd), [1, 5]);
    }
    port.end();
}

#[test]
fn an_empty_string_is_an_empty_list() {
    let mut port = Port::start();
    let reply = port.ask(tuple([atom("open_many"), string(&[])]));
    assert!(reply.is_badarg(), "no entries, as with NIL: {reply:?}");
    port.end();
}

#[test]
fn a_map_may_be_empty() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let fd = port.open(open_with(namespace.by_path(), ROUTE, map([])));
    assert_eq!(socket::bound_to(&fd), (0, 0));
    port.end();
}

#[test]
fn every_other_tag_is_a_bad_tag() {
    let mut port = Port::start();
    for tag in (0..=u8::MAX).filter(|tag| !ACCEPTED.contains(tag)) {
        let body = [&[VERSION, tag][..], &[0; 64]].concat();
        let reply = port.ask_frame(&body);
        assert_eq!(reply.protocol_error(), Some("bad_tag"), "tag {tag}: {reply:?}");
    }
    still_serves(&mut port);
    port.end();
}

#[test]
fn a_tag_that_is_not_accepted_is_refused_anywhere_in_a_request() {
    let mut port = Port::start();
    let float = || Term::Raw([&[70][..], &1.0_f64.to_be_bytes()].concat());
    for command in [
        float(),
        tuple([float()]),
        open(float(), ROUTE),
        open_many([float()]),
        open_with(binary("/nowhere"), ROUTE, map([("rcvbuf", float())])),
        open_with(binary("/nowhere"), ROUTE, Term::Map(vec![(float(), int(1))])),
    ] {
        refused(&mut port, command, "bad_tag");
    }
    still_serves(&mut port);
    port.end();
}

#[test]
fn an_integer_of_more_than_8_bytes_is_refused() {
    let mut port = Port::start();
    let big = || Term::Raw([&[SMALL_BIG, 9, 0], &[1; 9][..]].concat());
    refused(&mut port, tuple([atom("open_in_netns"), binary("/nowhere"), big()]), "bad_tag");
    // As an id it is either no accepted term or no id.
    let reply = port.ask_frame(&tuple([big(), atom("info")]).encode());
    let reason = reply.protocol_error();
    assert!(matches!(reason, Some("bad_tag" | "not_a_request")), "{reply:?}");
    port.end();
}

/// A request that is refused after its id: the page lets the program name
/// the bad frame, and lets it answer to the id that it could read.
pub fn refused(port: &mut Port, command: Term, reason: &str) {
    let reply = port.ask_frame(&tuple([int(7), command.clone()]).encode());
    let as_argument = reply.is_badarg() && reply.id() == Some(7);
    let fine = as_argument || reply.protocol_error() == Some(reason);
    assert!(fine, "{command:?}: {reply:?}");
}
