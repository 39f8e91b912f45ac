//! `open_many`: several sockets in one request.

use nix::libc;

use crate::client::Port;
use crate::commands::{GENERIC, NO_PROTOCOL, ROUTE, UEVENT, entry, entry_with, open_many};
use crate::etf::{atom, binary, int, list, map};
use crate::reply::at;
use crate::scene::Namespace;
use crate::socket;

/// The most entries of one request.
const MOST: usize = 253;

#[test]
fn one_entry_is_enough() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let mut outcomes = port.ask(open_many([entry(namespace.by_path(), ROUTE)])).opened_many();
    let fd = outcomes.pop().expect("one outcome").expect("it worked");
    assert!(outcomes.is_empty());
    assert_eq!(socket::cookie(&fd), namespace.cookie);
    port.end();
}

#[test]
fn entries_may_differ_in_everything() {
    let [first, second] = [Namespace::new(), Namespace::new()];
    let mut port = Port::start();
    let reply = port.ask(open_many([
        entry(first.by_path(), ROUTE),
        entry(second.by_pid(), GENERIC),
        entry_with(first.by_pid(), UEVENT, map([("groups", int(1))])),
        entry_with(second.by_path(), ROUTE, map([("ext_ack", atom("true"))])),
    ]));
    let fds: Vec<_> = reply.opened_many().into_iter().map(|o| o.expect("it worked")).collect();
    let cookies: Vec<_> = fds.iter().map(socket::cookie).collect();
    assert_eq!(cookies, [first.cookie, second.cookie, first.cookie, second.cookie]);
    let protocols: Vec<_> = fds.iter().map(|fd| socket::kind(fd).2).collect();
    assert_eq!(protocols, [ROUTE, GENERIC, UEVENT, ROUTE]);
    let groups: Vec<_> = fds.iter().map(|fd| socket::bound_to(fd).1).collect();
    assert_eq!(groups, [0, 0, 1, 0]);
    assert_eq!(socket::option(&fds[3], libc::SOL_NETLINK, 11), 1);
    port.end();
}

#[test]
fn entries_of_253_are_opened_in_order() {
    let namespaces = [Namespace::new(), Namespace::new(), Namespace::new()];
    let of = |index: usize| &namespaces[index % namespaces.len()];
    let mut port = Port::start();
    let before = port.descriptors();
    let entries: Vec<_> = (0..MOST)
        // The group mask is the number of the entry, to be found again below.
        .map(|index| entry_with(of(index).by_path(), ROUTE, map([("groups", int(index as u32))])))
        .collect();
    let outcomes = port.ask(open_many(entries)).opened_many();
    assert_eq!(outcomes.len(), MOST);
    for (index, outcome) in outcomes.into_iter().enumerate() {
        let fd = outcome.expect("it worked");
        assert_eq!(socket::bound_to(&fd).1 as usize, index);
        assert_eq!(socket::cookie(&fd), of(index).cookie);
    }
    port.holds_again(before);
    port.end();
}

#[test]
fn no_entries_are_badarg() {
    let mut port = Port::start();
    assert!(port.ask(open_many([])).is_badarg());
    port.end();
}

#[test]
fn entries_of_254_are_badarg() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    for count in [MOST + 1, 1000] {
        let reply = port.ask(open_many(vec![entry(namespace.by_path(), ROUTE); count]));
        assert!(reply.is_badarg(), "{count}: {reply:?}");
    }
    port.end();
}

#[test]
fn the_entries_that_fail_keep_their_place_between_those_that_work() {
    let [first, second] = [Namespace::new(), Namespace::new()];
    let mut port = Port::start();
    let before = port.descriptors();
    let outcomes = port
        .ask(open_many([
            entry(binary("/nowhere/netns"), ROUTE),
            entry(first.by_path(), ROUTE),
            entry(binary("/dev"), ROUTE),
            entry(first.by_path(), NO_PROTOCOL),
            entry(second.by_pid(), GENERIC),
            entry_with(first.by_path(), ROUTE, map([("memberships", list([int(250)]))])),
        ]))
        .opened_many();
    let mut seen = Vec::new();
    for outcome in outcomes {
        seen.push(outcome.map(|fd| (socket::cookie(&fd), socket::kind(&fd).2)));
    }
    let expected = [
        Err(at("open", libc::ENOENT)),
        Ok((first.cookie, ROUTE)),
        Err(at("setns", libc::EINVAL)),
        Err(at("socket", libc::EPROTONOSUPPORT)),
        Ok((second.cookie, GENERIC)),
        Err(at("setsockopt", libc::EINVAL)),
    ];
    assert_eq!(seen, expected);
    port.holds_again(before);
    port.end();
}

#[test]
fn when_no_entry_works_the_errors_are_on_stdout() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let before = port.descriptors();
    let reply = port.ask(open_many([
        entry(binary("/nowhere/netns"), ROUTE),
        entry(namespace.by_path(), NO_PROTOCOL),
        entry(binary("/dev"), ROUTE),
    ]));
    let expected =
        [at("open", libc::ENOENT), at("socket", libc::EPROTONOSUPPORT), at("setns", libc::EINVAL)];
    assert_eq!(reply.failed_many(), expected);
    port.holds_again(before);
    port.end();
}

#[test]
fn one_entry_that_fails_is_a_list_of_one() {
    let mut port = Port::start();
    let reply = port.ask(open_many([entry(binary("/nowhere/netns"), ROUTE)]));
    assert_eq!(reply.failed_many(), [at("open", libc::ENOENT)]);
    port.end();
}

#[test]
fn entries_of_253_may_all_fail() {
    let mut port = Port::start();
    let reply = port.ask(open_many(vec![entry(binary("/nowhere/netns"), ROUTE); MOST]));
    assert_eq!(reply.failed_many(), vec![at("open", libc::ENOENT); MOST]);
    port.end();
}

#[test]
fn the_same_namespace_may_stand_in_every_entry() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let outcomes = port.ask(open_many(vec![entry(namespace.by_pid(), ROUTE); 20])).opened_many();
    assert_eq!(outcomes.len(), 20);
    for outcome in outcomes {
        assert_eq!(socket::cookie(&outcome.expect("it worked")), namespace.cookie);
    }
    port.end();
}
