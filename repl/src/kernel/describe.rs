//! What a descriptor is.

use std::fmt;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::sys::statfs::{NSFS_MAGIC, fstatfs};
use rustix::net::AddressFamily;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::{socket_domain, socket_protocol};

use super::place::{Place, place};
use super::socket::{self, Socket};
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

/// What a descriptor is.
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
    /// Any other socket.
    Socket(Socket),
    /// A network namespace, by its inode.
    Namespace(u64),
    /// Something that the port program hands over to nobody, or that can't be looked at.
    Other(Option<Errno>),
}

/// Looks at a descriptor, and changes nothing about it.
pub fn describe(fd: BorrowedFd<'_>) -> Descriptor {
    let socket = match socket_domain(fd) {
        Ok(AddressFamily::NETLINK) => netlink(fd),
        Ok(domain) => socket::look_at(fd, domain).map(Descriptor::Socket),
        Err(rustix::io::Errno::NOTSOCK) => {
            return namespace(fd).map_or(Descriptor::Other(None), Descriptor::Namespace);
        }
        Err(error) => Err(error),
    };
    socket.unwrap_or_else(|error| Descriptor::Other(Some(Errno::from_raw(error.raw_os_error()))))
}

/// The inode, where it is a network namespace. Only such a file system's files are asked more: what
/// the ioctl means to others, nobody knows.
fn namespace(fd: BorrowedFd<'_>) -> Option<u64> {
    let nsfs = fstatfs(fd).is_ok_and(|found| found.filesystem_type() == NSFS_MAGIC);
    if nsfs && sys::is_network_namespace(fd) {
        rustix::fs::fstat(fd).ok().map(|stat| stat.st_ino)
    } else {
        None
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

impl fmt::Display for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (protocol, place, port_id, groups) = match self {
            Self::Netlink { protocol, place, port_id, groups } => {
                (protocol, place, port_id, groups)
            }
            Self::Socket(socket) => return socket.fmt(f),
            Self::Namespace(inode) => return write!(f, "the namespace net:[{inode}]"),
            Self::Other(None) => return f.write_str("neither a socket nor a network namespace"),
            Self::Other(Some(error)) => {
                return write!(f, "a socket that can't be asked ({error:?})");
            }
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
    fn a_namespace_is_told_from_other_files() {
        let shown = |path: &str| describe(std::fs::File::open(path).unwrap().as_fd()).to_string();
        let inode = own_namespace();
        assert_eq!(shown("/proc/thread-self/ns/net"), format!("the namespace net:[{inode}]"));
        for other in ["/proc/self/ns/uts", "/dev/null", "/"] {
            assert_eq!(shown(other), "neither a socket nor a network namespace", "{other}");
        }
    }
}
