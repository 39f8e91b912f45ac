//! Opens sockets in network namespaces that belong to a user namespace other than the program's.
//!
//! To enter such a network namespace without privilege, one must first enter its user namespace,
//! and `setns(2)` refuses that to a process with several threads. So a child with a single thread
//! does it, opens the socket, sends it back and ends.

#![deny(unsafe_code)]

mod child;
mod owner;

use crate::netns::NetnsFile;
use crate::wire::{Entry, Failure, Stage};
use std::os::fd::OwnedFd;

/// Opens the socket that `entry` asks for in the namespace `file`, which the calling thread was
/// not allowed to enter.
///
/// `None` where no child can do better: the owner of the namespace is the program's own user
/// namespace, or one that the program may not even see.
///
/// Fails at the stage `userns` if the owner cannot be told, or not be entered; at `fork` if there
/// can be no child (`EAGAIN`), it was killed or took more than five seconds (`EOWNERDEAD`), or there
/// can be no more descriptors (`EMFILE`); at `setns` with `EPERM` if the owner is another user's.
/// Else fails as [`NetnsFile::enter`] and [`socket::open`](crate::socket::open) do, in the child.
///
/// ```
/// use linx_netlink_port::netns::Finder;
/// use linx_netlink_port::rootless;
/// use linx_netlink_port::wire::{Entry, Netns, Options};
///
/// let netns = Netns::Path(b"/proc/self/ns/net".into());
/// let file = Finder::new(&[], true).find(&netns)?;
/// let entry = Entry { netns, protocol: 0, options: Options::default() };
/// assert!(rootless::open(&file, &entry).is_none());
/// # Ok::<(), linx_netlink_port::wire::Failure>(())
/// ```
pub fn open(file: &NetnsFile, entry: &Entry) -> Option<Result<OwnedFd, Failure>> {
    let owner = match owner::foreign_owner(file) {
        Ok(owner) => owner?,
        Err(errno) => return Some(Err(Stage::Userns.fails()(errno))),
    };
    Some(child::open(&owner, file, entry))
}
