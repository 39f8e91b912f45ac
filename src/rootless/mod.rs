//! Opens descriptors in network namespaces that belong to a user namespace other than the program's, and
//! makes such namespaces.
//!
//! To enter such a network namespace without privilege, one must first enter its user namespace,
//! and `setns(2)` refuses that to a process with several threads. So a child with a single thread
//! does it, opens what is asked for, sends it back and ends.

#![deny(unsafe_code)]

mod child;
mod kept;
mod owner;
mod transfer;

pub use kept::UserNamespace;

use crate::netns::{self, NetnsFile};
use crate::wire::{Failure, Socket, Stage, What};
use std::os::fd::OwnedFd;

/// Opens `socket` in the namespace `file`, which the calling thread was not allowed to enter.
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
/// use linx_netlink_port::netns::own;
/// use linx_netlink_port::rootless;
/// use linx_netlink_port::wire::Socket;
///
/// assert!(rootless::open(&own()?, &Socket::netlink(0)).is_none());
/// # Ok::<(), linx_netlink_port::wire::Failure>(())
/// ```
pub fn open(file: &NetnsFile, socket: &Socket) -> Option<Result<OwnedFd, Failure>> {
    let owner = match owner::foreign_owner(file) {
        Ok(owner) => owner?,
        Err(errno) => return Some(Err(Stage::Userns.fails()(errno))),
    };
    Some(child::run(&|| {
        child::enter(&owner)?;
        file.enter()?;
        child::open(socket)
    }))
}

/// Makes a network namespace that belongs to `user_namespace`, and opens `what` in it. It lives as long as
/// what was opened.
///
/// Fails at the stage `unshare` as `unshare(2)` does: with `EPERM` where the system lets nobody make one
/// without privilege, `ENOSPC` (before Linux 4.9 `EUSERS`) where a limit of the user's is reached; at `userns` or `fork` as
/// [`open`] does; and else as [`socket::open`](crate::socket::open) and [`own`](crate::netns::own) do.
///
/// ```
/// use linx_netlink_port::rootless::{UserNamespace, make};
/// use linx_netlink_port::wire::{Stage, What};
///
/// match make(&UserNamespace::default(), &What::Netns) {
///     Ok(_) => {}
///     Err(failure) => assert_eq!(failure.stage, Stage::Unshare),
/// }
/// ```
pub fn make(user_namespace: &UserNamespace, what: &What) -> Result<OwnedFd, Failure> {
    let owner = user_namespace.get()?;
    child::run(&|| {
        child::enter(owner)?;
        netns::make()?;
        match what {
            What::Socket(socket) => child::open(socket),
            What::Netns => netns::own().map(NetnsFile::into_descriptor),
        }
    })
}
