//! `What`: any socket, and the namespace itself.

use nix::libc;

use crate::client::Port;
use crate::commands::{ROUTE, any, entry, entry_with, netns, open, open_many, open_with};
use crate::etf::{Term, atom, binary, int, map, tuple};
use crate::reply::at;
use crate::scene::{Namespace, cookie_of_netns};
use crate::socket;

/// Domain, type and protocol of sockets that every kernel has, and the protocol that it then shows
/// (a packet socket shows none).
const SOCKETS: [(i32, i32, i32, i32); 12] = [
    (libc::AF_INET, libc::SOCK_STREAM, 0, libc::IPPROTO_TCP),
    (libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_TCP, libc::IPPROTO_TCP),
    (libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_UDP, libc::IPPROTO_UDP),
    (libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP, libc::IPPROTO_ICMP),
    (libc::AF_INET6, libc::SOCK_STREAM, 0, libc::IPPROTO_TCP),
    (libc::AF_INET6, libc::SOCK_DGRAM, 0, libc::IPPROTO_UDP),
    (libc::AF_INET6, libc::SOCK_RAW, libc::IPPROTO_ICMPV6, libc::IPPROTO_ICMPV6),
    (libc::AF_PACKET, libc::SOCK_RAW, 0x0300, 0),
    (libc::AF_PACKET, libc::SOCK_DGRAM, 0, 0),
    (libc::AF_UNIX, libc::SOCK_SEQPACKET, 0, 0),
    (libc::AF_NETLINK, libc::SOCK_DGRAM, 16, 16),
    (libc::AF_NETLINK, libc::SOCK_RAW, 0, 0),
];

#[test]
fn any_socket_is_opened_where_it_was_asked_for() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    for (domain, kind, protocol, shown) in SOCKETS {
        for place in [namespace.by_path(), namespace.by_pid()] {
            let fd = port.open(open(place, any(domain, kind, protocol)));
            assert_eq!(socket::kind(&fd), (domain, kind, shown));
            assert_eq!(socket::cookie(&fd), namespace.cookie);
            assert!(socket::is_close_on_exec(&fd));
        }
    }
    port.end();
}

#[test]
fn a_netlink_socket_is_the_same_by_three_numbers_as_by_one() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    for what in [int(16), any(16, 3, 16)] {
        let options = map([("ext_ack", atom("true")), ("groups", int(1))]);
        let fd = port.open(open_with(namespace.by_path(), what, options));
        assert_eq!(socket::kind(&fd), (libc::AF_NETLINK, libc::SOCK_RAW, 16));
        assert_eq!(socket::bound_to(&fd).1, 1);
    }
    port.end();
}

#[test]
fn the_kernel_judges_the_numbers() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let before = port.descriptors();
    for (what, errno) in [
        (any(65_535, 1, 0), libc::EAFNOSUPPORT),
        (any(0, 1, 0), libc::EAFNOSUPPORT),
        (any(libc::AF_INET, 15, 0), libc::EINVAL),
        (any(libc::AF_INET, 0, 0), libc::ESOCKTNOSUPPORT),
        (any(libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_UDP), libc::EPROTONOSUPPORT),
        (any(libc::AF_INET, libc::SOCK_STREAM, -1), libc::EINVAL),
        (any(libc::AF_INET, libc::SOCK_STREAM, i32::MIN), libc::EINVAL),
        (any(libc::AF_NETLINK, libc::SOCK_STREAM, 0), libc::ESOCKTNOSUPPORT),
    ] {
        let reply = port.ask(open(namespace.by_path(), what.clone()));
        assert_eq!(reply.failure(), at("socket", errno), "{what:?}");
    }
    port.holds_again(before);
    port.end();
}

#[test]
fn numbers_out_of_range_are_badarg() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let four = [int(2), int(1), int(0), int(0)];
    for what in [
        tuple([int(-1), int(1), int(0)]),
        tuple([int(65_536), int(1), int(0)]),
        tuple([int(2), int(-1), int(0)]),
        tuple([int(2), int(16), int(0)]),
        // SOCK_CLOEXEC and SOCK_NONBLOCK are no type.
        tuple([int(2), int(libc::SOCK_CLOEXEC | 1), int(0)]),
        tuple([int(2), int(libc::SOCK_NONBLOCK | 1), int(0)]),
        tuple([int(2), int(1), int(1_i64 << 31)]),
        tuple([int(2), int(1), int(-(1_i64 << 31) - 1)]),
        tuple([int(2), int(1), int(u64::MAX)]),
        tuple([atom("inet"), int(1), int(0)]),
        tuple([int(2), int(1)]),
        tuple(four),
        atom("net"),
        binary("netns"),
    ] {
        let reply = port.ask(open(namespace.by_path(), what.clone()));
        assert!(reply.is_badarg(), "{what:?}: {reply:?}");
    }
    port.end();
}

