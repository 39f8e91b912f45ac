use super::{NetnsFile, nsfs};
use crate::wire::{Failure, Stage};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::Mode;
use nix::sys::statfs::{NSFS_MAGIC, fstatfs};
use std::os::fd::{AsRawFd, OwnedFd};

/// A file that was found becomes one that is known to be a network namespace.
pub fn check(found: OwnedFd) -> Result<NetnsFile, Failure> {
    let no_namespace = || Stage::Setns.fails()(Errno::EINVAL);
    let file_system = fstatfs(&found).map_err(Stage::Open.fails())?;
    if file_system.filesystem_type() != NSFS_MAGIC {
        // Whatever its permissions: a name of `ip netns` that is not mounted has none at all.
        return Err(no_namespace());
    }
    let path = format!("/proc/self/fd/{}", found.as_raw_fd());
    let file = openat(AT_FDCWD, path.as_str(), OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(Stage::Open.fails())?;
    match nsfs::is_network_namespace(&file) {
        Ok(true) => Ok(NetnsFile(file)),
        Ok(false) | Err(Errno::ENOTTY) => Err(no_namespace()),
        Err(errno) => Err(Stage::Setns.fails()(errno)),
    }
}
