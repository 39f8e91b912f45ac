//! Descriptors to the program, and `{fd, Key}`.

use std::fs::File;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::thread;

use nix::libc;
use nix::sys::socket::{setsockopt, sockopt::Linger};
use rustix::fs::{Mode, OFlags};

use crate::client::{Port, Reply};
use crate::commands::{ROUTE, any, entry, netns, new, open, open_many, sent};
use crate::etf::{Term, atom, int, tuple};
use crate::netns::StuckMount;
use crate::reply::at;
use crate::scene::{Namespace, cookie_of_netns, with_private_mounts};
use crate::socket;
use crate::wire::eventually;

/// The descriptors that the program keeps for its client.
const MOST: u64 = 64;

fn file(namespace: &Namespace) -> File {
    File::open(namespace.path()).expect("a namespace file")
}

#[test]
fn what_was_sent_is_the_namespace_that_is_named() {
    let [first, second] = [Namespace::new(), Namespace::new()];
    let mut port = Port::start();
    let before = port.descriptors();
    for key in [0, 1, 255, 256, 1 << 31, 1 << 32, u64::MAX] {
        port.send_descriptor(key, file(&first));
        let fd = port.open(open(sent(key), ROUTE));
        assert_eq!(socket::cookie(&fd), first.cookie, "{key}");
        port.send_descriptor(key, file(&second));
        let fd = port.open(open(sent(key), any(libc::AF_INET, libc::SOCK_DGRAM, 0)));
        assert_eq!(socket::cookie(&fd), second.cookie, "{key}");
        port.send_descriptor(key, file(&second));
        let fd = port.open(open(sent(key), netns()));
        assert_eq!(cookie_of_netns(&fd), second.cookie, "{key}");
    }
    port.holds_again(before);
    port.end();
}

#[test]
fn what_the_program_has_handed_over_comes_back_as_a_namespace() {
    let mut port = Port::start();
    let made = port.open(open(new(), netns()));
    port.send_descriptor(7_u8, &made);
    let fd = port.open(open(sent(7), ROUTE));
    assert_eq!(socket::cookie(&fd), cookie_of_netns(&made));
    port.end();
}

#[test]
fn it_is_used_once() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    port.send_descriptor(7_u8, file(&namespace));
    port.open(open(sent(7), ROUTE));
    for key in [7, 8] {
        assert_eq!(port.ask(open(sent(key), ROUTE)).failure(), at("open", libc::EBADF));
    }
    port.end();
}

#[test]
fn entries_of_one_request_use_one_each() {
    let [first, second] = [Namespace::new(), Namespace::new()];
    let mut port = Port::start();
    let before = port.descriptors();
    port.send_descriptor(1_u8, file(&first));
    port.send_descriptor(2_u8, file(&second));
    let outcomes = port
        .ask(open_many([
            entry(sent(2), ROUTE),
            entry(sent(1), netns()),
            entry(sent(1), ROUTE),
            entry(first.by_path(), ROUTE),
        ]))
        .opened_many();
    let mut outcomes = outcomes.into_iter();
    let mut next = || outcomes.next().expect("an outcome");
    assert_eq!(socket::cookie(&next().expect("it worked")), second.cookie);
    assert_eq!(cookie_of_netns(&next().expect("it worked")), first.cookie);
    assert_eq!(next().map(drop), Err(at("open", libc::EBADF)));
    assert_eq!(socket::cookie(&next().expect("it worked")), first.cookie);
    port.holds_again(before);
    port.end();
}

#[test]
fn what_is_no_open_network_namespace_is_a_setns_error() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let before = port.descriptors();
    // Not by the standard library, which drops the flag where musl counts it among the access modes.
    let only_found = rustix::fs::open(namespace.path(), OFlags::PATH, Mode::empty());
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    let others: Vec<OwnedFd> = vec![
        File::open("/dev/null").expect("it").into(),
        File::open("/dev/zero").expect("it").into(),
        File::open("/").expect("it").into(),
        File::open("/proc/self/ns/mnt").expect("it").into(),
        File::open("/proc/self/ns/user").expect("it").into(),
        File::open("/proc/self/maps").expect("it").into(),
        only_found.expect("it"),
        reader.into(),
        TcpListener::bind("127.0.0.1:0").expect("it").into(),
        port.pair().try_clone().expect("it"),
    ];
    for other in &others {
        for what in [int(ROUTE), netns()] {
            port.send_descriptor(7_u8, other);
            let reply = port.ask(open(sent(7), what));
            assert_eq!(reply.failure(), at("setns", libc::EINVAL), "{other:?}");
        }
    }
    port.holds_again(before);
    port.end();
}

