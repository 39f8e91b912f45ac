use crate::container::Container;
use crate::scene::cookie;
use crate::{TIMEOUT, USER, ask, atom, failed, integer, open, outcome, pid, start, tuple};
use eetf::{ByteList, Map, Term, Tuple};
use linx_netlink_client::{Client, ClientError};
use nix::libc::EOWNERDEAD;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::HashMap;
use std::fs;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// The child processes of the port program, ended ones that were not waited for included.
pub fn children(program: u32) -> Vec<i32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{program}/task")) else { return Vec::new() };
    threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|line| {
            line.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>()
        })
        .collect()
}

pub fn descriptors(program: u32) -> usize {
    fs::read_dir(format!("/proc/{program}/fd")).expect("the program lives").count()
}

/// Sends `count` requests from 16 at a time on, and hands each answer to `check`.
fn keep_16_in_flight(
    client: &mut Client,
    container: &Container,
    count: i32,
    mut check: impl FnMut(Result<OwnedFd, Term>),
) {
    for id in 1..=16 {
        client.send(&open(pid(container), id)).expect("a request is sent");
    }
    for id in 17..=count + 16 {
        check(outcome(client.receive(TIMEOUT).expect("an answer")));
        if id <= count {
            client.send(&open(pid(container), id)).expect("a request is sent");
        }
    }
}

#[test]
fn ten_thousand_children_leave_neither_zombies_nor_descriptors() {
    let container = Container::new();
    let mut client = start(&[]);
    let (program, here) = (client.os_pid(), container.cookie());
    // Once it answers, it has closed what only the hello needed.
    let _info = ask(&mut client, &tuple(vec![integer(1), atom("info")]));
    let before = descriptors(program);
    let mut opened = 0;
    // Answers, decoded and encoded, are what the other threads allocate for meanwhile.
    keep_16_in_flight(&mut client, &container, 10_000, |socket| {
        assert_eq!(cookie(&socket.expect("a socket")), here);
        opened += 1;
    });
    assert_eq!(opened, 10_000);
    assert_eq!(children(program), []);
    eventually("the descriptors are those of before", || descriptors(program) == before);
}

#[test]
fn a_child_that_is_stopped_or_killed_costs_its_own_request_only() {
    let container = Container::new();
    let mut client = start(&[]);
    let program = client.os_pid();
    let done = AtomicBool::new(false);
    let (mut served, mut killed, mut failures) = (0, 0, Vec::new());
    std::thread::scope(|scope| {
        let hunter = scope.spawn(|| hunt(program, &done));
        let limit = Instant::now() + TIMEOUT;
        while killed < 3 && Instant::now() < limit {
            keep_16_in_flight(&mut client, &container, 500, |answer| match answer {
                Ok(_) => served += 1,
                Err(failure) => {
                    killed += 1;
                    failures.push(failure);
                }
            });
        }
        done.store(true, Relaxed);
        let caught = hunter.join().expect("the hunter ends");
        assert!(caught >= killed, "{caught} were caught, {killed} failed");
    });
    for failure in failures {
        let id = integer_at_front(&failure);
        assert_eq!(failure, failed(id, "fork", EOWNERDEAD));
    }
    assert!(killed > 0 && served > 0, "{killed} killed, {served} served");
    assert_eq!(children(program), []);
    ask(&mut client, &open(pid(&container), 1)).expect("the program goes on");
}

fn integer_at_front(answer: &Term) -> i32 {
    match answer {
        Term::Tuple(Tuple { elements }) => match elements.first() {
            Some(Term::FixInteger(id)) => id.value,
            other => panic!("{other:?}"),
        },
        other => panic!("{other}"),
    }
}

/// Stops and then kills whatever children can be caught, until `done`; returns how many.
fn hunt(program: u32, done: &AtomicBool) -> u32 {
    let mut caught = 0;
    while !done.load(Relaxed) {
        for child in children(program) {
            if stop(child) && kill(Pid::from_raw(child), Signal::SIGKILL).is_ok() {
                caught += 1;
            }
        }
    }
    caught
}

