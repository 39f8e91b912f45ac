//! Much at once, odd input, and requests that don't come back: the program
//! neither crashes nor hangs nor leaks nor hoards.

use std::collections::BTreeSet;
use std::fs;

use nix::libc;

use crate::client::{Port, Reply, framed};
use crate::commands::{NO_PROTOCOL, ROUTE, entry, entry_with, open, open_many, open_with};
use crate::etf::{
    LIST, NIL, SMALL_INTEGER, Term, VERSION, atom, binary, int, list, map, tuple,
    write_tag_and_length,
};
use crate::framing::{LIMIT, still_serves};
use crate::netns::StuckMount;
use crate::reply::at;
use crate::scene::{Namespace, with_private_mounts};
use crate::socket;
use crate::wire::eventually;

/// The `index`th of a mix of requests that work and fail in every way.
fn mixed(namespace: &Namespace, index: usize) -> Term {
    match index % 6 {
        0 => open(namespace.by_path(), ROUTE),
        1 => open(binary("/nowhere/netns"), ROUTE),
        2 => atom("info"),
        3 => open_many(vec![entry(namespace.by_pid(), ROUTE); 3]),
        4 => open(namespace.by_pid(), NO_PROTOCOL),
        _ => atom("unknown"),
    }
}

#[test]
fn every_one_of_many_requests_gets_exactly_one_reply() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let before = port.descriptors();
    // Never more at once than are allowed, so that each is served.
    let window = usize::try_from(port.info_int("max_in_flight")).expect("a number").min(16);
    let total = 2000;
    let mut waiting = BTreeSet::new();
    let mut answered = 0;
    for index in 0..total {
        waiting.insert(i128::from(port.request(mixed(&namespace, index))));
        if waiting.len() >= window {
            answered += usize::from(waiting.remove(&port.next().id().expect("an id")));
        }
    }
    while !waiting.is_empty() {
        answered += usize::from(waiting.remove(&port.next().id().expect("an id")));
    }
    assert_eq!(answered, total, "a reply to each and no other");
    port.holds_again(before);
    port.end();
}

/// The processors that each thread of a process may run on, as the kernel writes them.
fn processors(process: &str) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("its threads");
    // One that has ended meanwhile has none.
    let status =
        tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("status")).ok());
    let line =
        |status: String| Some(status.split_once("Cpus_allowed:\t")?.1.lines().next()?.to_owned());
    status.filter_map(line).collect()
}

#[test]
fn threads_that_wait_for_requests_may_run_wherever_the_program_may() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let own = &processors("self")[0];
    for _ in 0..100 {
        port.open(open(namespace.by_path(), ROUTE));
    }
    let process = port.pid().to_string();
    eventually(|| processors(&process), |all| all.len() > 2 && all.iter().all(|it| it == own));
    port.end();
}

#[test]
fn requests_are_independent_of_one_that_is_stuck() {
    with_private_mounts(|| {
        let namespace = Namespace::new();
        let stuck = StuckMount::new();
        let mut port = Port::start();
        let first = port.request(open(stuck.netns(), ROUTE));
        for _ in 0..20 {
            let fd = port.open(open(namespace.by_path(), ROUTE));
            assert_eq!(socket::cookie(&fd), namespace.cookie);
        }
        drop(stuck);
        let late = port.next();
        assert_eq!(late.id(), Some(first.into()));
        assert_eq!(late.failure().0, "open");
        port.end();
    });
}

/// Sends requests that are stuck until no more may be in flight, and returns
/// their ids.
pub fn fill_up(port: &mut Port, stuck: &StuckMount) -> BTreeSet<i128> {
    let most = port.info_int("max_in_flight");
    let request = |_| port.request(open(stuck.netns(), ROUTE)).into();
    let ids = (0..most).map(request).collect();
    // `info` itself may count while it is answered.
    eventually(|| port.count_of("in_flight"), |now| *now >= most);
    ids
}

#[test]
fn a_request_too_many_is_told_and_the_service_goes_on() {
    with_private_mounts(|| {
        let namespace = Namespace::new();
        let stuck = StuckMount::new();
        let mut port = Port::start();
        let before = port.descriptors();
        let mut ids = fill_up(&mut port, &stuck);
        for command in [open(namespace.by_path(), ROUTE), open(stuck.netns(), ROUTE)] {
            assert_eq!(port.ask(command).failure(), at("thread", libc::EAGAIN));
        }
        drop(stuck);
        while !ids.is_empty() {
            let reply = port.next();
            assert!(ids.remove(&reply.id().expect("an id")), "{reply:?}");
            assert_eq!(reply.failure().0, "open");
        }
        // The count may follow the reply.
        eventually(|| port.count_of("in_flight"), |now| *now <= 1);
        let fd = port.open(open(namespace.by_path(), ROUTE));
        assert_eq!(socket::cookie(&fd), namespace.cookie);
        port.holds_again(before);
        port.end();
    });
}

