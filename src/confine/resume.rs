//! The end of a program that is stopped.
//!
//! Who is stopped (`SIGSTOP`) does not read that his stdin has ended. The kernel sends a signal when the
//! other end of stdout is closed, and `SIGCONT` makes a stopped process go on, also one that ignores it:
//! then it finds that its client is gone, and ends.

#![allow(unsafe_code)]

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc::{self, F_SETOWN, S_IFIFO, S_IFMT, S_IFSOCK, SIGCONT};
use nix::unistd::{getpgrp, getpid, getppid, getsid};
use rustix::fs::fstat;
use std::io::{self, stdout};
use std::os::fd::{AsFd, AsRawFd};

/// `F_SETSIG` of `fcntl(2)`, which the libc crate doesn't know for every C library.
const F_SETSIG: i32 = 10;

/// Has the kernel resume the program, should it be stopped, when the client closes its end of stdout, as it
/// does when it ends. Nothing is done where that is neither a pipe nor a socket.
///
/// A launcher that waits for the program, as sudo does, stops together with it, and is resumed too. It is
/// told by leading the session that the program is in: the BEAM gives each command a session of its own.
///
/// Fails with the error number of `fcntl(2)`, for which it takes a sandbox around the program.
///
/// ```
/// use linx_netlink_port::confine::resume_when_the_client_leaves;
///
/// resume_when_the_client_leaves()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn resume_when_the_client_leaves() -> io::Result<()> {
    let stdout = stdout();
    let stdout = stdout.as_fd();
    if !matches!(fstat(stdout)?.st_mode & S_IFMT, S_IFIFO | S_IFSOCK) {
        return Ok(());
    }
    set(F_SETOWN, if is_behind_launcher()? { -getpgrp().as_raw() } else { getpid().as_raw() })?;
    set(F_SETSIG, SIGCONT)?;
    // The kernel sends the signal too when there is room again in what was full, which does no harm.
    let flags = OFlag::from_bits_retain(fcntl(stdout, FcntlArg::F_GETFL)?);
    fcntl(stdout, FcntlArg::F_SETFL(flags | OFlag::O_ASYNC))?;
    Ok(())
}

/// Whether the parent leads the session. Both are 0 where they are in a pid namespace above.
fn is_behind_launcher() -> Result<bool, Errno> {
    let leader = getsid(None)?;
    Ok(leader == getppid() && leader.as_raw() != 0)
}

/// A negative owner is a process group: `fcntl(2)`.
fn set(command: i32, value: i32) -> Result<(), Errno> {
    // SAFETY: both commands take a number, and change no memory of this process.
    let result = unsafe { libc::fcntl(stdout().as_raw_fd(), command, value) };
    Errno::result(result).map(drop)
}
