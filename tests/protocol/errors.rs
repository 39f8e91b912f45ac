//! Frames that are no request, and requests that ask for nothing known.

use crate::client::Port;
use crate::commands::{ROUTE, entry, open, open_many, open_with};
use crate::etf::{
    ATOM, BINARY, LARGE_TUPLE, LIST, MAP, NIL, SMALL_ATOM, SMALL_BIG, SMALL_INTEGER, SMALL_TUPLE,
    STRING, Term, VERSION, atom, binary, int, list, map, tuple,
};
use crate::framing::still_serves;
use crate::tags::refused;

/// Sends frames that all have to get the same `{protocol_error, Reason}`.
fn all_are(reason: &str, frames: impl IntoIterator<Item = Vec<u8>>) {
    let mut port = Port::start();
    for frame in frames {
        let reply = port.ask_frame(&frame);
        let beginning = &frame[..frame.len().min(32)];
        assert_eq!(reply.protocol_error(), Some(reason), "{beginning:?}: {reply:?}");
    }
    still_serves(&mut port);
    port.end();
}

/// Sends commands that all have to be answered with `badarg`.
fn all_are_badarg(commands: impl IntoIterator<Item = Term>) {
    let mut port = Port::start();
    let before = port.descriptors();
    for command in commands {
        let reply = port.ask(command.clone());
        assert!(reply.is_badarg(), "{command:?}: {reply:?}");
    }
    still_serves(&mut port);
    port.holds_again(before);
    port.end();
}

#[test]
fn a_term_of_another_version_is_a_bad_version() {
    let request = tuple([int(1), atom("info")]).bare();
    let versions = (0..=u8::MAX).filter(|v| *v != VERSION);
    all_are("bad_version", versions.map(|v| [&[v], &request[..]].concat()));
}

#[test]
fn a_term_that_is_cut_short_is_a_truncated_term() {
    let whole = tuple([atom("open_in_netns"), binary("/nowhere"), int(ROUTE)]).encode();
    all_are("truncated_term", (1..whole.len()).map(|length| whole[..length].to_vec()));
}

#[test]
fn a_length_that_goes_past_the_end_is_a_truncated_term() {
    let huge = |tag: u8, rest: &[u8]| [&[VERSION, tag, 255, 255, 255, 255], rest].concat();
    all_are(
        "truncated_term",
        [
            huge(BINARY, b"few"),
            huge(LIST, &[SMALL_INTEGER, 1, NIL]),
            huge(LARGE_TUPLE, &[SMALL_INTEGER, 1]),
            huge(MAP, &[SMALL_INTEGER, 1, SMALL_INTEGER, 2]),
            vec![VERSION, STRING, 255, 255, 1, 2],
            vec![VERSION, ATOM, 255, 255, b'a'],
            vec![VERSION, SMALL_ATOM, 255, b'a'],
            vec![VERSION, SMALL_TUPLE, 255, SMALL_INTEGER, 1],
            vec![VERSION, SMALL_BIG, 8, 0, 1, 2],
            // Here all elements are there and the tail isn't.
            vec![VERSION, LIST, 0, 0, 0, 1, SMALL_INTEGER, 1],
        ],
    );
}

#[test]
fn every_beginning_of_a_request_gets_one_answer() {
    let mut port = Port::start();
    let options = map([("groups", int(1)), ("ext_ack", atom("true"))]);
    let command = open_with(binary("/nowhere"), ROUTE, options);
    let whole = tuple([int(7), command]).encode();
    for length in 1..whole.len() {
        let reply = port.ask_frame(&whole[..length]);
        // From some length on, the id can be read.
        let as_argument = reply.is_badarg() && reply.id() == Some(7);
        let fine = as_argument || reply.protocol_error() == Some("truncated_term");
        assert!(fine, "{length} bytes: {reply:?}");
    }
    port.end();
}

#[test]
fn whatever_follows_the_term_is_trailing_bytes() {
    let after = |term: Term, rest: &[u8]| [&term.encode()[..], rest].concat();
    all_are(
        "trailing_bytes",
        [
            after(atom("info"), &[0]),
            after(list([]), &[NIL]),
            after(binary("x"), b"y"),
            after(tuple([atom("info")]), &[VERSION, NIL]),
        ],
    );
}

