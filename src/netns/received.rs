use super::{NetnsFile, nsfs};
use crate::wire::{Failure, Stage};
use nix::errno::Errno;
use nix::sys::statfs::{NSFS_MAGIC, fstatfs};
use std::os::fd::OwnedFd;

/// A descriptor that is no network namespace. To close it may take as long as its file likes.
#[derive(Debug)]
pub struct NoNetns(pub OwnedFd);

impl From<NoNetns> for Failure {
    fn from(_: NoNetns) -> Failure {
        Stage::Setns.fails()(Errno::EINVAL)
    }
}

/// Takes a descriptor that came from somewhere for a namespace, if it is open and is one. It is looked at, and
/// nothing else is done with it: what it is, is not known before.
impl TryFrom<OwnedFd> for NetnsFile {
    type Error = NoNetns;

    fn try_from(file: OwnedFd) -> Result<NetnsFile, NoNetns> {
        let on_nsfs = fstatfs(&file).is_ok_and(|it| it.filesystem_type() == NSFS_MAGIC);
        // EBADF for one that was opened with O_PATH.
        if on_nsfs && nsfs::is_network_namespace(&file) == Ok(true) {
            Ok(NetnsFile(file))
        } else {
            Err(NoNetns(file))
        }
    }
}
