//! What holds for the reading of frames, whatever is in them.

use eetf::{Atom, BigInteger, Binary, ByteList, FixInteger, List, Map, Term, Tuple};
use linx_netlink_port::wire::{
    AF_INET6, AF_NETLINK, Command, Entry, Form, Malformed, Netns, OPTIONS, Options, Owner, Request,
    Setting, Socket, SocketOption, What, Where, read_key, read_request,
};
use proptest::collection::vec;
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

fn signed(value: i32) -> Term {
    FixInteger::from(value).into()
}

/// An entry, and how a client writes it: with a path as a list, if one has been chosen.
#[derive(Clone, Debug)]
struct Asked {
    entry: Entry,
    pairs: Vec<(&'static str, Term)>,
}

fn netns_term(netns: &Where, as_list: bool) -> Term {
    match netns {
        Where::Named(Netns::Path(path)) if path.is_empty() && as_list => List::nil().into(),
        Where::Named(Netns::Path(path)) if as_list => ByteList::from(path.clone()).into(),
        Where::Named(Netns::Path(path)) => Binary::from(path.clone()).into(),
        Where::Named(Netns::Pid(pid)) => tuple(vec![atom("pid"), signed(*pid)]),
        Where::Sent(key) => tuple(vec![atom("fd"), integer(*key)]),
        Where::New(Owner::Program) => atom("new"),
        Where::New(Owner::User) => tuple(vec![atom("new"), atom("user")]),
    }
}

fn what_term(what: &What, as_tuple: bool) -> Term {
    match what {
        What::Netns => atom("netns"),
        What::Socket(it) if it.domain == AF_NETLINK && it.kind == 3 && !as_tuple => {
            signed(it.protocol)
        }
        What::Socket(Socket { domain, kind, protocol, .. }) => {
            tuple(vec![signed((*domain).into()), signed((*kind).into()), signed(*protocol)])
        }
    }
}

fn entry_terms(Asked { entry, pairs }: &Asked, as_list: bool) -> Vec<Term> {
    let mut terms = vec![netns_term(&entry.netns, as_list), what_term(&entry.what, as_list)];
    if !pairs.is_empty() {
        let pairs = pairs.iter().map(|(key, value)| (atom(key), value.clone()));
        terms.push(Map::from(pairs.collect::<HashMap<_, _>>()).into());
    }
    terms
}

/// What a client asks, as it is written and as it is to be understood.
#[derive(Clone, Debug)]
enum Question {
    Info,
    Open(Asked),
    OpenMany(Vec<Asked>),
}

impl Question {
    fn command(&self) -> Command {
        match self {
            Question::Info => Command::Info,
            Question::Open(asked) => Command::Open(asked.entry.clone()),
            Question::OpenMany(many) => {
                Command::OpenMany(many.iter().map(|it| it.entry.clone()).collect())
            }
        }
    }

