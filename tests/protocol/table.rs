//! Every option of the page's table, set by the program and read back from the kernel.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::libc;

use crate::client::Port;
use crate::commands::{ROUTE, any, entry_with, open, open_many, open_with};
use crate::etf::{Term, atom, binary, int, list, map};
use crate::reply::at;
use crate::scene::Namespace;
use crate::socket::{self, option};

const PAGE: &str = include_str!("../../docs/PROTOCOL.md");

/// An option: its name, a socket that has it, a value, and what the kernel then says.
struct Case {
    name: &'static str,
    what: Term,
    value: Term,
    is_set: fn(&OwnedFd) -> bool,
}

fn yes() -> Term {
    atom("true")
}

fn route() -> Term {
    int(ROUTE)
}

fn tcp() -> Term {
    any(libc::AF_INET, libc::SOCK_STREAM, 0)
}

fn udp() -> Term {
    any(libc::AF_INET, libc::SOCK_DGRAM, 0)
}

fn tcp6() -> Term {
    any(libc::AF_INET6, libc::SOCK_STREAM, 0)
}

fn packet() -> Term {
    any(libc::AF_PACKET, libc::SOCK_RAW, 0)
}

fn netlink(fd: &OwnedFd, number: i32) -> bool {
    option(fd, libc::SOL_NETLINK, number) != 0
}

fn of_socket(fd: &OwnedFd, number: i32) -> i32 {
    option(fd, libc::SOL_SOCKET, number)
}

/// Port 8080 of every address of IPv4.
fn inet_address() -> Vec<u8> {
    let family = (libc::AF_INET as u16).to_ne_bytes();
    [&family[..], &8080_u16.to_be_bytes(), &[0; 12]].concat()
}

/// The same of IPv6.
fn inet6_address() -> Vec<u8> {
    let family = (libc::AF_INET6 as u16).to_ne_bytes();
    [&family[..], &8080_u16.to_be_bytes(), &[0; 24]].concat()
}

fn cases() -> Vec<Case> {
    let case = |name, what, value, is_set| Case { name, what, value, is_set };
    vec![
        case("ext_ack", route(), yes(), |fd| netlink(fd, 11)),
        case("cap_ack", route(), yes(), |fd| netlink(fd, 10)),
        case("strict_check", route(), yes(), |fd| netlink(fd, 12)),
        case("no_enobufs", route(), yes(), |fd| netlink(fd, 5)),
        // Kernels such as 6.1 take it and don't tell of it.
        case("listen_all_nsid", route(), yes(), |fd| {
            let told = socket::try_option(fd, libc::SOL_NETLINK, 8);
            told.map_or_else(|errno| errno == Errno::ENOPROTOOPT, |it| it != 0)
        }),
        case("reuseaddr", tcp(), yes(), |fd| of_socket(fd, libc::SO_REUSEADDR) == 1),
        case("reuseport", udp(), yes(), |fd| of_socket(fd, libc::SO_REUSEPORT) == 1),
        case("broadcast", udp(), yes(), |fd| of_socket(fd, libc::SO_BROADCAST) == 1),
        case("v6only", tcp6(), yes(), |fd| option(fd, libc::SOL_IPV6, libc::IPV6_V6ONLY) == 1),
        case("freebind", tcp(), yes(), |fd| option(fd, libc::SOL_IP, libc::IP_FREEBIND) == 1),
        case("freebind", tcp6(), yes(), |fd| option(fd, libc::SOL_IPV6, libc::IPV6_FREEBIND) == 1),
        case("transparent", tcp(), yes(), |fd| option(fd, libc::SOL_IP, libc::IP_TRANSPARENT) == 1),
        case("transparent", tcp6(), yes(), |fd| {
            option(fd, libc::SOL_IPV6, libc::IPV6_TRANSPARENT) == 1
        }),
        case("mark", route(), int(7), |fd| of_socket(fd, libc::SO_MARK) == 7),
        case("mark", udp(), int(u32::MAX), |fd| of_socket(fd, libc::SO_MARK) == -1),
        case("priority", route(), int(6), |fd| of_socket(fd, libc::SO_PRIORITY) == 6),
        case("priority", packet(), int(100), |fd| of_socket(fd, libc::SO_PRIORITY) == 100),
        case("bindtodevice", udp(), binary("lo"), |fd| {
            socket::text_option(fd, libc::SOL_SOCKET, libc::SO_BINDTODEVICE) == "lo"
        }),
        case("rcvbuf", route(), int(100_000), |fd| of_socket(fd, libc::SO_RCVBUF) == 200_000),
        case("rcvbuf", tcp(), int(6 << 20), |fd| of_socket(fd, libc::SO_RCVBUF) == 12 << 20),
        case("sndbuf", route(), int(50_000), |fd| of_socket(fd, libc::SO_SNDBUF) == 100_000),
        case("sndbuf", packet(), int(6 << 20), |fd| of_socket(fd, libc::SO_SNDBUF) == 12 << 20),
        case("groups", route(), int(0x11), |fd| socket::bound_to(fd).1 == 0x11),
        case("memberships", route(), list([int(1), int(9)]), |fd| {
            socket::memberships(fd) == [1, 9]
        }),
        case("bind", udp(), binary(inet_address()), |fd| socket::name(fd) == inet_address()),
        case("bind", tcp6(), binary(inet6_address()), |fd| socket::name(fd) == inet6_address()),
        case("listen", tcp(), int(7), |fd| of_socket(fd, libc::SO_ACCEPTCONN) == 1),
    ]
}

