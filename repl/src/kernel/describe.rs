//! What a descriptor is.

use std::fmt;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::socket_protocol;

use super::sys;

/// The names of the netlink protocols, by number.
const PROTOCOLS: [&str; 24] = [
    "route",
    "",
    "usersock",
    "firewall",
    "sock_diag",
    "nflog",
    "xfrm",
    "selinux",
    "iscsi",
    "audit",
    "fib_lookup",
    "connector",
    "netfilter",
    "ip6_fw",
    "dnrtmsg",
    "kobject_uevent",
    "generic",
    "",
    "scsitransport",
    "ecryptfs",
    "rdma",
    "crypto",
    "smc",
    "",
];

/// Where a socket lives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// The inode of its namespace, as `readlink /proc/PID/ns/net` tells it.
    Inode(u64),
    /// Its namespace's cookie, where the inode takes a privilege that is not there.
    Cookie(u64),
    /// Neither could be had.
    Unknown(Errno),
}

/// A netlink socket: or what else the descriptor is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Descriptor {
    /// A netlink socket.
    Netlink {
        /// Its protocol.
        protocol: u32,
        /// Where it lives.
        place: Place,
        /// Its port id, 0 while it is not bound.
        port_id: u32,
        /// The groups that it is in.
        groups: Vec<u32>,
    },
    /// Anything else, with the kernel's word on it.
    Other(Errno),
}

/// Looks at a descriptor, and changes nothing about it.
pub fn describe(fd: BorrowedFd<'_>) -> Descriptor {
    match netlink(fd) {
        Ok(netlink) => netlink,
        Err(error) => Descriptor::Other(Errno::from_raw(error.raw_os_error())),
    }
}

fn netlink(fd: BorrowedFd<'_>) -> Result<Descriptor, rustix::io::Errno> {
    let address = SocketAddrNetlink::try_from(rustix::net::getsockname(fd)?)?;
    let protocol = socket_protocol(fd)?.map_or(0, |protocol| protocol.as_raw().get());
    Ok(Descriptor::Netlink {
        protocol,
        place: place(fd),
        port_id: address.pid(),
        groups: sys::memberships(fd).unwrap_or_default(),
    })
}

fn place(fd: BorrowedFd<'_>) -> Place {
    let inode = sys::socket_namespace(fd).and_then(|namespace| {
        let stat = rustix::fs::fstat(&namespace);
        stat.map(|stat| stat.st_ino).map_err(|error| Errno::from_raw(error.raw_os_error()))
    });
    match inode {
        Ok(inode) => Place::Inode(inode),
        Err(_) => match sys::namespace_cookie(fd) {
            Ok(cookie) => Place::Cookie(cookie),
            Err(error) => Place::Unknown(error),
        },
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inode(inode) => write!(f, "net:[{inode}]"),
            Self::Cookie(cookie) => write!(f, "namespace cookie {cookie}"),
            Self::Unknown(error) => write!(f, "namespace unknown ({error:?})"),
        }
    }
}

impl fmt::Display for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Netlink { protocol, place, port_id, groups } = self else {
            let Self::Other(error) = self else { return Ok(()) };
            return write!(f, "no netlink socket ({error:?})");
        };
        let name = usize::try_from(*protocol).ok().and_then(|n| PROTOCOLS.get(n));
        match name {
            Some(name) if !name.is_empty() => write!(f, "netlink {name}, ")?,
            _ => write!(f, "netlink protocol {protocol}, ")?,
        }
        let bound = if *port_id == 0 { "not bound" } else { "bound" };
        write!(f, "{place}, port id {port_id}, {bound}")?;
        for (n, group) in groups.iter().enumerate() {
            write!(f, "{}{group}", if n == 0 { ", groups " } else { " " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use rustix::net::{AddressFamily, SocketType, bind, socket};

    use super::*;

    fn own_namespace() -> u64 {
        let link = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
        let text = link.to_str().unwrap();
        text.trim_start_matches("net:[").trim_end_matches(']').parse().unwrap()
    }

    #[test]
    fn a_socket_is_shown_as_what_it_is() {
        let fd = socket(AddressFamily::NETLINK, SocketType::RAW, None).unwrap();
        let inode = own_namespace();
        let text = describe(fd.as_fd()).to_string();
        assert_eq!(text, format!("netlink route, net:[{inode}], port id 0, not bound"));

        bind(&fd, &SocketAddrNetlink::new(0, 0x11)).unwrap();
        let port_id =
            SocketAddrNetlink::try_from(rustix::net::getsockname(&fd).unwrap()).unwrap().pid();
        let text = describe(fd.as_fd()).to_string();
        assert_eq!(
            text,
            format!("netlink route, net:[{inode}], port id {port_id}, bound, groups 1 5")
        );
    }

    #[test]
    fn the_cookie_serves_where_the_inode_can_not_be_had() {
        let fd = socket(AddressFamily::NETLINK, SocketType::RAW, None).unwrap();
        let cookie = sys::namespace_cookie(&fd).unwrap();
        assert_eq!(Place::Cookie(cookie).to_string(), format!("namespace cookie {cookie}"));
    }

    #[test]
    fn what_is_no_netlink_socket_is_said_to_be_none() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(describe(file.as_fd()).to_string(), "no netlink socket (ENOTSOCK)");
    }
}