#[test]
fn the_namespace_itself_is_open_for_reading() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let before = port.descriptors();
    for place in [namespace.by_path(), namespace.by_pid()] {
        for command in
            [open(place.clone(), netns()), open_with(place.clone(), netns(), Term::Map(Vec::new()))]
        {
            let fd = port.open(command);
            assert_eq!(cookie_of_netns(&fd), namespace.cookie);
            assert!(socket::is_close_on_exec(&fd));
        }
    }
    port.holds_again(before);
    port.end();
}

#[test]
fn the_namespace_itself_keeps_it_alive() {
    let mut port = Port::start();
    let namespace = Namespace::new();
    let cookie = namespace.cookie;
    let fd = port.open(open(namespace.by_path(), netns()));
    drop(namespace);
    assert_eq!(cookie_of_netns(&fd), cookie);
    port.end();
}

#[test]
fn the_namespace_itself_fails_as_a_socket_there_does() {
    let mut port = Port::start();
    for (place, failure) in [
        (binary("/nowhere"), at("open", libc::ENOENT)),
        (binary("/dev/null"), at("setns", libc::EINVAL)),
        (binary("/proc/self/ns/mnt"), at("setns", libc::EINVAL)),
    ] {
        assert_eq!(port.ask(open(place, netns())).failure(), failure);
    }
    port.end();
}

#[test]
fn no_option_is_one_of_the_namespace_itself() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    for option in [("ext_ack", atom("true")), ("mark", int(1)), ("colour", int(1))] {
        let reply = port.ask(open_with(namespace.by_path(), netns(), map([option])));
        assert!(reply.is_badarg(), "{reply:?}");
    }
    port.end();
}

#[test]
fn all_kinds_go_together_in_one_request() {
    let [first, second] = [Namespace::new(), Namespace::new()];
    let mut port = Port::start();
    let before = port.descriptors();
    let udp = || any(libc::AF_INET, libc::SOCK_DGRAM, 0);
    let outcomes = port
        .ask(open_many([
            entry(first.by_path(), netns()),
            entry(second.by_path(), udp()),
            entry(first.by_path(), any(libc::AF_PACKET, libc::SOCK_RAW, 0)),
            entry(second.by_pid(), netns()),
            entry(first.by_path(), any(65_535, 1, 0)),
            entry(first.by_pid(), ROUTE),
            entry_with(second.by_path(), udp(), map([("reuseaddr", atom("true"))])),
        ]))
        .opened_many();
    let mut outcomes = outcomes.into_iter();
    let mut next = || outcomes.next().expect("an outcome");
    assert_eq!(cookie_of_netns(&next().expect("it worked")), first.cookie);
    assert_eq!(socket::cookie(&next().expect("it worked")), second.cookie);
    assert_eq!(socket::cookie(&next().expect("it worked")), first.cookie);
    assert_eq!(cookie_of_netns(&next().expect("it worked")), second.cookie);
    assert_eq!(next().map(drop), Err(at("socket", libc::EAFNOSUPPORT)));
    assert_eq!(socket::cookie(&next().expect("it worked")), first.cookie);
    let last = next().expect("it worked");
    assert_eq!(socket::cookie(&last), second.cookie);
    assert_eq!(socket::option(&last, libc::SOL_SOCKET, libc::SO_REUSEADDR), 1);
    port.holds_again(before);
    port.end();
}

#[test]
fn no_file_is_made_for_a_unix_socket() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let stream = || any(libc::AF_UNIX, libc::SOCK_STREAM, 0);
    let unix = (libc::AF_UNIX as u16).to_ne_bytes();
    let file = port.directory().join("socket");
    let address = [&unix[..], file.as_os_str().as_encoded_bytes()].concat();
    let reply =
        port.ask(open_with(namespace.by_path(), stream(), map([("bind", binary(address))])));
    assert_eq!(reply.failure(), at("bind", libc::EACCES));
    assert!(!file.exists());
    let address = [&unix[..], b"\0of the test"].concat();
    port.open(open_with(namespace.by_path(), stream(), map([("bind", binary(address))])));
    port.end();
}

#[test]
fn ten_thousand_of_all_kinds_leave_nothing() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let before = port.descriptors();
    for round in 0..40 {
        let entries: Vec<_> = (0..250)
            .map(|index| match SOCKETS.get((round + index) % (SOCKETS.len() + 1)) {
                Some((domain, kind, protocol, _)) => {
                    entry(namespace.by_path(), any(*domain, *kind, *protocol))
                }
                None => entry(namespace.by_pid(), netns()),
            })
            .collect();
        assert!(port.ask(open_many(entries)).opened_many().iter().all(Result::is_ok));
    }
    port.holds_again(before);
    port.end();
}

#[test]
fn a_unix_socket_is_made_to_listen_by_its_client() {
    // Those who connect would be told that the program listens: SO_PEERCRED.
    let namespace = Namespace::new();
    let mut port = Port::start();
    for kind in [libc::SOCK_STREAM, libc::SOCK_SEQPACKET] {
        let options = map([("listen", int(1))]);
        let request = open_with(namespace.by_path(), any(libc::AF_UNIX, kind, 0), options);
        assert_eq!(port.ask(request).failure(), at("listen", libc::EACCES));
    }
    port.end();
}