#[test]
fn many_entries_too_many_at_once_are_told_in_their_own_shape() {
    with_private_mounts(|| {
        let namespace = Namespace::new();
        let stuck = StuckMount::new();
        let mut port = Port::start();
        let ids = fill_up(&mut port, &stuck);
        let reply = port.ask(open_many(vec![entry(namespace.by_path(), ROUTE); 3]));
        let failures = reply.failed_many();
        assert!(failures.iter().all(|f| *f == at("thread", libc::EAGAIN)), "{failures:?}");
        drop(stuck);
        ids.iter().for_each(|_| assert_eq!(port.next().failure().0, "open"));
        port.end();
    });
}

#[test]
fn a_client_that_reads_the_pair_late_gets_every_reply_once() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let before = port.descriptors();
    let total = 600;
    // More than the pair can hold, and fewer than can fill stdout.
    let mut ids: BTreeSet<_> =
        (0..total).map(|_| i128::from(port.request(open(namespace.by_path(), ROUTE)))).collect();
    let info = i128::from(port.request(atom("info")));
    ids.insert(info);
    while !ids.is_empty() {
        let reply = port.next();
        let id = reply.id().expect("an id");
        assert!(ids.remove(&id), "a second reply: {reply:?}");
        match reply {
            Reply::Pair(..) => assert_eq!(socket::cookie(&reply.opened()), namespace.cookie),
            _ if id == info => drop(reply.info()),
            // Some may have been too many at once, or more than the pair took.
            _ => assert!(matches!(reply.failure().0.as_str(), "thread" | "send"), "{reply:?}"),
        }
    }
    port.holds_again(before);
    port.end();
}

#[test]
fn no_more_requests_are_in_flight_than_there_may_be() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let most = port.info_int("max_in_flight");
    // Nobody reads the pair, so these can't all be handed over. What is
    // refused is on stdout, and fits there.
    for _ in 0..600 {
        port.request(open(namespace.by_path(), ROUTE));
    }
    let id = i128::from(port.request(atom("info")));
    let info = loop {
        let reply = Reply::Stdout(port.next_on_stdout());
        if reply.id() == Some(id) {
            break reply.info();
        }
    };
    let now = info.get("requests").and_then(|r| r.get("in_flight")).and_then(Term::as_int);
    let now = now.expect("in_flight");
    // `info` itself may count while it is answered.
    assert!(now <= most + 1, "{now} of {most} requests are in flight");
}

#[test]
fn descriptors_are_not_leaked_on_any_path() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    still_serves(&mut port);
    let before = port.descriptors();
    let bad = || map([("memberships", list([int(1000)]))]);
    for _ in 0..50 {
        for command in [
            open(namespace.by_path(), ROUTE),
            open(namespace.by_pid(), ROUTE),
            open(namespace.by_path(), NO_PROTOCOL),
            open(binary("/dev/null"), ROUTE),
            open(binary("/proc/self/ns/mnt"), ROUTE),
            open_with(namespace.by_path(), ROUTE, bad()),
            open_many([entry(namespace.by_path(), ROUTE), entry(binary("/nowhere"), ROUTE)]),
            open_many([entry_with(namespace.by_path(), ROUTE, bad()); 1]),
            atom("unknown"),
        ] {
            port.ask(command);
        }
        port.ask_frame(&[VERSION]);
    }
    port.holds_again(before);
    port.end();
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % below
    }
}

#[test]
fn every_damaged_request_gets_exactly_one_answer() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    still_serves(&mut port);
    let before = port.descriptors();
    let options = map([
        ("ext_ack", atom("true")),
        ("rcvbuf", int(65536)),
        ("groups", int(0x8000_0000_u32)),
        ("memberships", list([int(1), int(33)])),
    ]);
    let seeds = [
        tuple([int(1), open_with(namespace.by_path(), ROUTE, options.clone())]).encode(),
        tuple([int(u64::MAX), open_many([entry_with(namespace.by_pid(), ROUTE, options)])])
            .encode(),
        tuple([int(1), atom("info")]).encode(),
    ];
    let mut dice = Dice(0x5eed_1234_5678_9abc);
    for round in 0..5000 {
        let mut body = seeds[round % seeds.len()].clone();
        for _ in 0..=dice.roll(3) {
            let place = dice.roll(body.len());
            match dice.roll(3) {
                0 => body[place] = dice.roll(256) as u8,
                1 => drop(body.remove(place)),
                _ => body.insert(place, dice.roll(256) as u8),
            }
        }
        assert!(port.ask_frame(&body).matches_some_outcome(), "round {round}: {body:?}");
    }
    port.holds_again(before);
    port.end();
}

