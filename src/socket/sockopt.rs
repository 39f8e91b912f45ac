//! The socket options of netlink sockets (`netlink(7)`, `socket(7)`).

#![allow(unsafe_code)]

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};
use std::os::fd::{AsRawFd, OwnedFd};

/// An option of the level `SOL_NETLINK` that nix has no type for.
#[derive(Clone, Copy, Debug)]
#[repr(i32)]
pub enum NetlinkOption {
    AddMembership = libc::NETLINK_ADD_MEMBERSHIP,
    NoEnobufs = libc::NETLINK_NO_ENOBUFS,
    ListenAllNsid = libc::NETLINK_LISTEN_ALL_NSID,
    CapAck = libc::NETLINK_CAP_ACK,
    ExtAck = libc::NETLINK_EXT_ACK,
    GetStrictCheck = libc::NETLINK_GET_STRICT_CHK,
}

/// Sets an option whose value is an `int`.
pub fn set_netlink(socket: &OwnedFd, option: NetlinkOption, value: u32) -> Result<(), Errno> {
    // SAFETY: the descriptor is open as long as it is borrowed, and the kernel reads the
    // `size_of::<u32>()` bytes of `value`, which lives until the call returns.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_NETLINK,
            option as i32,
            (&raw const value).cast(),
            size_of::<u32>() as libc::socklen_t,
        )
    };
    Errno::result(result).map(drop)
}

/// Sets the receive buffer, past the system's limit where `CAP_NET_ADMIN` allows it.
pub fn set_rcvbuf(socket: &OwnedFd, bytes: usize) -> Result<(), Errno> {
    match setsockopt(socket, sockopt::RcvBufForce, &bytes) {
        Err(Errno::EPERM) => setsockopt(socket, sockopt::RcvBuf, &bytes),
        outcome => outcome,
    }
}

/// Sets the send buffer, past the system's limit where `CAP_NET_ADMIN` allows it.
pub fn set_sndbuf(socket: &OwnedFd, bytes: usize) -> Result<(), Errno> {
    match setsockopt(socket, sockopt::SndBufForce, &bytes) {
        Err(Errno::EPERM) => setsockopt(socket, sockopt::SndBuf, &bytes),
        outcome => outcome,
    }
}
