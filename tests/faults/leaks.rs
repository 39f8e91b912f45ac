//! After many requests nothing is left of them, and each socket was where it should be.

use crate::program::{Program, Watch, open, open_many};
use crate::scene::{Namespace, cookie};
use std::collections::HashMap;
use std::path::Path;

/// Opens sockets and throws them away, so many requests at a time.
fn throw_away(program: &mut Program, namespace: &Namespace, count: usize, window: usize) {
    let request = open(&namespace.path());
    let mut under_way = 0;
    for number in 0..count {
        program.send(&request);
        under_way += 1;
        while under_way >= if number == count - 1 { 1 } else { window } {
            drop(program.receive().socket());
            under_way -= 1;
        }
    }
}

/// Repeats something until the program holds no more memory after it than before. What is held for as
/// many threads as there were at the same time grows for a while; what is leaked grows each time.
fn stops_growing(watch: Watch, mut repeat: impl FnMut()) {
    let mut before = watch.memory();
    for _ in 0..20 {
        repeat();
        let after = watch.memory();
        eprintln!("{before} kB before, {after} kB after");
        if after < before + 128 {
            return;
        }
        before = after;
    }
    panic!("it grows and grows");
}

#[test]
fn ten_thousand_requests_leave_nothing() {
    let namespace = Namespace::new();
    let mut program = Program::start();
    let (rest, watch) = (program.rest(), program.watch());
    stops_growing(watch, || throw_away(&mut program, &namespace, 10_000, 64));
    rest.returns();
}

#[test]
fn requests_that_fail_leave_nothing_either() {
    let namespace = Namespace::new();
    let path = namespace.path();
    let many = open_many([&*path, "/dev/null", "/nowhere", &*path]);
    let mut program = Program::start();
    let (rest, watch) = (program.rest(), program.watch());
    stops_growing(watch, || {
        for _ in 0..2_000 {
            assert_eq!(program.outcome(&open(Path::new("/dev/null"))), "{error,{setns,22}}");
            assert_eq!(program.outcome(&open(Path::new("/nowhere"))), "{error,{open,2}}");
            assert_eq!(program.ask(&many).sockets.len(), 2);
        }
    });
    rest.returns();
}

#[test]
fn every_socket_is_in_the_namespace_asked_for() {
    let namespaces: Vec<_> = (0..16).map(|_| Namespace::new()).collect();
    let paths: Vec<_> = namespaces.iter().map(Namespace::path).collect();
    let mut program = Program::start();
    // Which namespaces each request is for, in order.
    let mut asked = HashMap::new();
    for round in 0..4_000 {
        // Steps that visit all of them, and neighbours that differ.
        let order: Vec<usize> = match round % 4 {
            0 => (0..16).map(|step| (round + 5 * step) % 16).collect(),
            _ => vec![(7 * round) % 16],
        };
        let request = match &order[..] {
            [one] => open(&paths[*one]),
            many => open_many(many.iter().map(|index| &*paths[*index])),
        };
        asked.insert(program.send(&request), order);
        while asked.len() >= if round == 3_999 { 1 } else { 100 } {
            let answer = program.receive();
            let order = asked.remove(&answer.id).expect("one reply to each request");
            let expected: Vec<_> = order.iter().map(|index| namespaces[*index].cookie).collect();
            let landed: Vec<_> = answer.sockets.iter().map(cookie).collect();
            assert_eq!(landed, expected, "of request {}", answer.id);
        }
    }
}