/// The options of the page, in the order of its table.
fn options_of_the_page() -> Vec<&'static str> {
    let (_, behind) = PAGE.split_once("\n**Options**").expect("the section");
    let rows = behind.lines().skip_while(|line| !line.starts_with('|'));
    let rows = rows.take_while(|line| line.starts_with('|')).skip(2);
    // The names stand in the first column.
    rows.flat_map(|row| row.split('|').nth(1).unwrap_or_default().split('`').skip(1).step_by(2))
        .collect()
}

#[test]
fn every_option_is_set_on_a_socket_in_a_namespace() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let cases = cases();
    for name in options_of_the_page() {
        let mut its = cases.iter().filter(|case| case.name == name).peekable();
        assert!(its.peek().is_some(), "{name} is on the page, and is tried with nothing");
        for Case { what, value, is_set, .. } in its {
            let without = port.open(open(namespace.by_path(), what.clone()));
            let options = map([(name, value.clone())]);
            let fd = port.open(open_with(namespace.by_path(), what.clone(), options));
            assert!(is_set(&fd), "{name} of {what:?}");
            assert!(name == "listen_all_nsid" || !is_set(&without), "{name} of {what:?}");
            assert_eq!(socket::cookie(&fd), namespace.cookie);
        }
    }
    for case in &cases {
        assert!(options_of_the_page().contains(&case.name), "{} is not on the page", case.name);
    }
    port.end();
}

#[test]
fn every_option_is_set_in_one_request_for_many() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let cases = cases();
    let entries: Vec<_> = cases
        .iter()
        // No two sockets are bound to the same address.
        .filter(|case| case.name != "listen")
        .map(|Case { name, what, value, .. }| {
            entry_with(namespace.by_path(), what.clone(), map([(name, value.clone())]))
        })
        .collect();
    for (outcome, case) in port.ask(open_many(entries)).opened_many().iter().zip(&cases) {
        assert!((case.is_set)(outcome.as_ref().expect("it worked")), "{}", case.name);
    }
    port.end();
}

#[test]
fn an_option_of_other_sockets_is_badarg() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let of_all = ["mark", "priority", "rcvbuf", "sndbuf"];
    for Case { name, what, value, .. } in cases() {
        let other = if what == route() { tcp() } else { route() };
        let options = map([(name, value)]);
        let reply = port.ask(open_with(namespace.by_path(), other, options));
        if of_all.contains(&name) {
            reply.opened();
        } else {
            assert!(reply.is_badarg(), "{name}: {reply:?}");
        }
    }
    port.end();
}

#[test]
fn values_out_of_range_are_badarg() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    for (name, values) in [
        ("reuseaddr", vec![int(1), atom("yes"), binary("true")]),
        ("v6only", vec![int(0)]),
        ("mark", vec![int(-1), int(1_i64 << 32), int(u64::MAX), atom("true")]),
        ("priority", vec![int(-1), int(1_i64 << 32)]),
        (
            "bindtodevice",
            vec![
                binary(""),
                binary("sixteen-bytes-xx"),
                binary("a\0b"),
                binary("a/b"),
                atom("lo"),
                list([int(108), int(111)]),
            ],
        ),
        ("bind", vec![binary("x"), binary([0; 129]), binary(""), atom("lo"), int(1)]),
        ("listen", vec![int(-1), int(1_i64 << 32), atom("true")]),
    ] {
        for value in values {
            let what = any(libc::AF_INET6, libc::SOCK_STREAM, 0);
            let reply =
                port.ask(open_with(namespace.by_path(), what, map([(name, value.clone())])));
            assert!(reply.is_badarg(), "{name} {value:?}: {reply:?}");
        }
    }
    port.end();
}

#[test]
fn what_the_kernel_refuses_is_told_with_its_stage() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let before = port.descriptors();
    let address =
        |bytes: &[u8]| binary([&(libc::AF_INET as u16).to_ne_bytes()[..], bytes].concat());
    let mut elsewhere = inet6_address();
    elsewhere[8..12].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
    for (what, name, value, failure) in [
        (udp(), "bindtodevice", binary("nothing0"), at("setsockopt", libc::ENODEV)),
        (tcp6(), "bind", binary(elsewhere), at("bind", libc::EADDRNOTAVAIL)),
        (udp(), "bind", address(&[]), at("bind", libc::EINVAL)),
        (tcp6(), "bind", address(&[0; 14]), at("bind", libc::EINVAL)),
        (udp(), "listen", int(1), at("listen", libc::EOPNOTSUPP)),
        (packet(), "v6only", yes(), at("setsockopt", libc::ENOPROTOOPT)),
    ] {
        let reply = port.ask(open_with(namespace.by_path(), what, map([(name, value)])));
        assert_eq!(reply.failure(), failure, "{name}");
    }
    port.holds_again(before);
    port.end();
}

#[test]
fn they_are_applied_in_the_order_of_the_table() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    // A port is bound twice only if both have said so before; and what listens is bound already.
    let options = || {
        map([
            ("listen", int(3)),
            ("bind", binary(inet_address())),
            ("reuseport", yes()),
            ("freebind", yes()),
        ])
    };
    let first = port.open(open_with(namespace.by_path(), tcp(), options()));
    let second = port.open(open_with(namespace.by_path(), tcp(), options()));
    for fd in [&first, &second] {
        assert_eq!(socket::name(fd), inet_address());
        assert_eq!(of_socket(fd, libc::SO_ACCEPTCONN), 1);
    }
    port.end();
}
