//! What holds for the reading of frames, whatever is in them.

use eetf::{Atom, BigInteger, Binary, ByteList, FixInteger, List, Map, Term, Tuple};
use linx_netlink_port::wire::{Command, Entry, Malformed, Netns, Options, Request, read_request};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::collections::HashMap;

fn atom(name: &str) -> Term {
    Atom::from(name).into()
}

fn integer(value: u64) -> Term {
    match i32::try_from(value) {
        Ok(value) => FixInteger::from(value).into(),
        Err(_) => BigInteger::from(value).into(),
    }
}

fn tuple(elements: Vec<Term>) -> Term {
    Tuple::from(elements).into()
}

fn netns_term(netns: &Netns, as_list: bool) -> Term {
    match netns {
        Netns::Path(path) if path.is_empty() && as_list => List::nil().into(),
        Netns::Path(path) if as_list => ByteList::from(path.clone()).into(),
        Netns::Path(path) => Binary::from(path.clone()).into(),
        Netns::Pid(pid) => tuple(vec![atom("pid"), integer(pid.unsigned_abs().into())]),
    }
}

fn options_term(options: &Options) -> Term {
    let flag = |value: Option<bool>| value.map(|value| atom(if value { "true" } else { "false" }));
    let size = |value: Option<usize>| value.map(|value| integer(value as u64));
    let groups = |groups: &Vec<u32>| -> Term {
        List::from(groups.iter().map(|&it| integer(it.into())).collect::<Vec<_>>()).into()
    };
    let pairs = [
        ("ext_ack", flag(options.ext_ack)),
        ("cap_ack", flag(options.cap_ack)),
        ("strict_check", flag(options.strict_check)),
        ("no_enobufs", flag(options.no_enobufs)),
        ("listen_all_nsid", flag(options.listen_all_nsid)),
        ("rcvbuf", size(options.rcvbuf)),
        ("sndbuf", size(options.sndbuf)),
        ("groups", options.groups.map(|mask| integer(mask.into()))),
        ("memberships", options.memberships.as_ref().map(groups)),
    ];
    let pairs = pairs.into_iter().filter_map(|(key, value)| Some((atom(key), value?)));
    Map::from(pairs.collect::<HashMap<_, _>>()).into()
}

fn entry_terms(entry: &Entry, as_list: bool) -> Vec<Term> {
    let mut terms =
        vec![netns_term(&entry.netns, as_list), FixInteger::from(entry.protocol).into()];
    if entry.options != Options::default() {
        terms.push(options_term(&entry.options));
    }
    terms
}

fn command_term(command: &Command, as_list: bool) -> Term {
    match command {
        Command::Info => atom("info"),
        Command::Open(entry) => {
            tuple([vec![atom("open_in_netns")], entry_terms(entry, as_list)].concat())
        }
        Command::OpenMany(entries) => {
            let entries = entries.iter().map(|it| tuple(entry_terms(it, as_list)));
            tuple(vec![atom("open_many"), List::from(entries.collect::<Vec<_>>()).into()])
        }
    }
}

fn frame(term: &Term) -> Vec<u8> {
    let mut frame = Vec::new();
    term.encode(&mut frame).expect("a term that can be encoded");
    frame
}

fn netns() -> impl Strategy<Value = Netns> {
    prop_oneof![vec(any::<u8>(), 0..200).prop_map(Netns::Path), (1..=i32::MAX).prop_map(Netns::Pid)]
}

prop_compose! {
    fn options()(
        ext_ack in any::<Option<bool>>(),
        cap_ack in any::<Option<bool>>(),
        strict_check in any::<Option<bool>>(),
        no_enobufs in any::<Option<bool>>(),
        listen_all_nsid in any::<Option<bool>>(),
        rcvbuf in option::of(1..=0x7fff_ffff_usize),
        sndbuf in option::of(1..=0x7fff_ffff_usize),
        groups in any::<Option<u32>>(),
        memberships in option::of(vec(any::<u32>(), 0..20)),
    ) -> Options {
        Options {
            ext_ack, cap_ack, strict_check, no_enobufs, listen_all_nsid,
            rcvbuf, sndbuf, groups, memberships,
        }
    }
}

prop_compose! {
    fn entry()(
        netns in netns(),
        protocol in any::<i32>(),
        options in prop_oneof![Just(Options::default()), options()],
    ) -> Entry {
        Entry { netns, protocol, options }
    }
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        Just(Command::Info),
        entry().prop_map(Command::Open),
        vec(entry(), 1..10).prop_map(Command::OpenMany),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn what_a_client_asks_is_what_is_understood(
        id in any::<u64>(), command in command(), as_list in any::<bool>(),
    ) {
        let request = tuple(vec![integer(id), command_term(&command, as_list)]);
        prop_assert_eq!(read_request(&frame(&request)), Ok(Request { id, command }));
    }

    #[test]
    fn any_bytes_are_answered(bytes in vec(any::<u8>(), 0..300)) {
        // It returns, which is all that can be said of it.
        let _ = read_request(&bytes);
    }

    #[test]
    fn a_damaged_request_is_answered_to_its_id_where_that_is_whole(
        id in any::<u64>(), command in command(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut frame = frame(&tuple(vec![integer(id), command_term(&command, false)]));
        let whole = frame.len() - self::frame(&command_term(&command, false)).len() + 1;
        let at = whole + at.index(frame.len() - whole);
        frame[at] = byte;
        let answered = match read_request(&frame) {
            Ok(Request { id, .. }) | Err(Malformed::BadArgument { id, .. }) => id,
            Err(Malformed::Anonymous(error)) => panic!("{error:?}"),
        };
        prop_assert_eq!(answered, id);
    }

    #[test]
    fn a_request_that_was_cut_is_never_understood(
        id in any::<u64>(), command in command(), at in any::<prop::sample::Index>(),
    ) {
        let frame = frame(&tuple(vec![integer(id), command_term(&command, false)]));
        prop_assert!(read_request(&frame[..at.index(frame.len())]).is_err());
    }
}
