//! `new` and `{new, user}`: namespaces that the program makes.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use nix::libc;
use nix::sched::{CloneFlags, setns};

use crate::client::{Port, Reply};
use crate::commands::{ROUTE, any, entry, netns, new, new_for_user, open, open_many, open_with};
use crate::etf::{Term, atom, int, map, tuple};
use crate::launch::Launch;
use crate::reply::at;
use crate::scene::{Namespace, cookie_of_netns, in_thread};
use crate::socket;
use crate::wire::eventually;

const NS_GET_USERNS: libc::Ioctl = 0xb701;

/// The inode of the user namespace to which a network namespace belongs.
fn owner(netns: &OwnedFd) -> u64 {
    // SAFETY: the request takes no argument and returns a descriptor, which is nobody else's.
    let file = unsafe {
        let owner = libc::ioctl(netns.as_raw_fd(), NS_GET_USERNS);
        assert!(owner >= 0, "{}", std::io::Error::last_os_error());
        File::from(OwnedFd::from_raw_fd(owner))
    };
    file.metadata().expect("its number").ino()
}

fn own_user_namespace() -> u64 {
    std::fs::metadata("/proc/self/ns/user").expect("its number").ino()
}

/// The interfaces of a namespace.
fn interfaces(netns: &OwnedFd) -> Vec<String> {
    in_thread(|| {
        setns(netns.as_fd(), CloneFlags::CLONE_NEWNET).expect("root");
        let text = std::fs::read_to_string("/proc/thread-self/net/dev").expect("the interfaces");
        let rows = text.lines().skip(2).filter_map(|line| line.split(':').next());
        rows.map(|name| name.trim().to_owned()).collect()
    })
}

#[test]
fn each_entry_has_a_namespace_of_its_own() {
    let mut port = Port::start();
    let own = socket::cookie_here();
    let mut cookies = BTreeSet::from([own]);
    for place in [new, new_for_user] {
        for _ in 0..3 {
            let fd = port.open(open(place(), ROUTE));
            assert!(socket::is_close_on_exec(&fd));
            assert!(cookies.insert(socket::cookie(&fd)), "one is there twice");
        }
        let entries: Vec<_> = (0..5).map(|_| entry(place(), ROUTE)).collect();
        for outcome in port.ask(open_many(entries)).opened_many() {
            let fd = outcome.expect("it worked");
            assert!(cookies.insert(socket::cookie(&fd)), "one is there twice");
        }
    }
    port.end();
}

#[test]
fn only_loopback_is_in_it() {
    let mut port = Port::start();
    for place in [new(), new_for_user()] {
        let fd = port.open(open(place, netns()));
        assert_eq!(interfaces(&fd), ["lo"]);
    }
    port.end();
}

#[test]
fn any_kind_of_descriptor_is_opened_in_it() {
    let mut port = Port::start();
    let before = port.descriptors();
    let here = socket::cookie_here();
    for place in [new, new_for_user] {
        for (domain, kind) in [
            (libc::AF_INET, libc::SOCK_STREAM),
            (libc::AF_INET6, libc::SOCK_RAW),
            (libc::AF_PACKET, libc::SOCK_RAW),
            (libc::AF_NETLINK, libc::SOCK_DGRAM),
        ] {
            let protocol = if kind == libc::SOCK_RAW { libc::IPPROTO_RAW } else { 0 };
            let fd =
                port.open(open_with(place(), any(domain, kind, protocol), map([("mark", int(3))])));
            assert_ne!(socket::cookie(&fd), here);
            assert_eq!(socket::option(&fd, libc::SOL_SOCKET, libc::SO_MARK), 3);
        }
        let fd = port.open(open(place(), netns()));
        assert_ne!(cookie_of_netns(&fd), here);
    }
    // But for the user namespace, which is made once.
    port.holds_again(before + 1);
    port.end();
}

#[test]
fn one_user_namespace_owns_all_that_belong_to_the_user() {
    let mut port = Port::start();
    let program = port.open(open(new(), netns()));
    assert_eq!(owner(&program), own_user_namespace());
    let first = port.open(open(new_for_user(), netns()));
    assert_ne!(owner(&first), own_user_namespace());
    let many = port.ask(open_many(vec![entry(new_for_user(), netns()); 10])).opened_many();
    for outcome in many {
        assert_eq!(owner(&outcome.expect("it worked")), owner(&first));
    }
    let mut other = Port::start();
    let elsewhere = other.open(open(new_for_user(), netns()));
    assert_ne!(owner(&elsewhere), owner(&first));
    other.end();
    port.end();
}

