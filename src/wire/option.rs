//! The options of sockets: one table, from which all else follows. How a value is read (`setting`), how
//! it is set (`socket`), what the filter of system calls lets through (`confine`), and which names a client
//! can complete.

use nix::libc;

/// The domain of netlink sockets.
pub const AF_NETLINK: u16 = libc::AF_NETLINK as u16;

/// The domain of sockets for IPv6.
pub const AF_INET6: u16 = libc::AF_INET6 as u16;

/// An option as the wire names it.
#[derive(Debug)]
pub struct SocketOption {
    /// Its key in `Options`.
    pub name: &'static str,
    /// The sockets that have it.
    pub of: Of,
    /// Which values it takes, and what is done with them.
    pub form: Form,
    /// What it is for.
    pub why: &'static str,
}

/// The sockets that have an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Netlink sockets.
    Netlink,
    /// All but netlink sockets.
    Others,
    /// Every socket.
    All,
}

impl Of {
    /// Whether sockets of `domain` are among them.
    ///
    /// ```
    /// use linx_netlink_port::wire::{AF_INET6, AF_NETLINK, Of};
    ///
    /// assert!(Of::Netlink.has(AF_NETLINK) && !Of::Others.has(AF_NETLINK));
    /// assert!(Of::Others.has(AF_INET6) && Of::All.has(AF_INET6));
    /// ```
    pub fn has(self, domain: u16) -> bool {
        match self {
            Of::Netlink => domain == AF_NETLINK,
            Of::Others => domain != AF_NETLINK,
            Of::All => true,
        }
    }
}

/// Where `setsockopt(2)` finds an option: its second and third argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// Such as `SOL_SOCKET`.
    pub level: i32,
    /// Such as `SO_MARK`.
    pub number: i32,
}

/// Which values an option takes, and what is done with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A boolean, set as 0 or 1.
    Flag(At),
    /// The same, with a place of its own for sockets of `AF_INET6`.
    FlagOfDomain {
        /// For all other domains.
        inet: At,
        /// For `AF_INET6`.
        inet6: At,
    },
    /// An integer from 0 to 2^32-1.
    Number(At),
    /// The name of an interface: 1 to 15 bytes.
    Interface(At),
    /// A positive number of bytes.
    Buffer {
        /// Past the limit of the system, with `CAP_NET_ADMIN`.
        forced: At,
        /// Up to that limit, without.
        plain: At,
    },
    /// A mask of groups to bind a netlink socket with.
    Groups,
    /// A list of groups to join, one by one.
    Memberships(At),
    /// A `sockaddr` to bind to.
    Address,
    /// A backlog for `listen(2)`, from 0 to 2^32-1.
    Backlog,
}

impl Form {
    /// Where `setsockopt(2)` may be asked to set it, on a socket of the right domain.
    ///
    /// ```
    /// use linx_netlink_port::wire::{At, Form};
    ///
    /// let at = At { level: 1, number: 36 };
    /// assert_eq!(Form::Number(at).places(), [at]);
    /// assert!(Form::Backlog.places().is_empty());
    /// ```
    pub fn places(self) -> Vec<At> {
        match self {
            Form::Flag(at) | Form::Number(at) | Form::Interface(at) | Form::Memberships(at) => {
                vec![at]
            }
            Form::FlagOfDomain { inet, inet6 } => vec![inet, inet6],
            Form::Buffer { forced, plain } => vec![forced, plain],
            Form::Groups | Form::Address | Form::Backlog => vec![],
        }
    }
}

const fn netlink(number: i32) -> At {
    At { level: libc::SOL_NETLINK, number }
}

const fn socket(number: i32) -> At {
    At { level: libc::SOL_SOCKET, number }
}

const fn inet(number: i32) -> At {
    At { level: libc::SOL_IP, number }
}

const fn inet6(number: i32) -> At {
    At { level: libc::SOL_IPV6, number }
}

const fn row(name: &'static str, of: Of, form: Form, why: &'static str) -> SocketOption {
    SocketOption { name, of, form, why }
}

