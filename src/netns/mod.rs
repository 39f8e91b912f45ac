//! Finds or makes a network namespace, checks that it is one, and moves the calling thread into it.
//!
//! Nothing here ever moves a thread back: a thread that entered a namespace stays there until it
//! ends, and ends with its request.

mod check;
mod find;
mod lookup;
mod nsfs;
mod own;
mod process;
mod received;

pub use find::Finder;
pub use nsfs::{NS_GET_NSTYPE, NS_GET_USERNS, PIDFD_GET_NET_NAMESPACE};
pub use own::{make, own};
pub use received::NoNetns;

use crate::wire::{Failure, Stage};
use nix::errno::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::os::fd::{AsFd, OwnedFd};

/// An open file that is a network namespace.
#[derive(Debug)]
pub struct NetnsFile(OwnedFd);

impl NetnsFile {
    /// Moves the calling thread into the namespace, for the rest of its life: `setns(2)`.
    ///
    /// Fails at the stage `setns`, with `EPERM` unless the thread has `CAP_SYS_ADMIN` both in its
    /// own user namespace and in the one that the namespace belongs to.
    ///
    /// ```
    /// use linx_netlink_port::netns::Finder;
    /// use linx_netlink_port::wire::Netns;
    ///
    /// let file = Finder::new(&[], true).find(&Netns::Path(b"/proc/self/ns/net".into()))?;
    /// let entered = std::thread::spawn(move || file.enter()).join().expect("no panic");
    /// if let Err(failure) = entered {
    ///     // It takes CAP_SYS_ADMIN.
    ///     assert_eq!(failure.to_string(), "setns: Operation not permitted");
    /// }
    /// # Ok::<(), linx_netlink_port::wire::Failure>(())
    /// ```
    pub fn enter(&self) -> Result<(), Failure> {
        move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(Stage::Setns.fails())
    }

    /// The descriptor itself, which is open for reading.
    ///
    /// ```
    /// use linx_netlink_port::netns::own;
    ///
    /// assert!(std::fs::File::from(own()?.into_descriptor()).metadata().is_ok());
    /// # Ok::<(), linx_netlink_port::wire::Failure>(())
    /// ```
    pub fn into_descriptor(self) -> OwnedFd {
        self.0
    }
}

/// The user namespace that the namespace belongs to, `ioctl_nsfs(2)`. `EPERM` if that is neither
/// the program's own nor one below.
///
/// ```
/// use linx_netlink_port::netns::{Finder, owner};
/// use linx_netlink_port::wire::Netns;
/// use nix::sys::stat::{fstat, stat};
///
/// let file = Finder::new(&[], true).find(&Netns::Path(b"/proc/self/ns/net".into()))?;
/// let own = stat("/proc/self/ns/user")?;
/// assert_eq!(fstat(&owner(&file)?)?.st_ino, own.st_ino);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn owner(file: &NetnsFile) -> Result<OwnedFd, Errno> {
    nsfs::owner(&file.0)
}
