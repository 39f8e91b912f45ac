//! Options, observed on the descriptor that arrives.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::libc;

use crate::client::Port;
use crate::commands::{NETFILTER, ROUTE, open_with};
use crate::etf::{Term, atom, int, list, map};
use crate::reply::at;
use crate::scene::Namespace;
use crate::socket;
use crate::starting::without;

/// The boolean options and the numbers they have in the kernel.
const BOOLEANS: [(&str, libc::c_int); 5] = [
    ("ext_ack", 11),
    ("cap_ack", 10),
    ("strict_check", 12),
    ("no_enobufs", 5),
    ("listen_all_nsid", 8),
];

/// A size above what an unprivileged process may ask for.
fn beyond(limit: &str) -> (i32, i32) {
    let path = format!("/proc/sys/net/core/{limit}");
    let text = std::fs::read_to_string(&path).expect("the limit");
    let limit: i32 = text.trim().parse().expect("a number");
    (limit, limit + (1 << 20))
}

fn boolean(value: bool) -> Term {
    atom(if value { "true" } else { "false" })
}

/// The boolean options that are set. Kernels such as 6.1 don't tell of `listen_all_nsid`, and it is
/// then taken to be as is said.
fn booleans(fd: &OwnedFd, listen_all_nsid: bool) -> Vec<&'static str> {
    let is_set = |key, number| match socket::try_option(fd, libc::SOL_NETLINK, number) {
        Err(Errno::ENOPROTOOPT) if key == "listen_all_nsid" => listen_all_nsid,
        value => value.expect("an option") != 0,
    };
    BOOLEANS.into_iter().filter_map(|(key, number)| is_set(key, number).then_some(key)).collect()
}

#[test]
fn a_boolean_sets_the_option_of_its_name_and_no_other() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    for (key, _) in BOOLEANS {
        let options = map([(key, boolean(true))]);
        let fd = port.open(open_with(namespace.by_path(), ROUTE, options));
        assert_eq!(booleans(&fd, key == "listen_all_nsid"), [key]);
        assert_eq!(socket::bound_to(&fd), (0, 0), "{key} binds nothing");
    }
    port.end();
}

#[test]
fn a_boolean_may_be_false() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let options = Term::Map(BOOLEANS.map(|(key, _)| (atom(key), boolean(false))).to_vec());
    let fd = port.open(open_with(namespace.by_path(), ROUTE, options));
    assert!(booleans(&fd, false).is_empty());
    port.end();
}

#[test]
fn buffer_sizes_are_set() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    for (key, name) in [("rcvbuf", libc::SO_RCVBUF), ("sndbuf", libc::SO_SNDBUF)] {
        let options = map([(key, int(65536))]);
        let fd = port.open(open_with(namespace.by_path(), ROUTE, options));
        // The kernel counts its own overhead in: it doubles the value.
        assert_eq!(socket::option(&fd, libc::SOL_SOCKET, name), 2 * 65536, "{key}");
        assert_eq!(socket::bound_to(&fd), (0, 0), "{key} binds nothing");
    }
    port.end();
}

#[test]
fn buffer_sizes_are_forced_beyond_the_limit() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    for (key, name, limit) in BUFFERS {
        let (_, size) = beyond(limit);
        let options = map([(key, int(size))]);
        let fd = port.open(open_with(namespace.by_path(), ROUTE, options));
        assert_eq!(socket::option(&fd, libc::SOL_SOCKET, name), 2 * size, "{key}");
    }
    port.end();
}

const BUFFERS: [(&str, libc::c_int, &str); 2] =
    [("rcvbuf", libc::SO_RCVBUF, "rmem_max"), ("sndbuf", libc::SO_SNDBUF, "wmem_max")];

#[test]
fn without_net_admin_buffer_sizes_are_the_plain_option() {
    let namespace = Namespace::new();
    let mut port = without("net_admin").start();
    for (key, name, limit) in BUFFERS {
        let (limit, size) = beyond(limit);
        let options = map([(key, int(size))]);
        let fd = port.open(open_with(namespace.by_path(), ROUTE, options));
        assert_eq!(socket::option(&fd, libc::SOL_SOCKET, name), 2 * limit, "{key}");
        let options = map([(key, int(65536))]);
        let fd = port.open(open_with(namespace.by_path(), ROUTE, options));
        assert_eq!(socket::option(&fd, libc::SOL_SOCKET, name), 2 * 65536, "{key}");
    }
    port.end();
}

#[test]
fn groups_bind_with_their_mask() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    for mask in [1_u32, 0x8000_0001, 0x0001_0551, u32::MAX] {
        let options = map([("groups", int(mask))]);
        let fd = port.open(open_with(namespace.by_path(), ROUTE, options));
        let (port_id, groups) = socket::bound_to(&fd);
        assert_ne!(port_id, 0, "bound, with a port id of the kernel's choice");
        assert_eq!(groups, mask);
    }
    port.end();
}

#[test]
fn groups_of_0_is_a_plain_bind() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let options = map([("groups", int(0))]);
    let fd = port.open(open_with(namespace.by_path(), ROUTE, options));
    let (port_id, groups) = socket::bound_to(&fd);
    assert_ne!(port_id, 0);
    assert_eq!(groups, 0);
    assert!(socket::memberships(&fd).is_empty());
    port.end();
}

