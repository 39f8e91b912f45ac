//! From a process to its namespace.
//!
//! A process id means what it means in the program's own pid namespace. /proc need not be of that one:
//! it shows the ids of the pid namespace for which it was mounted. So the kernel is asked by a pidfd,
//! and where it can't answer, /proc only after it has been seen to speak of the same process.

use super::check::check;
use super::{NetnsFile, lookup, nsfs};
use crate::wire::{Failure, Stage};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::read;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::os::fd::{AsRawFd, OwnedFd};

/// More than the lines that are looked for have before them: status(5) in /proc has a name and 11 short ones.
const BEGINNING: usize = 1024;

/// Opens the namespace of the process `pid`, and of no other that got its id in the meantime.
pub fn find(pid: i32) -> Result<NetnsFile, Failure> {
    let Some(process) = Pid::from_raw(pid) else { return Err(no_process()) };
    match pidfd_open(process, PidfdFlags::empty()) {
        Ok(pidfd) => match nsfs::of_process(&pidfd) {
            Ok(namespace) => Ok(NetnsFile(namespace)),
            // A kernel before 6.11; a sandbox around us may refuse it.
            Err(Errno::ENOTTY | Errno::EPERM) => through_procfs(&pidfd),
            Err(errno) => Err(Stage::Open.fails()(errno)),
        },
        // A thread that leads no process. Older kernels say EINVAL.
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::INVAL) => Err(no_process()),
        // A kernel before 5.3 has no pidfds; a sandbox around us may refuse them.
        Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => without_pidfd(pid),
        Err(errno) => Err(Stage::Open.fails()(errno)),
    }
}

fn no_process() -> Failure {
    Stage::Open.fails()(Errno::ESRCH)
}

fn through_procfs(pidfd: &OwnedFd) -> Result<NetnsFile, Failure> {
    let shown_as = || first_number(&format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd()), "Pid:");
    match shown_as()? {
        // 0: there is no such process in its pid namespace.
        Some(0) | None => Err(Stage::Open.fails()(Errno::ENOENT)),
        Some(number) => {
            let file = in_procfs(number)?;
            // It still has its number, -1 if it is gone: so it had it when the file was opened.
            if shown_as()? == Some(number) { Ok(file) } else { Err(no_process()) }
        }
    }
}

/// Nothing holds on to the process here.
fn without_pidfd(pid: i32) -> Result<NetnsFile, Failure> {
    // The numbers of a process, from the pid namespace of /proc down to its own: only one if both are one.
    let numbers = line("/proc/self/status", "NSpid:")?;
    if numbers.is_none_or(|numbers| numbers.split_whitespace().count() != 1) {
        return Err(Stage::Open.fails()(Errno::ENOENT));
    }
    let leader = first_number(&format!("/proc/{pid}/status"), "Tgid:");
    let gone =
        |failure: Failure| if failure.errno == Errno::ENOENT { no_process() } else { failure };
    if leader.map_err(gone)? == Some(pid) { in_procfs(pid) } else { Err(no_process()) }
}

/// Opens the namespace of the process that has this number in /proc; one that is gone has none.
fn in_procfs(number: i32) -> Result<NetnsFile, Failure> {
    let found = lookup::anywhere(format!("/proc/{number}/ns/net").as_bytes());
    check(found.map_err(|errno| match errno {
        Errno::ENOENT => no_process(),
        _ => Stage::Open.fails()(errno),
    })?)
}

fn first_number(path: &str, key: &str) -> Result<Option<i32>, Failure> {
    let line = line(path, key)?;
    Ok(line.and_then(|line| line.split_whitespace().next()?.parse().ok()))
}

/// What follows `key` in a file of /proc.
fn line(path: &str, key: &str) -> Result<Option<String>, Failure> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let file = openat(AT_FDCWD, path, flags, Mode::empty()).map_err(Stage::Open.fails())?;
    let mut bytes = [0; BEGINNING];
    // One is enough: /proc fills what it is given. And the standard library asks for the size first.
    let length = read(&file, &mut bytes).map_err(Stage::Open.fails())?;
    let text = String::from_utf8_lossy(&bytes[..length]);
    Ok(text.lines().find_map(|line| line.strip_prefix(key)).map(str::to_owned))
}