#[test]
fn a_request_with_something_after_it_is_refused() {
    let mut port = Port::start();
    for rest in [&[0][..], &[NIL], &tuple([int(8), atom("info")]).encode()] {
        let command = Term::Raw([&atom("info").bare()[..], rest].concat());
        refused(&mut port, command, "trailing_bytes");
    }
    still_serves(&mut port);
    port.end();
}

/// `depth` containers, one inside the other, around an integer.
fn nested(depth: usize, wrap: impl Fn(Term) -> Term) -> Term {
    (0..depth).fold(int(0), |inner, _| wrap(inner))
}

/// The ways to wrap a term in one more container.
const WRAPPINGS: [fn(Term) -> Term; 4] = [
    |inner| tuple([inner]),
    |inner| list([inner]),
    |inner| Term::Map(vec![(atom("key"), inner)]),
    |inner| Term::Map(vec![(inner, atom("value"))]),
];

#[test]
fn a_term_may_be_8_deep() {
    all_are("not_a_request", WRAPPINGS.iter().map(|wrap| nested(8, wrap).encode()));
}

#[test]
fn a_term_of_9_deep_is_too_deep() {
    all_are("too_deep", WRAPPINGS.iter().map(|wrap| nested(9, wrap).encode()));
}

#[test]
fn the_deepest_request_that_is_allowed_gets_its_id_back() {
    let mut port = Port::start();
    // The request itself is the first of the eight.
    let reply = port.ask(nested(7, WRAPPINGS[0]));
    assert!(reply.is_badarg(), "{reply:?}");
    refused(&mut port, nested(8, WRAPPINGS[0]), "too_deep");
    port.end();
}

#[test]
fn no_depth_makes_the_program_crash() {
    let deep = |piece: &[u8]| [&[VERSION], &piece.repeat(1_000_000 / piece.len())[..]].concat();
    all_are(
        "too_deep",
        [
            deep(&[SMALL_TUPLE, 1]),
            deep(&[LARGE_TUPLE, 0, 0, 0, 1]),
            deep(&[LIST, 0, 0, 0, 1]),
            deep(&[MAP, 0, 0, 0, 1]),
        ],
    );
}

#[test]
fn a_term_without_an_id_is_not_a_request() {
    let frames = [
        atom("info"),
        int(1),
        binary("info"),
        list([]),
        list([int(1), atom("info")]),
        map([("id", int(1))]),
        tuple([]),
        tuple([atom("info")]),
        tuple([atom("info"), int(1)]),
        tuple([binary("1"), atom("info")]),
        tuple([list([int(1)]), atom("info")]),
        tuple([tuple([int(1)]), atom("info")]),
        tuple([int(-1), atom("info")]),
        tuple([int(i64::MIN), atom("info")]),
    ];
    all_are("not_a_request", frames.map(|term| term.encode()));
}

#[test]
fn a_tuple_of_another_size_is_no_request_or_a_bad_one() {
    let mut port = Port::start();
    // An id stands first, but it isn't `{Id, Command}`: both answers are right.
    for term in [tuple([int(7)]), tuple([int(7), atom("info"), atom("info")])] {
        let reply = port.ask_frame(&term.encode());
        let as_argument = reply.is_badarg() && reply.id() == Some(7);
        let fine = as_argument || reply.protocol_error() == Some("not_a_request");
        assert!(fine, "{term:?}: {reply:?}");
    }
    still_serves(&mut port);
    port.end();
}

#[test]
fn a_command_that_is_not_known_is_badarg() {
    all_are_badarg([
        atom("halt"),
        atom("open_in_netns"),
        atom("INFO"),
        Term::Raw(vec![SMALL_ATOM, 1, 0xe9]),
        int(1),
        binary("info"),
        list([]),
        map([]),
        tuple([]),
        tuple([atom("info")]),
        tuple([atom("close"), int(1)]),
        tuple([int(1), atom("info")]),
        tuple([binary("open_in_netns"), binary("/nowhere"), int(ROUTE)]),
    ]);
}

#[test]
fn a_command_of_another_arity_is_badarg() {
    let path = || binary("/nowhere");
    all_are_badarg([
        tuple([atom("open_in_netns")]),
        tuple([atom("open_in_netns"), path()]),
        tuple([atom("open_in_netns"), path(), int(ROUTE), map([]), map([])]),
        tuple([atom("open_many")]),
        tuple([atom("open_many"), list([entry(path(), ROUTE)]), map([])]),
    ]);
}

