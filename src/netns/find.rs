use super::{NetnsFile, nsfs};
use crate::wire::{Failure, Netns, Stage};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use nix::sys::statfs::{NSFS_MAGIC, fstatfs};
use rustix::fs::{Access, AtFlags, accessat};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// The kernel's `PATH_MAX`, which counts the NUL byte at the end.
const PATH_MAX: usize = 4096;

/// Opens the namespace that `netns` names.
///
/// Opening a FIFO or a device has effects, and can hang. So the file is found without opening it
/// (`O_PATH`), must be on nsfs, and only then is opened for reading.
pub fn find(netns: &Netns) -> Result<NetnsFile, Failure> {
    match netns {
        Netns::Path(path) => find_path(path),
        Netns::Pid(pid) => find_pid(*pid),
    }
}

fn find_path(path: &[u8]) -> Result<NetnsFile, Failure> {
    if path.len() >= PATH_MAX {
        return Err(Stage::Open.fails()(Errno::ENAMETOOLONG));
    }
    let path = CString::new(path).map_err(|_| Stage::Open.fails()(Errno::EINVAL))?;
    let found = open(path.as_c_str(), OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(Stage::Open.fails())?;
    check(found)
}

/// A file that was found becomes one that is known to be a network namespace.
fn check(found: OwnedFd) -> Result<NetnsFile, Failure> {
    let no_namespace = || Stage::Setns.fails()(Errno::EINVAL);
    let file_system = fstatfs(&found).map_err(Stage::Open.fails())?;
    if file_system.filesystem_type() != NSFS_MAGIC {
        return Err(unreadable(&found).unwrap_or_else(no_namespace));
    }
    let path = format!("/proc/self/fd/{}", found.as_raw_fd());
    let file = open(path.as_str(), OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(Stage::Open.fails())?;
    match nsfs::is_network_namespace(&file) {
        Ok(true) => Ok(NetnsFile(file)),
        Ok(false) | Err(_) => Err(no_namespace()),
    }
}

/// The failure that opening the file for reading would have met, found without opening it.
fn unreadable(found: &OwnedFd) -> Option<Failure> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::EACCESS;
    match accessat(found, c"", Access::READ_OK, flags) {
        Err(rustix::io::Errno::ACCESS) => Some(Stage::Open.fails()(Errno::EACCES)),
        // A kernel before 5.8 cannot say.
        Ok(()) | Err(_) => None,
    }
}

/// Opens the namespace of a process, and of no other that got its id in the meantime.
fn find_pid(pid: i32) -> Result<NetnsFile, Failure> {
    let no_process = || Stage::Open.fails()(Errno::ESRCH);
    let path = format!("/proc/{pid}/ns/net");
    let pidfd = match Pid::from_raw(pid).map(|pid| pidfd_open(pid, PidfdFlags::empty())) {
        None => return Err(no_process()),
        Some(Ok(pidfd)) => Some(pidfd),
        // A kernel before 5.3 has no pidfds; a sandbox around us may refuse them.
        Some(Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM)) => None,
        Some(Err(errno)) => return Err(Stage::Open.fails()(errno)),
    };
    let file = find_path(path.as_bytes()).map_err(|failure| match failure.errno {
        Errno::ENOENT => no_process(),
        _ => failure,
    })?;
    match pidfd {
        Some(pidfd) if has_ended(&pidfd)? => Err(no_process()),
        // The process lives, so its id was its own when the file was opened.
        _ => Ok(file),
    }
}

/// Whether the process of a pidfd has ended: `pidfd_open(2)`, "Polling".
fn has_ended(pidfd: &OwnedFd) -> Result<bool, Failure> {
    let mut ended = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
    let ready = poll(&mut ended, PollTimeout::ZERO).map_err(Stage::Open.fails())?;
    Ok(ready > 0)
}