#[test]
fn the_later_of_two_with_the_same_key_is_kept() {
    let [first, second] = [Namespace::new(), Namespace::new()];
    let mut port = Port::start();
    let before = port.descriptors();
    for _ in 0..5 {
        port.send_descriptor(7_u8, file(&first));
    }
    port.send_descriptor(7_u8, file(&second));
    let fd = port.open(open(sent(7), ROUTE));
    assert_eq!(socket::cookie(&fd), second.cookie);
    port.holds_again(before);
    port.end();
}

#[test]
fn of_those_that_nobody_names_the_last_64_are_kept() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let before = port.descriptors();
    for key in 0..1_000_u64 {
        port.send_descriptor(key, file(&namespace));
    }
    // Also where no request comes.
    eventually(|| port.waiting_to_be_received(), |waiting| !waiting);
    port.holds_again(before + MOST as usize);
    for key in [0, 1, 1_000 - MOST - 1] {
        assert_eq!(port.ask(open(sent(key), ROUTE)).failure(), at("open", libc::EBADF));
    }
    for key in 1_000 - MOST..1_000 {
        let fd = port.open(open(sent(key), ROUTE));
        assert_eq!(socket::cookie(&fd), namespace.cookie);
    }
    port.holds_again(before);
    port.end();
}

#[test]
fn any_other_message_is_dropped_and_what_came_with_it_closed() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let before = port.descriptors();
    let one = file(&namespace);
    let descriptors = vec![one.as_fd(); 253];
    let seven = int(7).encode();
    for bytes in [
        Vec::new(),
        vec![0],
        vec![131],
        b"7".to_vec(),
        atom("key").encode(),
        int(-1).encode(),
        int(1_i128 << 64).encode(),
        tuple([int(7)]).encode(),
        Term::Binary(vec![7]).encode(),
        [&seven[..], &[0]].concat(),
        [&seven[..], &seven].concat(),
        vec![131; 100_000],
    ] {
        port.send_on_pair(&bytes, &descriptors[..1]);
        port.send_on_pair(&bytes, &[]);
    }
    // A key with none, or with more than one.
    for count in [0, 2, 3, 253] {
        port.send_on_pair(&seven, &descriptors[..count]);
    }
    assert_eq!(port.ask(open(sent(7), ROUTE)).failure(), at("open", libc::EBADF));
    port.holds_again(before);
    port.send_descriptor(7_u8, &one);
    let fd = port.open(open(sent(7), ROUTE));
    assert_eq!(socket::cookie(&fd), namespace.cookie);
    port.end();
}

#[test]
fn a_flood_of_descriptors_is_closed_and_delays_nobody_for_long() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let before = port.descriptors();
    let one = file(&namespace);
    let descriptors = vec![one.as_fd(); 253];
    for round in 0..400_u64 {
        port.send_on_pair(b"nonsense", &descriptors);
        port.send_descriptor(round, &one);
        if round % 20 == 0 {
            let fd = port.open(open(sent(round), ROUTE));
            assert_eq!(socket::cookie(&fd), namespace.cookie);
        }
    }
    port.holds_again(before + MOST as usize);
    assert!(port.peak_memory() < 64 << 20, "{} bytes", port.peak_memory());
    port.end();
}

#[test]
fn ten_thousand_that_are_named_leave_nothing() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let before = port.descriptors();
    let one = file(&namespace);
    for round in 0..200_u64 {
        let keys = || (0..50).map(move |index| round * 50 + index);
        keys().for_each(|key| port.send_descriptor(key, &one));
        let what = |key| if key % 2 == 0 { netns() } else { int(ROUTE) };
        let entries: Vec<_> = keys().map(|key| entry(sent(key), what(key))).collect();
        assert!(port.ask(open_many(entries)).opened_many().iter().all(Result::is_ok));
    }
    port.holds_again(before);
    port.end();
}