/// All options, in the order in which they are applied. Sources: `netlink(7)`, `socket(7)`, `ip(7)`,
/// `ipv6(7)`, `include/uapi/linux/netlink.h` and `in6.h`.
///
/// ```
/// use linx_netlink_port::wire::OPTIONS;
///
/// assert!(OPTIONS.iter().any(|option| option.name == "bindtodevice"));
/// ```
pub const OPTIONS: [SocketOption; 20] = [
    row(
        "ext_ack",
        Of::Netlink,
        Form::Flag(netlink(libc::NETLINK_EXT_ACK)),
        "the kernel's errors say what is wrong, and with which attribute",
    ),
    row(
        "cap_ack",
        Of::Netlink,
        Form::Flag(netlink(libc::NETLINK_CAP_ACK)),
        "the kernel's errors do not repeat the message that they answer",
    ),
    row(
        "strict_check",
        Of::Netlink,
        Form::Flag(netlink(libc::NETLINK_GET_STRICT_CHK)),
        "requests for dumps are checked, and their filters applied",
    ),
    row(
        "no_enobufs",
        Of::Netlink,
        Form::Flag(netlink(libc::NETLINK_NO_ENOBUFS)),
        "messages that found no room are lost without an ENOBUFS",
    ),
    row(
        "listen_all_nsid",
        Of::Netlink,
        Form::Flag(netlink(libc::NETLINK_LISTEN_ALL_NSID)),
        "multicasts come from all namespaces that have an id in this one",
    ),
    row(
        "reuseaddr",
        Of::Others,
        Form::Flag(socket(libc::SO_REUSEADDR)),
        "an address may be bound while old connections of it linger",
    ),
    row(
        "reuseport",
        Of::Others,
        Form::Flag(socket(libc::SO_REUSEPORT)),
        "several sockets share an address",
    ),
    row(
        "broadcast",
        Of::Others,
        Form::Flag(socket(libc::SO_BROADCAST)),
        "datagrams may go to a broadcast address",
    ),
    row(
        "v6only",
        Of::Others,
        Form::Flag(inet6(libc::IPV6_V6ONLY)),
        "a socket for IPv6 leaves IPv4 to others",
    ),
    row(
        "freebind",
        Of::Others,
        Form::FlagOfDomain { inet: inet(libc::IP_FREEBIND), inet6: inet6(libc::IPV6_FREEBIND) },
        "an address may be bound that is not there yet",
    ),
    row(
        "transparent",
        Of::Others,
        Form::FlagOfDomain {
            inet: inet(libc::IP_TRANSPARENT),
            inet6: inet6(libc::IPV6_TRANSPARENT),
        },
        "an address may be bound that is somebody else's, for a proxy",
    ),
    row("mark", Of::All, Form::Number(socket(libc::SO_MARK)), "a mark for routing and filters"),
    row(
        "priority",
        Of::All,
        Form::Number(socket(libc::SO_PRIORITY)),
        "the queue that packets are put into",
    ),
    row(
        "bindtodevice",
        Of::Others,
        Form::Interface(socket(libc::SO_BINDTODEVICE)),
        "packets of one interface only",
    ),
    row(
        "rcvbuf",
        Of::All,
        Form::Buffer { forced: socket(libc::SO_RCVBUFFORCE), plain: socket(libc::SO_RCVBUF) },
        "room for what was not read yet",
    ),
    row(
        "sndbuf",
        Of::All,
        Form::Buffer { forced: socket(libc::SO_SNDBUFFORCE), plain: socket(libc::SO_SNDBUF) },
        "room for what was not sent yet",
    ),
    row("groups", Of::Netlink, Form::Groups, "binds, with a mask of multicast groups 1 to 32"),
    row(
        "memberships",
        Of::Netlink,
        Form::Memberships(netlink(libc::NETLINK_ADD_MEMBERSHIP)),
        "multicast groups of any number",
    ),
    row("bind", Of::Others, Form::Address, "binds"),
    row("listen", Of::Others, Form::Backlog, "takes connections"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_the_same_options_in_the_same_order() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/PROTOCOL.md");
        let page = std::fs::read_to_string(page).expect("the page");
        let (_, section) = page.split_once("\n**Options**").expect("the section");
        let table = section.lines().skip_while(|line| !line.starts_with('|'));
        let rows = table.take_while(|line| line.starts_with('|')).skip(2).map(|row| {
            let columns: Vec<_> = row.split('|').map(|it| it.trim().trim_matches('`')).collect();
            (columns[1].to_owned(), columns[3].to_owned())
        });
        let options = OPTIONS.iter().map(|option| {
            let of = match option.of {
                Of::Netlink => "netlink",
                Of::Others => "others",
                Of::All => "all",
            };
            (option.name.to_owned(), of.to_owned())
        });
        assert_eq!(rows.collect::<Vec<_>>(), options.collect::<Vec<_>>());
    }

    #[test]
    fn names_are_there_once() {
        for (index, option) in OPTIONS.iter().enumerate() {
            assert!(OPTIONS[..index].iter().all(|other| other.name != option.name), "{option:?}");
        }
    }
}
