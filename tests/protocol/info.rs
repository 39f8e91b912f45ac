//! `info`: what the program is and how it is doing.

use crate::client::Port;
use crate::commands::{ROUTE, entry, open, open_many};
use crate::etf::{Term, atom, binary};
use crate::scene::Namespace;
use crate::wire::eventually;

#[test]
fn info_says_the_same_as_the_hello() {
    let mut port = Port::start();
    let hello = port.hello.tuple_of::<2>().expect("{hello, Map}")[1].clone();
    let info = port.info();
    for key in ["protocol", "version", "os_pid"] {
        assert!(info.get(key).is_some(), "{key} in {info:?}");
        assert_eq!(info.get(key), hello.get(key), "{key}");
    }
    let sorted = |map: &Term| {
        let all = map.get("capabilities").and_then(Term::as_list).expect("a list").to_vec();
        let mut names: Vec<_> = all.iter().map(|c| format!("{c:?}")).collect();
        names.sort();
        names
    };
    assert_eq!(sorted(&info), sorted(&hello));
    port.end();
}

#[test]
fn info_has_numbers_that_make_sense() {
    let mut port = Port::start();
    assert!(port.info_int("max_in_flight") > 0);
    let first = port.info_int("uptime_ms");
    assert!(first >= 0);
    // It counts: waiting for that is all that can be said of a clock here.
    eventually(|| port.info_int("uptime_ms"), |now| *now > first);
    for key in ["ok", "error", "in_flight"] {
        assert!(port.count_of(key) >= 0, "{key}");
    }
    port.end();
}

#[test]
fn info_counts_the_requests_that_worked() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let before = port.count_of("ok");
    for _ in 0..3 {
        port.open(open(namespace.by_path(), ROUTE));
    }
    // The count may follow the reply, and `info` itself may count.
    eventually(|| port.count_of("ok"), |now| *now >= before + 3);
    port.end();
}

#[test]
fn info_counts_the_requests_that_failed() {
    let mut port = Port::start();
    let before = port.count_of("error");
    for _ in 0..3 {
        port.ask(open(binary("/nowhere/netns"), ROUTE)).failure();
    }
    port.ask(open_many([entry(binary("/nowhere/netns"), ROUTE)])).failed_many();
    eventually(|| port.count_of("error"), |now| *now >= before + 4);
    port.end();
}

#[test]
fn info_counts_nothing_in_flight_when_all_is_answered() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    port.open(open(namespace.by_path(), ROUTE));
    port.ask(open(binary("/nowhere/netns"), ROUTE)).failure();
    // `info` may count itself.
    eventually(|| port.count_of("in_flight"), |now| *now <= 1);
    port.end();
}

#[test]
fn info_may_be_asked_any_number_of_times() {
    let mut port = Port::start();
    let before = port.descriptors();
    for _ in 0..500 {
        port.ask(atom("info")).info();
    }
    port.holds_again(before);
    port.end();
}
