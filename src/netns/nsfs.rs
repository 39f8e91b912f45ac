//! The `ioctl(2)` of namespace files (`ioctl_nsfs(2)`, `include/uapi/linux/nsfs.h`), and that of pidfds
//! for them.

#![allow(unsafe_code)]

use nix::errno::Errno;
use nix::libc::CLONE_NEWNET;
use nix::{ioctl_none_bad, ioctl_write_int_bad};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

/// The request that tells which user namespace a namespace belongs to.
pub const NS_GET_USERNS: i32 = 0xb701;

/// The request that tells which kind of namespace a file is.
pub const NS_GET_NSTYPE: i32 = 0xb703;

/// The request, to a pidfd, for the network namespace of its process: `PIDFD_GET_NET_NAMESPACE` of
/// `include/uapi/linux/pidfd.h`.
pub const PIDFD_GET_NET_NAMESPACE: i32 = 0xff04;

ioctl_none_bad!(ns_get_userns, NS_GET_USERNS);
ioctl_none_bad!(ns_get_nstype, NS_GET_NSTYPE);
ioctl_write_int_bad!(pidfd_get_net_namespace, PIDFD_GET_NET_NAMESPACE);

/// Whether `file`, open for reading on nsfs, is a network namespace and no other kind.
pub fn is_network_namespace(file: impl AsFd) -> Result<bool, Errno> {
    // SAFETY: the descriptor is open as long as it is borrowed, and NS_GET_NSTYPE takes no
    // argument and writes nothing.
    let kind = unsafe { ns_get_nstype(file.as_fd().as_raw_fd()) }?;
    Ok(kind == CLONE_NEWNET)
}

/// The user namespace that owns the namespace `file`. `EPERM` if it is outside the program's own.
pub fn owner(file: impl AsFd) -> Result<OwnedFd, Errno> {
    // SAFETY: the descriptor is open as long as it is borrowed. NS_GET_USERNS takes no argument
    // and returns a new descriptor, which nobody else knows of.
    unsafe { ns_get_userns(file.as_fd().as_raw_fd()).map(|owner| OwnedFd::from_raw_fd(owner)) }
}

/// The network namespace of the process that a pidfd refers to. `ENOTTY` before Linux 6.11, `ESRCH` if it has
/// ended, `EACCES` if it is one of another user's and `CAP_SYS_PTRACE` is missing.
pub fn of_process(pidfd: impl AsFd) -> Result<OwnedFd, Errno> {
    // SAFETY: the descriptor is open as long as it is borrowed. PIDFD_GET_NET_NAMESPACE takes 0, and
    // returns a new descriptor, which nobody else knows of.
    unsafe {
        pidfd_get_net_namespace(pidfd.as_fd().as_raw_fd(), 0)
            .map(|namespace| OwnedFd::from_raw_fd(namespace))
    }
}
