use super::NetnsFile;
use crate::wire::{Failure, Stage};
use nix::sched::{CloneFlags, unshare};
use rustix::fs::{CWD, Mode, OFlags, openat};

/// Makes a network namespace and moves the calling thread into it, for the rest of its life. It belongs to
/// the thread's user namespace, and lives as long as anything refers to it.
///
/// Fails at the stage `unshare` as `unshare(2)` does: `EPERM` without `CAP_SYS_ADMIN`, `ENOSPC` where the
/// user has as many as `user.max_net_namespaces` allows.
///
/// ```
/// use linx_netlink_port::netns::make;
///
/// if let Err(failure) = std::thread::spawn(make).join().expect("no panic") {
///     // It takes CAP_SYS_ADMIN.
///     assert_eq!(failure.to_string(), "unshare: Operation not permitted");
/// }
/// ```
pub fn make() -> Result<(), Failure> {
    unshare(CloneFlags::CLONE_NEWNET).map_err(Stage::Unshare.fails())
}

/// The namespace in which the calling thread is.
///
/// Fails at the stage `open`, with `ENOENT` where there is no procfs for the program's own processes.
///
/// ```
/// use linx_netlink_port::netns::own;
///
/// assert!(own().is_ok());
/// ```
pub fn own() -> Result<NetnsFile, Failure> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    // No allocation: a child of this process may ask too.
    openat(CWD, c"/proc/thread-self/ns/net", flags, Mode::empty())
        .map(NetnsFile)
        .map_err(Stage::Open.fails())
}
