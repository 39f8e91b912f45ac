//! A change that takes `CAP_NET_ADMIN`.

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};
use std::os::fd::{AsRawFd, OwnedFd};

/// Brings loopback up over a socket of `NETLINK_ROUTE`, in the socket's namespace. Sent without an
/// address, so that the kernel asks for the capability in the opener too: `netlink(7)`.
pub fn bring_loopback_up(socket: &OwnedFd) -> Result<(), Errno> {
    const LENGTH: u32 = 32;
    const RTM_NEWLINK: u16 = 16;
    const REQUEST_AND_ACK: u16 = 1 | 4;
    const LOOPBACK: u32 = 1;
    const IFF_UP: u32 = 1;
    let mut message = LENGTH.to_ne_bytes().to_vec();
    message.extend([RTM_NEWLINK.to_ne_bytes(), REQUEST_AND_ACK.to_ne_bytes()].concat());
    // Sequence number and port id; then family and type of the interface.
    for word in [1, 0, 0, LOOPBACK, IFF_UP, IFF_UP] {
        message.extend(u32::to_ne_bytes(word));
    }
    send(socket.as_raw_fd(), &message, MsgFlags::empty())?;
    let mut answer = [0; 128];
    let length = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    // struct nlmsgerr, behind the header of 16 bytes.
    let error = answer[..length].get(16..20).expect("an answer").try_into().expect("4 bytes");
    match i32::from_ne_bytes(error) {
        0 => Ok(()),
        negative => Err(Errno::from_raw(-negative)),
    }
}