#[test]
fn what_is_no_key_is_badarg() {
    let mut port = Port::start();
    for key in [int(-1), int(1_i128 << 64), atom("key"), Term::Binary(vec![7]), tuple([])] {
        let place = tuple([atom("fd"), key.clone()]);
        assert!(port.ask(open(place, ROUTE)).is_badarg(), "{key:?}");
    }
    port.end();
}

#[test]
fn an_entry_that_is_refused_uses_it_up_too() {
    with_private_mounts(|| {
        let namespace = Namespace::new();
        let stuck = StuckMount::new();
        let mut port = Port::start();
        let before = port.descriptors();
        port.send_descriptor(1_u8, file(&namespace));
        let reply = port.ask(open(sent(1), any(65_535, 1, 0)));
        assert_eq!(reply.failure(), at("socket", libc::EAFNOSUPPORT));
        let stalled = crate::load::fill_up(&mut port, &stuck);
        port.send_descriptor(2_u8, file(&namespace));
        assert_eq!(port.ask(open(sent(2), ROUTE)).failure(), at("thread", libc::EAGAIN));
        drop(stuck);
        for _ in stalled {
            assert!(matches!(port.next(), Reply::Stdout(_)));
        }
        for key in [1, 2] {
            assert_eq!(port.ask(open(sent(key), ROUTE)).failure(), at("open", libc::EBADF));
        }
        port.holds_again(before);
        port.end();
    });
}

/// A connection whose last close waits for an hour, since what was sent is never received.
struct Lingering {
    stream: Option<TcpStream>,
    _peer: TcpStream,
}

impl Lingering {
    fn new() -> Lingering {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let mut stream = TcpStream::connect(listener.local_addr().expect("it")).expect("it");
        let (peer, _) = listener.accept().expect("a connection");
        let hour = libc::linger { l_onoff: 1, l_linger: 3_600 };
        setsockopt(&stream, Linger, &hour).expect("SO_LINGER");
        stream.set_nonblocking(true).expect("a flag");
        while stream.write(&[0; 65_536]).is_ok() {}
        stream.set_nonblocking(false).expect("a flag");
        Lingering { stream: Some(stream), _peer: peer }
    }

    /// Leaves the program as the only one that has it, which keeps it until it is named.
    fn send_as(&mut self, port: &Port, key: i64) {
        port.send_on_pair(
            &int(key).encode(),
            &[self.stream.take().expect("it is sent once").as_fd()],
        );
    }

    /// The program closes it at once, so either close may be the last, and wait.
    fn send_unnamed(&mut self, port: &Port) {
        let stream = self.stream.take().expect("it is sent once");
        port.send_on_pair(b"nonsense", &[stream.as_fd()]);
        thread::spawn(move || drop(stream));
    }
}

#[test]
fn descriptors_whose_close_waits_hold_nobody_up() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let mut lingering: Vec<_> = (0..40).map(|_| Lingering::new()).collect();
    let (named, unnamed) = lingering.split_at_mut(10);
    for (key, it) in named.iter_mut().enumerate() {
        it.send_as(&port, key as i64);
        let reply = port.ask(open(sent(key as i64), ROUTE));
        assert_eq!(reply.failure(), at("setns", libc::EINVAL));
    }
    for it in unnamed {
        it.send_unnamed(&port);
    }
    // Others are still received, and served.
    for key in 100..200_u64 {
        port.send_descriptor(key, file(&namespace));
        let fd = port.open(open(sent(key), ROUTE));
        assert_eq!(socket::cookie(&fd), namespace.cookie);
    }
    // Nor do they hold up its end.
    port.end();
}

#[test]
fn descriptors_whose_close_waits_take_places_of_those_in_flight_only_when_named() {
    let mut port = Port::start();
    let mut one = Lingering::new();
    one.send_as(&port, 1);
    let reply = port.ask(open(sent(1), ROUTE));
    assert_eq!(reply.failure(), at("setns", libc::EINVAL));
    let requests = port.info();
    let requests = requests.get("requests").expect("counts");
    assert_eq!(requests.get("in_flight"), Some(&Term::Int(1)));
    port.end();
}
