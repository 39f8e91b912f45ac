//! A namespace file that hangs holds one thread, and nobody else.

use crate::hanging::HangingMount;
use crate::program::{Program, error, eventually, info, open, open_many};
use crate::scene::{Directory, Namespace, cookie, with_private_mounts};
use nix::errno::Errno;
use nix::libc;
use std::time::{Duration, Instant};

fn with_hanging(test: impl FnOnce(&mut HangingMount) + Send) {
    with_private_mounts(|| {
        let directory = Directory::new();
        test(&mut HangingMount::at(directory.path()).expect("a mount"));
    });
}

/// Sends requests whose lookups hang, each for a file of its own.
fn hang(program: &mut Program, hanging: &HangingMount, count: usize) {
    for number in 0..count {
        program.send(&open(&hanging.path(&format!("netns-{number}"))));
    }
    let watch = program.watch();
    eventually("all lookups hang", || watch.threads_in(libc::SYS_openat) == count);
}

/// Opens sockets one after the other; returns the median time of one.
fn serve(program: &mut Program, namespace: &Namespace) -> Duration {
    let mut times: Vec<_> = (0..300)
        .map(|_| {
            let begin = Instant::now();
            let socket = program.ask(&open(&namespace.path())).socket();
            let took = begin.elapsed();
            assert_eq!(cookie(&socket), namespace.cookie);
            took
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

#[test]
fn with_200_requests_stuck_others_are_served_as_before() {
    with_hanging(|hanging| {
        let namespace = Namespace::new();
        let mut program = Program::start();
        let before = serve(&mut program, &namespace);
        hang(&mut program, hanging, 200);
        let with_stuck = serve(&mut program, &namespace);
        eprintln!("median of an open: {before:?}, with 200 stuck: {with_stuck:?}");
        hanging.release();
        for _ in 0..200 {
            assert_eq!(program.receive().outcome, error("open", Errno::ECONNABORTED));
        }
    });
}

#[test]
fn with_200_requests_stuck_in_the_same_file_others_are_served_as_before() {
    with_hanging(|hanging| {
        let namespace = Namespace::new();
        let mut program = Program::start();
        for _ in 0..200 {
            program.send(&open(&hanging.path("netns")));
        }
        let watch = program.watch();
        eventually("all lookups hang", || watch.threads_in(libc::SYS_openat) == 200);
        serve(&mut program, &namespace);
        hanging.release();
        for _ in 0..200 {
            let outcome = program.receive().outcome;
            // Whoever comes after the first that was let go finds the mount dead.
            let dead = [Errno::ECONNABORTED, Errno::ENOTCONN].map(|errno| error("open", errno));
            assert!(dead.contains(&outcome), "{outcome}");
        }
    });
}

#[test]
fn above_the_limit_requests_are_refused_at_once_and_served_after_the_release() {
    with_hanging(|hanging| {
        let namespace = Namespace::new();
        let mut program = Program::start_with(&["--max-in-flight", "16"], |_| {});
        let rest = program.rest();
        hang(&mut program, hanging, 16);
        let refused = error("thread", Errno::EAGAIN);
        for _ in 0..100 {
            assert_eq!(program.outcome(&open(&namespace.path())), refused);
        }
        let many = program.outcome(&open_many([&*namespace.path(), &*namespace.path()]));
        assert_eq!(many, "{error,[{thread,11},{thread,11}]}");
        assert!(program.outcome(&info()).starts_with("{ok,"), "info needs no thread");

        hanging.release();
        for _ in 0..16 {
            assert_eq!(program.receive().outcome, error("open", Errno::ECONNABORTED));
        }
        serve(&mut program, &namespace);
        rest.returns();
    });
}
