//! The client stops reading: threads and memory stay bounded, and nothing is lost once it reads
//! again.

use crate::program::{Answer, POLL, Program, error, eventually, frame, info, open, open_many};
use crate::scene::{Namespace, cookie};
use eetf::Term;
use linx_netlink_client::Channel;
use nix::errno::Errno;
use nix::libc;
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::thread::{self, JoinHandle};

/// Threads that serve, 256 at most, those that wait, and some that are about to end.
const THREADS: usize = 256 + 10 + 16;

/// Kilobytes: some frames of the largest size, and threads.
const MEMORY: usize = 48 * 1024;

/// Sends requests with ids from 0 from a thread of its own, which waits when the program does not
/// read.
fn send_all(program: &mut Program, requests: Vec<Term>) -> JoinHandle<()> {
    let mut stdin = program.client.take_stdin().expect("an open stdin");
    thread::spawn(move || {
        for (id, request) in (0..).zip(&requests) {
            stdin.write_all(&frame(id, request)).expect("the program reads");
        }
        // Until all replies are read: the program ends with its stdin.
        thread::park();
    })
}

fn is_bounded(program: &Program) {
    let (threads, memory) = (program.watch().threads(), program.watch().peak());
    eprintln!("{threads} threads, {memory} kB");
    assert!(threads <= THREADS, "{threads} threads");
    assert!(memory <= MEMORY, "{memory} kB");
}

/// Waits until stdout is full, and the program reads no more.
fn await_full_stdout(program: &Program) {
    let watch = program.watch();
    eventually("stdout is full", || watch.threads_in(libc::SYS_write) > 0);
}

/// Receives a reply to each of so many requests, in any order.
fn receive_all(program: &mut Program, count: u64, mut check: impl FnMut(Answer)) {
    let mut missing: BTreeSet<u64> = (0..count).collect();
    while !missing.is_empty() {
        let answer = program.receive();
        assert!(missing.remove(&answer.id), "another reply to {}", answer.id);
        check(answer);
    }
}

#[test]
fn a_pair_that_is_not_read_holds_a_bounded_number_of_threads() {
    let namespace = Namespace::new();
    let mut program = Program::start();
    let rest = program.rest();
    // No more than stdin can hold.
    let mut missing: BTreeSet<u64> =
        (0..1000).map(|_| program.send(&open(&namespace.path()))).collect();
    let last = program.send(&info());
    let refused = error("thread", Errno::EAGAIN);
    // Once this is answered, all that are refused have been.
    loop {
        let answer = program.receive_on(Channel::Stdout);
        if answer.id == last {
            break;
        }
        assert!(missing.remove(&answer.id), "another reply to {}", answer.id);
        assert_eq!(answer.outcome, refused);
    }
    let watch = program.watch();
    eventually("the pair is full", || watch.threads_in(POLL) > 1);
    is_bounded(&program);
    eprintln!("{} of 1000 requests were served", missing.len());
    while !missing.is_empty() {
        let answer = program.receive();
        assert!(missing.remove(&answer.id), "another reply to {}", answer.id);
        assert_eq!(cookie(&answer.socket()), namespace.cookie);
    }
    assert_eq!(cookie(&program.ask(&open(&namespace.path())).socket()), namespace.cookie);
    rest.returns();
}

#[test]
fn a_stdout_that_is_not_read_holds_a_bounded_number_of_threads() {
    let mut program = Program::start();
    let rest = program.rest();
    let count = 20_000;
    let sender = send_all(&mut program, vec![open(Path::new("/nowhere")); count as usize]);
    await_full_stdout(&program);
    is_bounded(&program);
    let told = [error("open", Errno::ENOENT), error("thread", Errno::EAGAIN)];
    receive_all(&mut program, count, |answer| assert!(told.contains(&answer.outcome)));
    is_bounded(&program);
    rest.returns();
    sender.thread().unpark();
    sender.join().expect("all was sent");
}

/// Has a write of the program to its stdout return where it would have waited.
fn make_stdout_nonblocking(program: &Program) {
    let process = pidfd_open(program.pid(), PidfdFlags::empty()).expect("the program lives");
    let stdout = pidfd_getfd(process, 1, PidfdGetfdFlags::empty()).expect("these tests need root");
    fcntl_setfl(&stdout, OFlags::WRONLY | OFlags::NONBLOCK).expect("a pipe");
}

#[test]
fn a_stdout_that_does_not_wait_loses_nothing() {
    let mut program = Program::start();
    let rest = program.rest();
    make_stdout_nonblocking(&program);
    let count = 5000;
    let sender = send_all(&mut program, vec![info(); count as usize]);
    let watch = program.watch();
    // One waits for the client's end.
    eventually("stdout is full", || watch.threads_in(POLL) > 1);
    receive_all(&mut program, count, |answer| assert!(answer.outcome.starts_with("{ok,")));
    rest.returns();
    sender.thread().unpark();
    sender.join().expect("all was sent");
}

#[test]
fn of_a_client_that_reads_nothing_nothing_is_lost() {
    let namespace = Namespace::new();
    let path = namespace.path();
    // Some 1 MB each, none of which opens anything.
    let long = format!("/{}", "nowhere/".repeat(500));
    let large = open_many([Path::new(&long); 253]);
    let requests: Vec<_> = (0..6000)
        .map(|number| match number % 100 {
            0 => large.clone(),
            it if it % 3 == 0 => open(Path::new("/nowhere")),
            it if it % 3 == 1 => open_many([&*path, "/nowhere", &*path]),
            _ => open(&path),
        })
        .collect();
    let mut program = Program::start();
    let rest = program.rest();
    let count = requests.len() as u64;
    let sender = send_all(&mut program, requests);
    await_full_stdout(&program);
    is_bounded(&program);
    let mut sockets = 0;
    receive_all(&mut program, count, |answer| {
        sockets += answer.sockets.len();
        assert!(answer.sockets.iter().all(|it| cookie(it) == namespace.cookie));
    });
    eprintln!("{sockets} sockets");
    is_bounded(&program);
    rest.returns();
    sender.thread().unpark();
    sender.join().expect("all was sent");
}
