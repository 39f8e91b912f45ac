//! The child with a single thread.
//!
//! It shares its parent's memory, as `posix_spawn(3)` does it, while the parent's thread waits
//! (`CLONE_VM`, `CLONE_VFORK`): so it costs no copy of page tables, and reports by writing where
//! its parent reads. The parent's other threads go on, and may hold any lock at any moment. So
//! between `clone` and the end there are only system calls: no allocation, no lock, no panic.

#![allow(unsafe_code)]

use super::transfer::{receive, send};
use crate::socket;
use crate::wire::{Failure, Socket, Stage};
use nix::errno::Errno;
use nix::libc;
use nix::sched::{CloneFlags, clone, unshare};
use nix::sys::signal::{SigEvent, SigevNotify, Signal::SIGKILL};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::time::TimeSpec;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::process::{self, Signal, getpid, getppid, set_parent_process_death_signal};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// More than the few system calls of the child need.
const STACK_SIZE: usize = 64 * 1024;

/// How long the child may take. It takes a fraction of a millisecond.
const TIME: Duration = Duration::from_secs(5);

/// The kernel has 64, and blocks SIGKILL and SIGSTOP for nobody.
const ALL_SIGNALS: u64 = u64::MAX;

/// Opens a socket in the namespace that a child has entered, and sets it up. No allocation, no lock.
pub fn open(asked: &Socket) -> Result<OwnedFd, Failure> {
    let opened = socket::open(asked)?;
    socket::set_up(&opened, &asked.options)?;
    Ok(opened)
}

/// Enters a user namespace, as a process with a single thread may.
pub fn enter(owner: &OwnedFd) -> Result<(), Failure> {
    move_into_link_name_space(owner.as_fd(), Some(LinkNameSpaceType::User)).map_err(|errno| {
        match errno {
            // Another user's: as if there were no child.
            rustix::io::Errno::PERM => Stage::Setns.fails()(errno),
            _ => Stage::Userns.fails()(errno),
        }
    })
}

/// Makes a user namespace, whose owner is the user as whom the program runs, and in which nobody needs to be
/// mapped. For a child too.
pub fn make_user_namespace() -> Result<OwnedFd, Failure> {
    unshare(CloneFlags::CLONE_NEWUSER).map_err(Stage::Unshare.fails())?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    openat(CWD, c"/proc/thread-self/ns/user", flags, Mode::empty()).map_err(Stage::Userns.fails())
}

/// Has a child do `work`, and returns the descriptor that it opened. `work` may neither allocate nor take a
/// lock nor panic.
pub fn run(work: &dyn Fn() -> Result<OwnedFd, Failure>) -> Result<OwnedFd, Failure> {
    let (receiver, sender) =
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
            .map_err(Stage::Fork.fails())?;
    let parent = getpid();
    // What stays if the child is killed before it can report.
    let mut outcome = Err(Stage::Fork.fails()(Errno::EOWNERDEAD));
    let life = || {
        outcome = work_and_send(parent, work, sender.as_fd());
        0
    };
    let mut stack = vec![0; STACK_SIZE];
    let flags = CloneFlags::CLONE_VM | CloneFlags::CLONE_VFORK;
    // A handler would run in the child on the memory of its parent, and the owner of the user
    // namespace may send any signal: as posix_spawn(3) does it.
    let before = set_blocked_signals(ALL_SIGNALS).map_err(Stage::Fork.fails())?;
    // SAFETY: the child only makes system calls, for which the stack is large enough. It uses the
    // memory of this thread, its stack and thread-local storage included, which is suspended until
    // the child has ended.
    let child = unsafe { clone(Box::new(life), &mut stack, flags, Some(libc::SIGCHLD)) };
    set_blocked_signals(before).map_err(Stage::Fork.fails())?;
    reap(child.map_err(Stage::Fork.fails())?);
    outcome?;
    receive(&receiver).map_err(Stage::Fork.fails())
}

/// Blocks these signals for the calling thread, and no others; returns those that were blocked. By the
/// system call itself, since C libraries leave the signals out that they keep for themselves.
fn set_blocked_signals(signals: u64) -> Result<u64, Errno> {
    let mut before = 0_u64;
    // SAFETY: the kernel reads one set and writes the other, each of the size that is given:
    // `sigprocmask(2)`, "C library/kernel differences".
    let result = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const signals,
            &raw mut before,
            size_of::<u64>(),
        )
    };
    Errno::result(result).map(|_| before)
}

/// The life of the child. No allocation, no lock, no panic.
fn work_and_send(
    parent: process::Pid,
    work: &dyn Fn() -> Result<OwnedFd, Failure>,
    sender: BorrowedFd<'_>,
) -> Result<(), Failure> {
    die_in_time()?;
    die_with(parent)?;
    send(sender, &work()?).map_err(Stage::Fork.fails())
}

/// Has the kernel kill the child when [`TIME`] is up: whatever holds it up, be it that somebody has
/// stopped it, its request gets an answer. The timer is gone with the child, `timer_create(2)`.
fn die_in_time() -> Result<(), Failure> {
    let mut timer: libc::c_int = 0;
    let kill = SigevNotify::SigevSignal { signal: SIGKILL, si_value: 0 };
    let mut event = SigEvent::new(kill).sigevent();
    let (time, never) = (TimeSpec::from_duration(TIME), TimeSpec::new(0, 0));
    let time = libc::itimerspec { it_interval: *never.as_ref(), it_value: *time.as_ref() };
    // SAFETY: the kernel reads the event and the time, and writes the timer's number.
    let (created, set) = unsafe {
        let clock = libc::CLOCK_MONOTONIC;
        // Not by the C library, some versions of which allocate.
        let created = libc::syscall(libc::SYS_timer_create, clock, &raw mut event, &raw mut timer);
        let none = std::ptr::null_mut::<libc::itimerspec>();
        (created, libc::syscall(libc::SYS_timer_settime, timer, 0, &raw const time, none))
    };
    Errno::result(created).and_then(|_| Errno::result(set)).map(drop).map_err(Stage::Fork.fails())
}

/// Has the kernel kill the child when its parent dies, which may have happened before.
fn die_with(parent: process::Pid) -> Result<(), Failure> {
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(Stage::Fork.fails())?;
    if getppid() == Some(parent) { Ok(()) } else { Err(Stage::Fork.fails()(Errno::ESRCH)) }
}

/// Waits until the child is gone, which it is already, or nearly.
fn reap(child: Pid) {
    // ECHILD: whoever started the program let it ignore SIGCHLD, and the kernel has reaped.
    while waitpid(child, None) == Err(Errno::EINTR) {}
}
