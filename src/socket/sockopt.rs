//! The system calls on a socket for which there are no types: any option and any address.

#![allow(unsafe_code)]

use crate::wire::At;
use nix::errno::Errno;
use nix::libc;
use std::os::fd::{AsRawFd, OwnedFd};

/// Sets an option whose value is an `int`: `setsockopt(2)`.
pub fn set_integer(socket: &OwnedFd, at: At, value: u32) -> Result<(), Errno> {
    set_bytes(socket, at, &value.to_ne_bytes())
}

/// Sets an option whose value is bytes.
pub fn set_bytes(socket: &OwnedFd, at: At, value: &[u8]) -> Result<(), Errno> {
    // SAFETY: the descriptor is open as long as it is borrowed, and the kernel reads the bytes of
    // `value`, which live until the call returns.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            at.level,
            at.number,
            value.as_ptr().cast(),
            value.len() as libc::socklen_t,
        )
    };
    Errno::result(result).map(drop)
}

/// Binds a socket to a `sockaddr` of whichever family: `bind(2)`.
pub fn bind(socket: &OwnedFd, address: &[u8]) -> Result<(), Errno> {
    // SAFETY: the descriptor is open as long as it is borrowed, and the kernel copies the bytes of
    // `address`, which need not be aligned, and live until the call returns.
    let result = unsafe {
        libc::bind(socket.as_raw_fd(), address.as_ptr().cast(), address.len() as libc::socklen_t)
    };
    Errno::result(result).map(drop)
}

/// Lets a socket take connections: `listen(2)`.
pub fn listen(socket: &OwnedFd, backlog: u32) -> Result<(), Errno> {
    // SAFETY: the descriptor is open as long as it is borrowed.
    let result = unsafe { libc::listen(socket.as_raw_fd(), backlog as libc::c_int) };
    Errno::result(result).map(drop)
}
