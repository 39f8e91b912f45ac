//! As many requests as may be in flight are never too many, however fast the client is.

use crate::program::{Program, error, open};
use crate::scene::{Namespace, cookie};
use nix::errno::Errno;
use std::path::Path;

/// Keeps so many requests in flight: a reply, and the next request follows at once.
fn keep_in_flight(limit: usize, count: usize) {
    let namespace = Namespace::new();
    let mut program = Program::start_with(&["--max-in-flight", &limit.to_string()], |_| {});
    let works = open(&namespace.path());
    let fails = open(Path::new("/nowhere"));
    let mut under_way = 0;
    for number in 0..count {
        program.send(if number % 5 == 4 { &fails } else { &works });
        under_way += 1;
        while under_way >= if number == count - 1 { 1 } else { limit } {
            let answer = program.receive();
            under_way -= 1;
            if answer.id % 5 == 4 {
                assert_eq!(answer.outcome, error("open", Errno::ENOENT));
            } else {
                assert_eq!(cookie(&answer.socket()), namespace.cookie);
            }
        }
    }
}

#[test]
fn one_at_a_time_is_never_refused() {
    keep_in_flight(1, 5_000);
}

#[test]
fn four_at_a_time_are_never_refused() {
    keep_in_flight(4, 5_000);
}

#[test]
fn all_that_there_may_be_are_never_refused() {
    keep_in_flight(256, 10_000);
}
