//! The program never outlives its client, whatever its threads are doing.
//!
//! How long it takes is said on stderr. What is asserted is far more, for machines that are busy.

use crate::calls::start_watched;
use crate::hanging::HangingMount;
use crate::program::{POLL, Program, eventually, info, open};
use crate::scene::{Directory, Namespace, with_private_mounts};
use nix::errno::Errno;
use nix::libc;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const BOUND: Duration = Duration::from_secs(5);

/// Gives the client's ends to a process of their own and kills that. Returns when that was.
fn kill_client(program: &mut Program) -> Instant {
    let client = &mut program.client;
    let mut holder = Command::new("sleep")
        .arg("60")
        .stdin(client.take_stdin().expect("an open stdin"))
        .stdout(client.take_stdout().expect("an open stdout"))
        .stderr(Stdio::from(client.take_pair().expect("an open pair")))
        .spawn()
        .expect("sleep starts");
    assert_eq!(program.client.status().expect("a status"), None, "the program ended too early");
    let begin = Instant::now();
    holder.kill().expect("it is a child");
    holder.wait().expect("it is a child");
    begin
}

fn close_stdin(program: &mut Program) -> Instant {
    let begin = Instant::now();
    program.client.close_stdin();
    begin
}

/// Takes the client away, and returns when that was.
type TakeClient = fn(&mut Program) -> Instant;

/// Brings a program into a bad state, takes its client away, and expects its end.
fn ends(what: &str, program: &mut Program, take_client: TakeClient) -> ExitStatus {
    let begin = take_client(program);
    let status = program.wait_end();
    let took = begin.elapsed();
    eprintln!("{what}: gone after {:.1} ms", took.as_secs_f64() * 1000.0);
    assert!(took < BOUND, "{what}: gone after {took:?} only");
    status
}

fn hang(program: &mut Program, hanging: &HangingMount, count: usize) {
    for number in 0..count {
        program.send(&open(&hanging.path(&format!("netns-{number}"))));
    }
    let watch = program.watch();
    eventually("all lookups hang", || watch.threads_in(libc::SYS_openat) == count);
}

/// More replies than stdout can hold, of fewer requests than stdin can.
fn fill_stdout(program: &mut Program) {
    for _ in 0..2000 {
        program.send(&info());
    }
    let watch = program.watch();
    eventually("stdout is full", || watch.threads_in(libc::SYS_write) == 1);
}

/// More descriptors than the pair can hold.
fn fill_pair(program: &mut Program, namespace: &Namespace) {
    for _ in 0..600 {
        program.send(&open(&namespace.path()));
    }
    let watch = program.watch();
    eventually("the pair is full", || watch.threads_in(POLL) > 10);
}

fn while_lookups_hang(what: &str, take_client: TakeClient) {
    with_private_mounts(|| {
        let directory = Directory::new();
        let hanging = HangingMount::at(directory.path()).expect("a mount");
        let mut program = Program::start();
        hang(&mut program, &hanging, 200);
        ends(what, &mut program, take_client);
    });
}

#[test]
fn a_killed_client_is_not_outlived_by_an_idle_program() {
    ends("killed, idle", &mut Program::start(), kill_client);
}

#[test]
fn a_killed_client_is_not_outlived_while_lookups_hang() {
    while_lookups_hang("killed, 200 lookups hang", kill_client);
}

#[test]
fn closing_stdin_ends_it_while_lookups_hang() {
    while_lookups_hang("stdin closed, 200 lookups hang", close_stdin);
}

#[test]
fn a_killed_client_is_not_outlived_while_stdout_is_full() {
    let mut program = Program::start();
    fill_stdout(&mut program);
    ends("killed, stdout full", &mut program, kill_client);
}

#[test]
fn closing_stdin_ends_it_while_stdout_is_full() {
    let mut program = Program::start();
    fill_stdout(&mut program);
    let status = ends("stdin closed, stdout full", &mut program, close_stdin);
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_killed_client_is_not_outlived_while_the_pair_is_full() {
    let mut program = Program::start();
    fill_pair(&mut program, &Namespace::new());
    ends("killed, pair full", &mut program, kill_client);
}

#[test]
fn closing_stdin_ends_it_while_the_pair_is_full() {
    let mut program = Program::start();
    fill_pair(&mut program, &Namespace::new());
    let status = ends("stdin closed, pair full", &mut program, close_stdin);
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_killed_client_is_not_outlived_when_all_of_it_comes_together() {
    with_private_mounts(|| {
        let directory = Directory::new();
        let hanging = HangingMount::at(directory.path()).expect("a mount");
        let namespace = Namespace::new();
        for (what, take_client) in
            [("killed", kill_client as TakeClient), ("stdin closed", close_stdin)]
        {
            let mut program = Program::start();
            hang(&mut program, &hanging, 100);
            fill_pair(&mut program, &namespace);
            fill_stdout(&mut program);
            ends(&format!("{what}, everything stuck"), &mut program, take_client);
        }
    });
}

#[test]
fn closing_stdin_ends_it_while_it_has_no_threads_and_stdout_is_full() {
    let (mut program, faults) = start_watched(&[libc::SYS_clone, libc::SYS_clone3], &[]);
    // By the time of an answer there are threads.
    program.ask(&info());
    faults.set(|_| Some(Errno::EAGAIN));
    let namespace = Namespace::new();
    // Each takes one of the threads that wait, until the main thread has to read.
    let served = (0..100).take_while(|_| program.outcome(&open(&namespace.path())) == "ok");
    assert!(served.count() < 100, "threads come from somewhere");
    fill_stdout(&mut program);
    let status = ends("stdin closed, no threads", &mut program, close_stdin);
    assert_eq!(status.code(), Some(0));
}
