//! What `ip` does, over a socket of `NETLINK_ROUTE`: each message is sent without an address, so that the kernel
//! asks for the capability in the opener too (`rtnetlink(7)`).

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};

const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const REQUEST_AND_ACK: u16 = 1 | 4;
const CREATE: u16 = 0x400 | 0x200;

/// The number of the one link that there is beside loopback.
const INDEX: u32 = 2;

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = ((4 + value.len()) as u16).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// `struct ifinfomsg`.
fn link(flags: u32) -> Vec<u8> {
    [0, INDEX, flags, flags].into_iter().flat_map(u32::to_ne_bytes).collect()
}

fn request(socket: &OwnedFd, kind: u16, flags: u16, body: &[u8]) -> Result<(), Errno> {
    let mut message = ((16 + body.len()) as u32).to_ne_bytes().to_vec();
    message.extend([kind.to_ne_bytes(), (REQUEST_AND_ACK | flags).to_ne_bytes()].concat());
    message.extend([1_u32, 0].into_iter().flat_map(u32::to_ne_bytes));
    message.extend(body);
    send(socket.as_raw_fd(), &message, MsgFlags::empty())?;
    let mut answer = [0; 512];
    let length = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    // struct nlmsgerr, behind the header of 16 bytes.
    let error = answer[..length].get(16..20).expect("an answer").try_into().expect("4 bytes");
    match i32::from_ne_bytes(error) {
        0 => Ok(()),
        negative => Err(Errno::from_raw(-negative)),
    }
}

/// A veth pair: one end here, the other in the namespace that the descriptor is.
pub fn add_veth(socket: &OwnedFd, there: &OwnedFd) -> Result<(), Errno> {
    const IFLA_IFNAME: u16 = 3;
    const IFLA_LINKINFO: u16 = 18;
    const IFLA_NET_NS_FD: u16 = 28;
    const IFLA_INFO_KIND: u16 = 1;
    const IFLA_INFO_DATA: u16 = 2;
    const VETH_INFO_PEER: u16 = 1;
    let to = attribute(IFLA_NET_NS_FD, &there.as_raw_fd().to_ne_bytes());
    let peer = [link(0), attribute(IFLA_IFNAME, b"far\0"), to].concat();
    let data = attribute(IFLA_INFO_DATA, &attribute(VETH_INFO_PEER, &peer));
    let info = [attribute(IFLA_INFO_KIND, b"veth"), data].concat();
    let body = [link(0), attribute(IFLA_IFNAME, b"near\0"), attribute(IFLA_LINKINFO, &info)];
    request(socket, RTM_NEWLINK, CREATE, &body.concat())
}

/// An address of a network of 24 bits.
pub fn add_address(socket: &OwnedFd, address: Ipv4Addr) -> Result<(), Errno> {
    const IFA_ADDRESS: u16 = 1;
    const IFA_LOCAL: u16 = 2;
    // struct ifaddrmsg: AF_INET, the length, no flags, everywhere.
    let head = [&[2, 24, 0, 0][..], &INDEX.to_ne_bytes()].concat();
    let octets = address.octets();
    let body = [head, attribute(IFA_LOCAL, &octets), attribute(IFA_ADDRESS, &octets)].concat();
    request(socket, RTM_NEWADDR, CREATE, &body)
}

pub fn bring_up(socket: &OwnedFd) -> Result<(), Errno> {
    const IFF_UP: u32 = 1;
    request(socket, RTM_NEWLINK, 0, &link(IFF_UP))
}