#[test]
fn a_child_that_hangs_is_ended_and_its_request_answered() {
    let container = Container::new();
    let (mut client, child) = stop_some_child(&container);
    has_no_more_than_its_parent(child);
    let answer = outcome(client.receive(TIMEOUT).expect("an answer"));
    let failure = answer.expect_err("it could not go on");
    assert_eq!(failure, failed(integer_at_front(&failure), "fork", EOWNERDEAD));
    assert_eq!(children(client.os_pid()), []);
    ask(&mut client, &open(pid(&container), 1)).expect("the program goes on");
}

/// Every signal but SIGKILL and SIGSTOP: no handler runs on the memory of its parent.
const ALL_BLOCKED: &str = "SigBlk:\tfffffffffffbfeff";

/// But in the user namespace that it has entered, where every process of the owner's may do anything.
fn has_no_more_than_its_parent(child: i32) {
    let status = fs::read_to_string(format!("/proc/{child}/status")).expect("a stopped child");
    let uids = format!("Uid:\t{USER}\t{USER}\t{USER}\t{USER}");
    for line in [&*uids, "NoNewPrivs:\t1", "Seccomp:\t2", "Seccomp_filters:\t2", ALL_BLOCKED] {
        assert!(status.lines().any(|it| it == line), "{line} is not in {status}");
    }
}

#[test]
fn a_program_that_is_killed_takes_its_children_with_it() {
    let container = Container::new();
    let (mut client, child) = stop_some_child(&container);
    client.kill().expect("the program is killed");
    eventually("the child is gone", || {
        !fs::exists(format!("/proc/{child}")).expect("/proc is there")
    });
}

/// A program, and a child of it that was stopped in the middle of its work. Children live for some
/// microseconds: one is caught sooner or later.
fn stop_some_child(container: &Container) -> (Client, i32) {
    let limit = Instant::now() + TIMEOUT;
    while Instant::now() < limit {
        let mut client = start(&[]);
        if let Some(child) = stop_a_child(&mut client, container) {
            return (client, child);
        }
    }
    panic!("no child was caught");
}

/// Stops a child in the middle of its work; `None` if all of a hundred were too quick.
fn stop_a_child(client: &mut Client, container: &Container) -> Option<i32> {
    let inside = fs::read_link(container.path()).expect("the namespace file");
    let is_inside =
        |child: &i32| fs::read_link(format!("/proc/{child}/ns/net")).is_ok_and(|it| it == inside);
    for id in 1..100 {
        client.send(&open_slowly(pid(container), id)).expect("a request is sent");
        while let Err(ClientError::TimedOut) = client.receive(Duration::ZERO) {
            let child = children(client.os_pid()).into_iter().find(is_inside);
            if child.is_some_and(stop) {
                return child;
            }
        }
    }
    None
}

/// A request that takes some thousand system calls.
fn open_slowly(netns: Term, id: i32) -> Term {
    let groups: Term = ByteList::from(vec![1; 16_000]).into();
    let options = Map::from(HashMap::from([(atom("memberships"), groups)]));
    let command = tuple(vec![atom("open_in_netns"), netns, integer(0), options.into()]);
    tuple(vec![integer(id), command])
}

/// Stops a process, unless it ends before.
fn stop(process: i32) -> bool {
    let _ = kill(Pid::from_raw(process), Signal::SIGSTOP);
    loop {
        let Ok(status) = fs::read_to_string(format!("/proc/{process}/stat")) else { return false };
        match status.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next()) {
            Some('T') => return true,
            Some('Z' | 'X') | None => return false,
            Some(_) => {}
        }
    }
}

/// Asks again and again until it is so.
pub fn eventually(what: &str, so: impl Fn() -> bool) {
    let limit = Instant::now() + TIMEOUT;
    while !so() {
        assert!(Instant::now() < limit, "never: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
