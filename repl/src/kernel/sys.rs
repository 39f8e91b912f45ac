//! The system calls that no crate here wraps.

#![allow(unsafe_code)]

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;

/// `SIOCGSKNS`: the network namespace of a socket, as a new descriptor.
const SIOCGSKNS: libc::c_ulong = 0x894c;

nix::ioctl_none_bad!(siocgskns, SIOCGSKNS);
nix::ioctl_none!(ns_get_nstype, 0xb7, 3);

/// `NS_GET_NSTYPE`: whether a file of nsfs is a network namespace.
pub fn is_network_namespace(file: impl AsFd) -> bool {
    // SAFETY: the call takes no pointer, and the descriptor is open while it is borrowed.
    let kind = unsafe { ns_get_nstype(file.as_fd().as_raw_fd()) };
    kind == Ok(libc::CLONE_NEWNET)
}

/// The network namespace that a socket lives in. Takes `CAP_NET_ADMIN` there.
pub fn socket_namespace(socket: impl AsFd) -> nix::Result<OwnedFd> {
    // SAFETY: the call takes no pointer, and the descriptor is open while it is borrowed.
    let fd = unsafe { siocgskns(socket.as_fd().as_raw_fd()) }?;
    // SAFETY: the kernel has just made this descriptor (close-on-exec), and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `SO_NETNS_COOKIE`: a number that belongs to the socket's namespace alone.
pub fn namespace_cookie(socket: impl AsFd) -> nix::Result<u64> {
    let mut value = [0; 8];
    let length = option(socket, libc::SOL_SOCKET, libc::SO_NETNS_COOKIE, &mut value)?;
    if length == value.len() { Ok(u64::from_ne_bytes(value)) } else { Err(Errno::EINVAL) }
}

/// What a packet socket sees: the protocol, and the index of the interface, 0 for all
/// (`sockaddr_ll` of `packet(7)`).
pub fn packets(socket: impl AsFd) -> nix::Result<(u16, u32)> {
    // The kernel tells as much of the address as there is: it may be shorter than the structure.
    let mut address = [0; size_of::<libc::sockaddr_ll>()];
    let mut length = libc::socklen_t::try_from(address.len()).map_err(|_| Errno::EINVAL)?;
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: `address` is writable for `length` bytes, and both outlive the call; the descriptor
    // is open while it is borrowed.
    let result = unsafe { libc::getsockname(fd, address.as_mut_ptr().cast(), &raw mut length) };
    Errno::result(result)?;
    let protocol = u16::from_be_bytes([address[2], address[3]]);
    let interface = u32::from_ne_bytes([address[4], address[5], address[6], address[7]]);
    Ok((protocol, interface))
}

/// `NETLINK_LIST_MEMBERSHIPS`: the numbers of the groups that a netlink socket is in.
pub fn memberships(socket: impl AsFd) -> nix::Result<Vec<u32>> {
    // As many bits as any family has groups: the kernel tells how many there are.
    let mut words = [0; 512];
    let length = option(socket, libc::SOL_NETLINK, libc::NETLINK_LIST_MEMBERSHIPS, &mut words)?;
    let mut groups = Vec::new();
    for (n, word) in words[..length.min(words.len())].chunks_exact(4).enumerate() {
        let word = u32::from_ne_bytes([word[0], word[1], word[2], word[3]]);
        let first = u32::try_from(n).unwrap_or(u32::MAX).saturating_mul(32);
        groups.extend((0..32).filter(|bit| word >> bit & 1 == 1).map(|bit| first + bit + 1));
    }
    Ok(groups)
}

/// `getsockopt`: fills `value`, and says how long the option is.
fn option(socket: impl AsFd, level: i32, name: i32, value: &mut [u8]) -> nix::Result<usize> {
    let mut length = libc::socklen_t::try_from(value.len()).map_err(|_| Errno::EINVAL)?;
    // SAFETY: `value` is writable for `length` bytes, which is as much as the kernel writes at
    // most, and both outlive the call; the descriptor is open while it is borrowed.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            name,
            value.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    Errno::result(result)?;
    usize::try_from(length).map_err(|_| Errno::EINVAL)
}
