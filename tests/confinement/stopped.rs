//! A stopped program doesn't read that its client is gone, and is not left behind all the same.

use crate::port::{Port, atom, fails, number, path, program, tuple, words};
use linx_netlink_client::Start;
use nix::errno::Errno;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use std::fs::{read_dir, read_to_string};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// More than any of it takes, on however slow a machine.
pub const WAIT: Duration = Duration::from_secs(10);

/// A program that serves: with the hello alone, it may not have closed its own copy of the client's end yet.
pub fn serving(start: &Start) -> Port {
    let mut port = Port::start(start);
    port.info();
    port
}

/// Stops a process, and waits until it is.
fn stop(process: u32) -> OwnedFd {
    let pid = Pid::from_raw(process as i32).expect("a process id");
    kill_process(pid, Signal::STOP).expect("SIGSTOP");
    let limit = Instant::now() + WAIT;
    while !threads(process).into_iter().all(|it| it == 'T') {
        assert!(Instant::now() < limit, "{process} is not stopped");
    }
    pidfd_open(pid, PidfdFlags::empty()).expect("a process")
}

/// The state of each thread.
fn threads(process: u32) -> Vec<char> {
    let tasks = read_dir(format!("/proc/{process}/task")).expect("its threads");
    let ids = tasks.filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok());
    ids.filter_map(state).collect()
}

fn state(process: u32) -> Option<char> {
    let stat = read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Whether it has ended, if that takes no longer than `time`.
pub fn ends(process: &OwnedFd, time: Duration) -> bool {
    let time = Timespec::try_from(time).expect("a short time");
    let mut end = [PollFd::new(process, PollFlags::IN)];
    poll(&mut end, Some(&time)).expect("poll") == 1
}

/// What becomes of a client's ends when it is killed.
fn lose_client(port: &mut Port) {
    port.client.close_pair();
    drop(port.client.take_stdin());
    drop(port.client.take_stdout());
}

#[test]
fn it_ends_with_its_client() {
    let mut port = serving(&program());
    let process = stop(port.client.os_pid());
    lose_client(&mut port);
    assert!(ends(&process, WAIT), "it stays, {:?}", state(port.client.os_pid()));
    assert_eq!(port.client.status().expect("its end").and_then(|it| it.code()), Some(0));
}

#[test]
fn it_ends_with_its_client_behind_a_launcher_that_waits_and_is_stopped_too() {
    // As sudo under a BEAM: it leads a session.
    let launcher = words(&["setsid", "sh", "-c", "\"$@\"; exit $?", "sh"]);
    let mut port = serving(&Start { launcher, ..program() });
    let processes = [stop(port.os_pid() as u32), stop(port.client.os_pid())];
    lose_client(&mut port);
    assert!(processes.iter().all(|process| ends(process, WAIT)), "one stays");
}

#[test]
fn it_stays_stopped_as_long_as_its_client_is_there() {
    let mut port = serving(&program());
    let process = stop(port.client.os_pid());
    let request = tuple([number(1), atom("info")]);
    port.client.send(&request).expect("a request is sent");
    assert!(!ends(&process, Duration::ZERO));
    assert_eq!(state(port.client.os_pid()), Some('T'));
    kill_process(Pid::from_raw(port.os_pid()).expect("a process id"), Signal::CONT)
        .expect("SIGCONT");
    port.client.receive(WAIT).expect("an answer");
    assert_eq!(port.open(path("/nowhere"), 0).map(drop), fails("open", Errno::ENOENT));
}