#[test]
fn memberships_bind_and_join_each_group() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    // 33 is a group that no mask can name.
    let options = map([("memberships", list([int(33), int(1), int(9)]))]);
    let fd = port.open(open_with(namespace.by_path(), ROUTE, options));
    assert_ne!(socket::bound_to(&fd).0, 0);
    assert_eq!(socket::memberships(&fd), [1, 9, 33]);
    port.end();
}

#[test]
fn no_memberships_is_a_bind_all_the_same() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    // "binds if not yet bound, then NETLINK_ADD_MEMBERSHIP for each" of none.
    let options = map([("memberships", list([]))]);
    let fd = port.open(open_with(namespace.by_path(), ROUTE, options));
    let (port_id, groups) = socket::bound_to(&fd);
    assert_ne!(port_id, 0);
    assert_eq!(groups, 0);
    port.end();
}

#[test]
fn groups_and_memberships_add_up() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let options = map([("groups", int(0b101)), ("memberships", list([int(2), int(34)]))]);
    let fd = port.open(open_with(namespace.by_path(), ROUTE, options));
    assert_eq!(socket::memberships(&fd), [1, 2, 3, 34]);
    assert_eq!(socket::bound_to(&fd).1, 0b111);
    port.end();
}

#[test]
fn all_options_go_together() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let mut pairs = BOOLEANS.map(|(key, _)| (atom(key), boolean(true))).to_vec();
    pairs.extend([
        (atom("rcvbuf"), int(100_000)),
        (atom("sndbuf"), int(50_000)),
        (atom("groups"), int(1)),
        (atom("memberships"), list([int(5)])),
    ]);
    // In whichever order they are written.
    for _ in 0..2 {
        pairs.reverse();
        let options = Term::Map(pairs.clone());
        let fd = port.open(open_with(namespace.by_pid(), ROUTE, options));
        assert_eq!(booleans(&fd, true), BOOLEANS.map(|(key, _)| key));
        assert_eq!(socket::option(&fd, libc::SOL_SOCKET, libc::SO_RCVBUF), 200_000);
        assert_eq!(socket::option(&fd, libc::SOL_SOCKET, libc::SO_SNDBUF), 100_000);
        assert_eq!(socket::memberships(&fd), [1, 5]);
        assert_eq!(socket::cookie(&fd), namespace.cookie);
    }
    port.end();
}

#[test]
fn an_option_that_the_kernel_refuses_is_a_setsockopt_error() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let before = port.descriptors();
    for group in [1000, i32::MAX] {
        let options = map([("memberships", list([int(1), int(group)]))]);
        let reply = port.ask(open_with(namespace.by_path(), ROUTE, options));
        assert_eq!(reply.failure(), at("setsockopt", libc::EINVAL));
    }
    port.holds_again(before);
    port.end();
}

#[test]
fn group_0_is_no_group() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let options = map([("memberships", list([int(0)]))]);
    let reply = port.ask(open_with(namespace.by_path(), ROUTE, options));
    // Groups count from 1. The program may say so itself or ask the kernel.
    let fine = reply.is_badarg() || reply.failure() == at("setsockopt", libc::EINVAL);
    assert!(fine, "{reply:?}");
    port.end();
}

#[test]
fn a_size_that_no_option_can_hold_gets_an_answer() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    for size in [i64::from(i32::MAX), 1 << 31, 1 << 32, i64::MAX] {
        // Whether these are out of range or cut to size is left open.
        let reply = port.ask(open_with(namespace.by_path(), ROUTE, map([("rcvbuf", int(size))])));
        assert!(reply.matches_some_outcome());
    }
    port.end();
}

#[test]
fn a_bind_that_the_kernel_refuses_is_a_bind_error() {
    let namespace = Namespace::new();
    let mut port = without("net_admin").start();
    let options = map([("groups", int(1))]);
    let reply = port.ask(open_with(namespace.by_path(), NETFILTER, options));
    assert_eq!(reply.failure(), at("bind", libc::EPERM));
    // A plain bind is everyone's.
    let options = map([("groups", int(0))]);
    let fd = port.open(open_with(namespace.by_path(), NETFILTER, options));
    assert_ne!(socket::bound_to(&fd).0, 0);
    port.end();
}

#[test]
fn a_membership_that_the_kernel_refuses_is_a_setsockopt_error() {
    let namespace = Namespace::new();
    let mut port = without("net_admin").start();
    let options = map([("memberships", list([int(1)]))]);
    let reply = port.ask(open_with(namespace.by_path(), NETFILTER, options));
    assert_eq!(reply.failure(), at("setsockopt", libc::EPERM));
    port.end();
}

#[test]
fn options_are_applied_in_the_order_of_the_table() {
    let namespace = Namespace::new();
    let mut port = without("net_admin net_broadcast").start();
    // Each of these fails alone; together, the first of the table does,
    // in whichever order the map has them.
    let listen = (atom("listen_all_nsid"), boolean(true));
    let groups = (atom("groups"), int(1));
    let memberships = (atom("memberships"), list([int(1)]));
    let cases = [
        (vec![listen.clone()], "setsockopt"),
        (vec![groups.clone()], "bind"),
        (vec![groups.clone(), listen], "setsockopt"),
        (vec![memberships.clone(), groups.clone()], "bind"),
        (vec![groups, memberships], "bind"),
    ];
    for (pairs, stage) in cases {
        let reply = port.ask(open_with(namespace.by_path(), NETFILTER, Term::Map(pairs)));
        assert_eq!(reply.failure(), at(stage, libc::EPERM));
    }
    port.end();
}
