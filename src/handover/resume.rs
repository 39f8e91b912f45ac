//! The end of a program that is stopped.
//!
//! Who is stopped (`SIGSTOP`) does not read that his stdin has ended. The kernel sends a signal when the
//! client's end of the pair is closed, and `SIGCONT` makes a stopped process go on, though it is ignored: then the
//! program finds that its client is gone, and ends.

#![allow(unsafe_code)]

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc::{self, F_SETOWN, SIGCONT};
use nix::unistd::{getpgrp, getpid, getppid, getsid};
use std::os::fd::{AsFd, AsRawFd};

/// `F_SETSIG` of `fcntl(2)`, which the libc crate doesn't know for every C library.
const F_SETSIG: i32 = 10;

/// Has the kernel resume the program, should it be stopped, when the other end of `pair` is closed. It
/// does so too when something comes over the pair, or there is room in it again.
///
/// A launcher that waits for the program, as sudo does, stops together with it, and is resumed too. It is
/// told by leading the session that the program is in: the BEAM gives each command a session of its own.
pub fn resume_when_closed(pair: &impl AsFd) -> Result<(), Errno> {
    let owner = if is_behind_launcher()? { -getpgrp().as_raw() } else { getpid().as_raw() };
    set(pair, F_SETOWN, owner)?;
    set(pair, F_SETSIG, SIGCONT)?;
    let flags = OFlag::from_bits_retain(fcntl(pair, FcntlArg::F_GETFL)?);
    fcntl(pair, FcntlArg::F_SETFL(flags | OFlag::O_ASYNC)).map(drop)
}

/// Whether the parent leads the session. Both are 0 where they are in a pid namespace above.
fn is_behind_launcher() -> Result<bool, Errno> {
    let leader = getsid(None)?;
    Ok(leader == getppid() && leader.as_raw() != 0)
}

/// A negative owner is a process group: `fcntl(2)`.
fn set(pair: &impl AsFd, command: i32, value: i32) -> Result<(), Errno> {
    // SAFETY: the descriptor is open as long as it is borrowed. Both commands take a number, and change no
    // memory of this process.
    let result = unsafe { libc::fcntl(pair.as_fd().as_raw_fd(), command, value) };
    Errno::result(result).map(drop)
}
