//! What can be seen of a descriptor from outside.

use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use rustix::net::getsockname;
use rustix::net::netlink::SocketAddrNetlink;

pub use crate::scene::{cookie, cookie_here};

const NETLINK_LIST_MEMBERSHIPS: libc::c_int = 9;

/// An integer option of a socket.
pub fn option(socket: &OwnedFd, level: libc::c_int, name: libc::c_int) -> i32 {
    try_option(socket, level, name)
        .unwrap_or_else(|error| panic!("getsockopt {name} of level {level}: {error}"))
}

/// The same, where the kernel may not know it.
pub fn try_option(socket: &OwnedFd, level: libc::c_int, name: libc::c_int) -> Result<i32, Errno> {
    let mut bytes = [0; size_of::<i32>()];
    let length = read_option(socket, level, name, &mut bytes)?;
    assert_eq!(length, bytes.len(), "option {name} of level {level} is an int");
    Ok(i32::from_ne_bytes(bytes))
}

/// Reads an option into `bytes` and says how long the kernel has it.
fn read_option(
    socket: &OwnedFd,
    level: libc::c_int,
    name: libc::c_int,
    bytes: &mut [u8],
) -> Result<usize, Errno> {
    let mut length = libc::socklen_t::try_from(bytes.len()).expect("a short buffer");
    // SAFETY: the kernel writes at most `length` bytes to `bytes`, and the
    // length; both outlive the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            level,
            name,
            bytes.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    Errno::result(result).map(|_| length as usize)
}

/// An option that is text, without the NUL byte behind it.
pub fn text_option(socket: &OwnedFd, level: libc::c_int, name: libc::c_int) -> String {
    let mut bytes = [0; 64];
    let length = read_option(socket, level, name, &mut bytes).expect("an option");
    String::from_utf8_lossy(&bytes[..length]).trim_end_matches('\0').to_owned()
}

/// The address that a socket is bound to, as a `sockaddr`.
pub fn name(socket: &OwnedFd) -> Vec<u8> {
    let mut bytes = [0_u8; 128];
    let mut length = 128;
    // SAFETY: the kernel writes at most `length` bytes to `bytes`, and the length.
    let result = unsafe {
        libc::getsockname(socket.as_raw_fd(), bytes.as_mut_ptr().cast(), &raw mut length)
    };
    Errno::result(result).expect("getsockname");
    bytes[..length as usize].to_vec()
}

/// Address family, type and protocol.
pub fn kind(socket: &OwnedFd) -> (i32, i32, i32) {
    let of = |name| option(socket, libc::SOL_SOCKET, name);
    (of(libc::SO_DOMAIN), of(libc::SO_TYPE), of(libc::SO_PROTOCOL))
}

/// Where a netlink socket is bound: its port id and its groups below 33.
pub fn bound_to(socket: &OwnedFd) -> (u32, u32) {
    let address = getsockname(socket).expect("getsockname");
    let address = SocketAddrNetlink::try_from(address).expect("a netlink address");
    (address.pid(), address.groups())
}

/// The numbers of all groups that a netlink socket is a member of.
pub fn memberships(socket: &OwnedFd) -> Vec<u32> {
    let mut bytes = [0; 128];
    read_option(socket, libc::SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, &mut bytes)
        .expect("the memberships");
    let words = bytes
        .chunks_exact(size_of::<u32>())
        .map(|word| u32::from_ne_bytes(word.try_into().expect("four bytes")));
    let bits = words.enumerate().flat_map(|(index, word)| {
        (0..32)
            .filter(move |bit| word & (1 << bit) != 0)
            .map(move |bit| index as u32 * 32 + bit + 1)
    });
    bits.collect()
}

/// Whether a descriptor of ours closes when we execute another program.
pub fn is_close_on_exec(fd: &OwnedFd) -> bool {
    let flags = rustix::io::fcntl_getfd(fd.as_fd()).expect("fcntl");
    flags.contains(rustix::io::FdFlags::CLOEXEC)
}
