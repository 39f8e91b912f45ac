use crate::netns::{NetnsFile, owner};
use nix::errno::Errno;
use nix::sys::stat::{fstat, stat};
use std::os::fd::OwnedFd;

/// The user namespace that `file` belongs to, if it is not the program's own.
pub fn foreign_owner(file: &NetnsFile) -> Result<Option<OwnedFd>, Errno> {
    let owner = match owner(file) {
        Ok(owner) => owner,
        // It is neither the program's own nor one below that, see ioctl_nsfs(2).
        Err(Errno::EPERM) => return Ok(None),
        Err(errno) => return Err(errno),
    };
    let (own, other) = (stat("/proc/self/ns/user")?, fstat(&owner)?);
    let same = (own.st_dev, own.st_ino) == (other.st_dev, other.st_ino);
    Ok((!same).then_some(owner))
}
