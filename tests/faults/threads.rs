//! The program can have no more threads: each request is told, and service returns by itself.

use crate::calls::{Faults, start_watched};
use crate::program::{Program, Rest, error, info, open, open_many};
use crate::scene::{Namespace, cookie};
use nix::errno::Errno;
use nix::libc;
use std::collections::HashSet;

/// A program all of whose threads are there.
fn start() -> (Program, Faults, Rest) {
    let (mut program, faults) = start_watched(&[libc::SYS_clone, libc::SYS_clone3], &[]);
    let rest = program.rest();
    (program, faults, rest)
}

/// Uses up the threads that wait for requests; returns how many sockets that gave.
fn use_up(program: &mut Program, namespace: &Namespace) -> usize {
    let request = open(&namespace.path());
    let mut count = 0;
    loop {
        match &*program.outcome(&request) {
            "ok" => count += 1,
            outcome => {
                assert_eq!(outcome, error("thread", Errno::EAGAIN));
                return count;
            }
        }
        assert!(count < 100, "threads come from somewhere");
    }
}

#[test]
fn without_threads_1024_requests_are_refused_and_then_service_returns() {
    let namespace = Namespace::new();
    let (mut program, faults, rest) = start();
    faults.set(|_| Some(Errno::EAGAIN));
    use_up(&mut program, &namespace);
    for _ in 0..1024 {
        assert_eq!(program.outcome(&open(&namespace.path())), error("thread", Errno::EAGAIN));
    }
    let many = program.outcome(&open_many([&*namespace.path(), &*namespace.path()]));
    assert_eq!(many, "{error,[{thread,11},{thread,11}]}");
    assert!(program.outcome(&info()).starts_with("{ok,"), "info needs no thread");
    rest.returns();

    faults.clear();
    for _ in 0..100 {
        assert_eq!(cookie(&program.ask(&open(&namespace.path())).socket()), namespace.cookie);
    }
    rest.returns();
}

#[test]
fn with_threads_now_and_then_every_request_gets_one_answer() {
    let namespace = Namespace::new();
    let (mut program, faults, rest) = start();
    // Each attempt to start a thread is two calls, the second in a way that is older.
    let mut calls = 0;
    faults.set(move |_| {
        calls += 1;
        (calls % 16 < 12).then_some(Errno::EAGAIN)
    });
    let mut asked = HashSet::new();
    let mut opened = 0;
    for round in 0..2000 {
        asked.insert(program.send(&open(&namespace.path())));
        while asked.len() >= if round == 1999 { 1 } else { 32 } {
            let answer = program.receive();
            assert!(asked.remove(&answer.id), "one reply to each request");
            if answer.outcome != "ok" {
                assert_eq!(answer.outcome, error("thread", Errno::EAGAIN));
                continue;
            }
            assert_eq!(cookie(&answer.socket()), namespace.cookie);
            opened += 1;
        }
    }
    eprintln!("{opened} of 2000 requests were served, {} threads refused", faults.failed());
    assert!(faults.failed() > 0 && opened > 0);
    faults.clear();
    for _ in 0..100 {
        drop(program.ask(&open(&namespace.path())).socket());
    }
    rest.returns();
}

#[test]
fn why_there_is_no_thread_is_told_as_the_kernel_said_it() {
    let namespace = Namespace::new();
    for (errno, told) in [
        (Errno::EPERM, Errno::EPERM),
        (Errno::ENOMEM, Errno::EAGAIN),
        (Errno::ENOSYS, Errno::ENOSYS),
    ] {
        let (mut program, faults, _) = start();
        faults.set(move |_| Some(errno));
        let outcome = (0..100)
            .map(|_| program.outcome(&open(&namespace.path())))
            .find(|outcome| outcome != "ok");
        // glibc turns one into the other, and musl all of them.
        let told = if cfg!(target_env = "musl") { Errno::EAGAIN } else { told };
        assert_eq!(outcome, Some(error("thread", told)));
    }
}