#[test]
fn a_netns_of_the_wrong_type_is_badarg() {
    let netns = [
        atom("netns"),
        int(1),
        map([]),
        tuple([]),
        tuple([atom("pid")]),
        tuple([atom("pid"), binary("1")]),
        tuple([atom("pid"), atom("self")]),
        tuple([atom("pid"), int(1), int(2)]),
        tuple([atom("path"), binary("/nowhere")]),
        tuple([int(1), atom("pid")]),
        list([int(47), int(256)]),
        list([int(47), int(-1)]),
        list([int(47), atom("x")]),
        list([binary("/nowhere")]),
        list([int(47), list([int(48)])]),
    ];
    all_are_badarg(netns.map(|netns| open(netns, ROUTE)));
}

#[test]
fn a_protocol_that_is_no_32_bit_integer_is_badarg() {
    let protocols = [
        atom("route"),
        binary("0"),
        list([]),
        int(1_i64 << 32),
        int(-(1_i64 << 31) - 1),
        int(u64::MAX),
        int(i64::MIN),
    ];
    all_are_badarg(
        protocols.map(|p| tuple([atom("open_in_netns"), binary("/proc/self/ns/net"), p])),
    );
}

#[test]
fn options_of_the_wrong_type_are_badarg() {
    let boolean = ["ext_ack", "cap_ack", "strict_check", "no_enobufs", "listen_all_nsid"];
    let wrong_boolean = [int(0), int(1), atom("yes"), binary("true"), list([])];
    let size = ["rcvbuf", "sndbuf"];
    let wrong_size = [int(0), int(-1), atom("true"), binary("1"), list([])];
    let wrong_groups = [int(-1), int(1_i64 << 32), int(u64::MAX), atom("all"), list([int(1)])];
    let wrong_memberships = [
        int(1),
        atom("all"),
        binary([1]),
        map([]),
        list([atom("link")]),
        list([int(-1)]),
        list([int(1_i64 << 32)]),
        list([int(1), list([int(2)])]),
    ];
    let each = |keys: &[&'static str], values: &[Term]| -> Vec<(Term, Term)> {
        let pairs = keys.iter().flat_map(|k| values.iter().map(|v| (atom(k), v.clone())));
        pairs.collect()
    };
    let mut pairs = each(&boolean, &wrong_boolean);
    pairs.extend(each(&size, &wrong_size));
    pairs.extend(each(&["groups"], &wrong_groups));
    pairs.extend(each(&["memberships"], &wrong_memberships));
    // Nor is there an option of another name.
    pairs.push((atom("ext_ack_"), atom("true")));
    pairs.push((binary("ext_ack"), atom("true")));
    pairs.push((int(1), atom("true")));
    let options = pairs.into_iter().map(|pair| Term::Map(vec![pair]));
    let no_maps = [list([]), list([tuple([atom("groups"), int(1)])]), atom("ext_ack"), int(1)];
    let netns = || binary("/proc/self/ns/net");
    all_are_badarg(options.chain(no_maps).map(|options| open_with(netns(), ROUTE, options)));
}

#[test]
fn an_entry_of_the_wrong_shape_makes_all_of_open_many_badarg() {
    let good = || entry(binary("/proc/self/ns/net"), ROUTE);
    let entries = [
        atom("netns"),
        binary("/proc/self/ns/net"),
        tuple([]),
        tuple([binary("/proc/self/ns/net")]),
        tuple([binary("/proc/self/ns/net"), atom("route")]),
        tuple([int(1), int(ROUTE)]),
        tuple([binary("/proc/self/ns/net"), int(ROUTE), list([])]),
        tuple([binary("/proc/self/ns/net"), int(ROUTE), map([("groups", int(-1))])]),
        tuple([binary("/proc/self/ns/net"), int(ROUTE), map([]), map([])]),
    ];
    all_are_badarg(entries.map(|bad| open_many([good(), bad, good()])));
    let no_lists = [atom("all"), int(1), binary("x"), map([]), tuple([good()]), list([int(1)])];
    all_are_badarg(no_lists.map(|entries| tuple([atom("open_many"), entries])));
}
