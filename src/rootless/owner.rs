use crate::netns::{NetnsFile, owner};
use nix::errno::Errno;
use rustix::fs::{Stat, fstat, stat};
use std::os::fd::OwnedFd;

/// The user namespace that `file` belongs to, if it is not the program's own.
pub fn foreign_owner(file: &NetnsFile) -> Result<Option<OwnedFd>, Errno> {
    let owner = match owner(file) {
        Ok(owner) => owner,
        // It is neither the program's own nor one below that, see ioctl_nsfs(2).
        Err(Errno::EPERM) => return Ok(None),
        Err(errno) => return Err(errno),
    };
    let own = identity(stat("/proc/self/ns/user"))?;
    let same = own == identity(fstat(&owner))?;
    Ok((!same).then_some(owner))
}

/// What two files differ in, unless they are one: their device and inode.
fn identity(stat: rustix::io::Result<Stat>) -> Result<(u64, u64), Errno> {
    stat.map(|stat| (stat.st_dev, stat.st_ino))
        .map_err(|errno| Errno::from_raw(errno.raw_os_error()))
}