    fn term(&self, as_list: bool) -> Term {
        match self {
            Question::Info => atom("info"),
            Question::Open(asked) => {
                tuple([vec![atom("open_in_netns")], entry_terms(asked, as_list)].concat())
            }
            Question::OpenMany(many) => {
                let entries = many.iter().map(|it| tuple(entry_terms(it, as_list)));
                tuple(vec![atom("open_many"), List::from(entries.collect::<Vec<_>>()).into()])
            }
        }
    }
}

fn frame(term: &Term) -> Vec<u8> {
    let mut frame = Vec::new();
    term.encode(&mut frame).expect("a term that can be encoded");
    frame
}

fn netns() -> impl Strategy<Value = Where> {
    prop_oneof![
        vec(any::<u8>(), 0..200).prop_map(|path| Where::Named(Netns::Path(path))),
        (1..=i32::MAX).prop_map(|pid| Where::Named(Netns::Pid(pid))),
        any::<u64>().prop_map(Where::Sent),
        Just(Where::New(Owner::Program)),
        Just(Where::New(Owner::User)),
    ]
}

/// A value for an option, as it is written and as it is to be understood.
fn value(
    option: &SocketOption,
    domain: u16,
    number: u32,
    bytes: &[u8],
    groups: &[u32],
) -> (Term, Setting) {
    let flag = number.is_multiple_of(2);
    let flag_term = atom(if flag { "true" } else { "false" });
    let number_term = integer(number.into());
    match option.form {
        Form::Flag(at) => (flag_term, Setting::Integer { at, value: flag.into() }),
        Form::FlagOfDomain { inet, inet6 } => {
            let at = if domain == AF_INET6 { inet6 } else { inet };
            (flag_term, Setting::Integer { at, value: flag.into() })
        }
        Form::Number(at) => (number_term, Setting::Integer { at, value: number }),
        Form::Interface(at) => {
            let value = bytes[..15].iter().map(|byte| b'a' + byte % 26).collect::<Vec<_>>();
            (Binary::from(value.clone()).into(), Setting::Bytes { at, value })
        }
        Form::Buffer { forced, plain } => {
            let bytes = number.clamp(1, 0x7fff_ffff);
            (integer(bytes.into()), Setting::Buffer { forced, plain, bytes })
        }
        Form::Groups => (number_term, Setting::Groups(number)),
        Form::Memberships(at) => {
            let list = groups.iter().map(|&it| integer(it.into())).collect::<Vec<_>>();
            (List::from(list).into(), Setting::Memberships { at, groups: groups.to_vec() })
        }
        Form::Address => {
            let value = bytes.to_vec();
            (Binary::from(value.clone()).into(), Setting::Address(value))
        }
        Form::Backlog => (number_term, Setting::Backlog(number)),
    }
}

prop_compose! {
    fn socket()(
        domain in prop_oneof![Just(AF_NETLINK), Just(AF_INET6), any::<u16>()],
        kind in prop_oneof![Just(3_u8), 0..16_u8],
        protocol in any::<i32>(),
        chosen in vec(any::<Option<u32>>(), OPTIONS.len()),
        bytes in vec(any::<u8>(), 15..=128),
        groups in vec(any::<u32>(), 0..20),
    ) -> (What, Vec<(&'static str, Term)>) {
        let (mut pairs, mut settings) = (Vec::new(), Vec::new());
        for (option, number) in OPTIONS.iter().zip(chosen) {
            if let Some(number) = number.filter(|_| option.of.has(domain)) {
                let (term, setting) = value(option, domain, number, &bytes, &groups);
                pairs.push((option.name, term));
                settings.push(setting);
            }
        }
        let socket = Socket { domain, kind, protocol, options: Options(settings) };
        (What::Socket(socket), pairs)
    }
}

prop_compose! {
    fn asked()(
        netns in netns(),
        (what, pairs) in prop_oneof![9 => socket(), 1 => Just((What::Netns, Vec::new()))],
    ) -> Asked {
        Asked { entry: Entry { netns, what }, pairs }
    }
}

fn question() -> impl Strategy<Value = Question> {
    prop_oneof![
        Just(Question::Info),
        asked().prop_map(Question::Open),
        vec(asked(), 1..10).prop_map(Question::OpenMany),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn what_a_client_asks_is_what_is_understood(
        id in any::<u64>(), question in question(), as_list in any::<bool>(),
    ) {
        let request = tuple(vec![integer(id), question.term(as_list)]);
        prop_assert_eq!(read_request(&frame(&request)), Ok(Request { id, command: question.command() }));
    }

    #[test]
    fn any_bytes_are_answered(bytes in vec(any::<u8>(), 0..300)) {
        // It returns, which is all that can be said of it.
        let _ = read_request(&bytes);
    }

    #[test]
    fn a_key_is_what_a_client_has_written_and_nothing_more(
        key in any::<u64>(), bytes in vec(any::<u8>(), 0..20),
    ) {
        prop_assert_eq!(read_key(&frame(&integer(key))), Some(key));
        let longer = [frame(&integer(key)), bytes.clone()].concat();
        prop_assert_eq!(read_key(&longer).is_some(), bytes.is_empty());
        let _ = read_key(&bytes);
    }

    #[test]
    fn a_damaged_request_is_answered_to_its_id_where_that_is_whole(
        id in any::<u64>(), question in question(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut frame = frame(&tuple(vec![integer(id), question.term(false)]));
        let whole = frame.len() - self::frame(&question.term(false)).len() + 1;
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
        id in any::<u64>(), question in question(), at in any::<prop::sample::Index>(),
    ) {
        let frame = frame(&tuple(vec![integer(id), question.term(false)]));
        prop_assert!(read_request(&frame[..at.index(frame.len())]).is_err());
    }
}