#[test]
fn every_frame_of_noise_gets_exactly_one_answer() {
    let mut port = Port::start();
    let mut dice = Dice(0xdead_beef_0bad_cafe);
    for round in 0..3000 {
        let mut body: Vec<_> = (0..dice.roll(80)).map(|_| dice.roll(256) as u8).collect();
        // Half of them get past the first byte.
        if let (Some(first), 0) = (body.first_mut(), round % 2) {
            *first = VERSION;
        }
        assert!(port.ask_frame(&body).matches_some_outcome(), "round {round}: {body:?}");
    }
    still_serves(&mut port);
    port.end();
}

#[test]
fn input_that_has_no_name_gets_an_answer_all_the_same() {
    let mut port = Port::start();
    let netns = || binary("/nowhere");
    let twice = Term::Map(vec![(atom("groups"), int(1)), (atom("groups"), int(2))]);
    let improper = [LIST, 0, 0, 0, 1, SMALL_INTEGER, 47, SMALL_INTEGER, 47];
    for term in [
        tuple([int(1), open_with(netns(), ROUTE, twice)]),
        tuple([int(1), open(Term::Raw(improper.to_vec()), ROUTE)]),
        Term::Raw(improper.to_vec()),
        // An atom that isn't UTF-8, one without a name, integers without a
        // byte, below zero and at zero from below.
        tuple([int(1), Term::Raw(vec![119, 2, 0xc3, 0x28])]),
        tuple([int(1), Term::Raw(vec![119, 0])]),
        tuple([Term::Raw(vec![110, 0, 0]), atom("info")]),
        tuple([Term::Raw(vec![110, 1, 1, 5]), atom("info")]),
        tuple([Term::Raw(vec![110, 1, 1, 0]), atom("info")]),
        tuple([Term::Raw(vec![110, 1, 2, 5]), atom("info")]),
    ] {
        assert!(port.ask_frame(&term.encode()).matches_some_outcome(), "{term:?}");
    }
    still_serves(&mut port);
    port.end();
}

/// A frame of nearly the limit that is a list of the smallest terms.
fn list_of_specks(count: usize, speck: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_tag_and_length(LIST, count, &mut bytes);
    bytes.extend(speck.repeat(count));
    bytes.push(NIL);
    bytes
}

/// What "a small multiple of the largest frame" is taken to be at most.
const SMALL_MULTIPLE: usize = 16 * LIMIT;

#[test]
fn a_large_frame_of_small_terms_is_not_held_many_times_over() {
    let mut port = Port::start();
    still_serves(&mut port);
    let before = port.peak_memory();
    for specks in [
        list_of_specks(LIMIT - 100, &[NIL]),
        list_of_specks(LIMIT / 2 - 100, &[SMALL_INTEGER, 1]),
        list_of_specks(LIMIT / 6 - 100, &[LIST, 0, 0, 0, 0, NIL]),
        list_of_specks(LIMIT / 2 - 100, &[119, 0]),
    ] {
        let id = port.request(tuple([atom("open_many"), Term::Raw(specks)]));
        let reply = port.next();
        assert!(reply.is_badarg() && reply.id() == Some(id.into()), "{reply:?}");
    }
    let grown = port.peak_memory() - before;
    assert!(grown < SMALL_MULTIPLE, "{grown} bytes more for frames of {LIMIT}");
    port.end();
}

#[test]
fn replies_that_nobody_reads_are_not_hoarded() {
    let mut port = Port::start();
    still_serves(&mut port);
    let before = port.peak_memory();
    // Each frame is answered, so what comes back is more than what goes in.
    // The program has to stop reading at some point; then so do we.
    let burst = framed(&tuple([int(1), atom("info")]).encode()).repeat(500);
    let mut sent = 0;
    while sent < 200_000 && port.send_if_read(&burst) {
        sent += 500;
    }
    let grown = port.peak_memory() - before;
    assert!(grown < SMALL_MULTIPLE, "{grown} bytes more after {sent} requests");
}
