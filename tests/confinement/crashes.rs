//! What is told of a program that a signal has ended.

use crate::port::{Port, program, words};
use crate::stopped::{WAIT, ends, serving};
use linx_netlink_client::Start;
use nix::libc;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// How a program ended that nobody asked to.
pub fn end(port: &mut Port) -> ExitStatus {
    let pid = Pid::from_raw(port.client.os_pid() as i32).expect("a process id");
    let process = pidfd_open(pid, PidfdFlags::empty()).expect("a process");
    assert!(ends(&process, WAIT), "it is still there");
    port.client.status().expect("its end").expect("a status")
}

/// What is told of it after one signal.
fn struck(start: &Start, signal: Signal) -> ExitStatus {
    let mut port = serving(start);
    kill_process(Pid::from_raw(port.os_pid()).expect("a process id"), signal).expect("a signal");
    end(&mut port)
}

#[test]
fn a_signal_that_means_a_crash_ends_it_at_once_and_is_told() {
    assert_eq!(struck(&program(), Signal::SEGV).signal(), Some(libc::SIGSEGV));
    assert_eq!(struck(&program(), Signal::BUS).signal(), Some(libc::SIGBUS));
}

#[test]
fn one_that_was_to_be_ignored_is_told_too() {
    let launcher = words(&["sh", "-c", "trap '' SEGV; exec \"$@\"", "sh"]);
    let status = struck(&Start { launcher, ..program() }, Signal::SEGV);
    assert_eq!(status.signal(), Some(libc::SIGSEGV));
}

#[test]
fn a_launcher_tells_it_as_139() {
    let launcher = words(&["sh", "-c", "\"$@\"; exit $?", "sh"]);
    let status = struck(&Start { launcher, ..program() }, Signal::SEGV);
    assert_eq!(status.code(), Some(128 + libc::SIGSEGV));
}