#[test]
fn those_that_ask_for_the_first_at_the_same_time_get_the_same_owner() {
    let mut port = Port::start();
    for _ in 0..16 {
        port.request(open(new_for_user(), netns()));
    }
    let owners: BTreeSet<_> = (0..16).map(|_| owner(&port.next().opened())).collect();
    assert_eq!(owners.len(), 1);
    port.end();
}

#[test]
fn entries_behind_it_are_opened_where_they_say() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let outcomes = port
        .ask(open_many([
            entry(namespace.by_path(), ROUTE),
            entry(new(), ROUTE),
            entry(namespace.by_path(), ROUTE),
            entry(new_for_user(), ROUTE),
            entry(namespace.by_path(), ROUTE),
            entry(new(), netns()),
            entry(namespace.by_pid(), ROUTE),
        ]))
        .opened_many();
    let fds: Vec<_> = outcomes.into_iter().map(|it| it.expect("it worked")).collect();
    for index in [0, 2, 4, 6] {
        assert_eq!(socket::cookie(&fds[index]), namespace.cookie, "{index}");
    }
    port.end();
}

#[test]
fn what_is_no_owner_is_badarg() {
    let mut port = Port::start();
    for place in [
        tuple([atom("new"), atom("root")]),
        tuple([atom("new"), atom("system")]),
        tuple([atom("new")]),
        tuple([atom("new"), atom("user"), atom("user")]),
        tuple([atom("new"), int(0)]),
        atom("user"),
    ] {
        assert!(port.ask(open(place.clone(), ROUTE)).is_badarg(), "{place:?}");
    }
    port.end();
}

#[test]
fn a_socket_that_fails_in_a_new_namespace_says_so() {
    let mut port = Port::start();
    for place in [new, new_for_user] {
        let reply = port.ask(open(place(), any(65_535, 1, 0)));
        assert_eq!(reply.failure(), at("socket", libc::EAFNOSUPPORT));
        let options = map([("bindtodevice", Term::Binary(b"nothing0".into()))]);
        let reply = port.ask(open_with(place(), any(libc::AF_INET, 2, 0), options));
        assert_eq!(reply.failure(), at("setsockopt", libc::ENODEV));
    }
    port.end();
}

/// The program as root of a user namespace in which there may be so many network namespaces.
fn with_room_for(count: u32) -> Port {
    let script = format!("echo {count} >/proc/sys/user/max_net_namespaces && exec \"$@\"");
    Launch::new().by(&["unshare", "--user", "--map-root-user", "sh", "-c", &script, "sh"]).start()
}

#[test]
fn when_there_may_be_no_more_it_is_an_unshare_error() {
    let mut port = with_room_for(3);
    let held: Vec<_> = (0..3).map(|_| port.open(open(new(), netns()))).collect();
    for place in [new(), new_for_user()] {
        assert_eq!(port.ask(open(place, ROUTE)).failure(), at("unshare", libc::ENOSPC));
    }
    drop(held);
    eventually(|| port.ask(open(new(), ROUTE)).was_opened(), |opened| *opened);
    port.end();
}

/// One of a mix of all kinds.
fn mixed(index: usize) -> Term {
    let place = if index.is_multiple_of(2) { new() } else { new_for_user() };
    let what =
        if index.is_multiple_of(3) { netns() } else { any(libc::AF_INET, libc::SOCK_DGRAM, 0) };
    entry(place, what)
}

fn opened_of(reply: Reply) -> Vec<Result<OwnedFd, crate::reply::Failure>> {
    match reply {
        Reply::Pair(..) => reply.opened_many(),
        Reply::Stdout(_) => reply.failed_many().into_iter().map(Err).collect(),
    }
}

/// The kernel counts those too that it has not taken down yet, some time after the last descriptor was closed.
#[test]
fn ten_thousand_that_nobody_holds_leave_nothing() {
    const ROOM: usize = 2_000;
    let mut port = with_room_for(ROOM as u32);
    port.open(open(new_for_user(), netns()));
    let before = port.descriptors();
    let some = |from: usize| open_many((from..from + 250).map(mixed).collect::<Vec<_>>());
    let mut made = 0;
    while made < 10_000 {
        for outcome in opened_of(port.ask(some(made))) {
            match outcome {
                Ok(_) => made += 1,
                Err(failure) => assert_eq!(failure, at("unshare", libc::ENOSPC)),
            }
        }
    }
    port.holds_again(before);
    // All are gone when there is room again for as many as at first.
    let all_at_once = |port: &mut Port| {
        let mut held = Vec::new();
        while held.len() < ROOM {
            let opened = opened_of(port.ask(some(held.len()))).into_iter().flatten();
            let count = held.len();
            held.extend(opened);
            if held.len() == count {
                break;
            }
        }
        held.len()
    };
    eventually(|| all_at_once(&mut port), |count| *count >= ROOM);
    port.end();
}
