//! Opens a socket in the calling thread's network namespace and sets it up.

mod address;
mod buffers;
mod families;
mod sockopt;

pub use buffers::Buffers;
pub use families::{Families, SOCK_PACKET};

use crate::wire::{Failure, Options, Setting, Socket, Stage};
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{NetlinkAddr, bind};
use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, socket_with};
use std::num::NonZeroU32;
use std::os::fd::{AsRawFd, OwnedFd};

/// Opens a socket, which is close-on-exec, and does nothing else with it.
///
/// Fails at the stage `socket` as `socket(2)` does (`EAFNOSUPPORT`, `ESOCKTNOSUPPORT` and
/// `EPROTONOSUPPORT` for what the kernel has not, `EPERM` for what takes privilege, `EMFILE` when there can
/// be no more descriptors); at the stage `listen` with `EACCES` for a unix socket that is to listen. Those who
/// connect to one are told who made it listen (`SO_PEERCRED`), and would believe that they talk to the program:
/// its client makes it listen himself.
///
/// ```
/// use linx_netlink_port::socket::open;
/// use linx_netlink_port::wire::Socket;
///
/// assert!(open(&Socket::netlink(0)).is_ok());
/// let failure = open(&Socket::netlink(99)).unwrap_err();
/// assert_eq!(failure.to_string(), "socket: Protocol not supported");
/// ```
pub fn open(socket: &Socket) -> Result<OwnedFd, Failure> {
    let listens = socket.options.0.iter().any(|it| matches!(it, Setting::Backlog(_)));
    if listens && i32::from(socket.domain) == libc::AF_UNIX {
        return Err(Stage::Listen.fails()(Errno::EACCES));
    }
    // The kernel judges the numbers: as they were given, with all their bits.
    let family = AddressFamily::from_raw(socket.domain);
    let kind = SocketType::from_raw(socket.kind.into());
    let protocol = NonZeroU32::new(socket.protocol as u32).map(Protocol::from_raw);
    socket_with(family, kind, SocketFlags::CLOEXEC, protocol).map_err(Stage::Socket.fails())
}

/// Applies `options` to a socket, in their order. It is bound only if they say so.
///
/// Fails at the stage `setsockopt` (`ENOPROTOOPT` if it does not know an option, `EPERM` for one or a group
/// that takes privilege, `EINVAL` for a group that there is not, `ENODEV` for no such interface), `bind`
/// (`EPERM` or `EACCES` if groups or a port take privilege, `EACCES` for a path in the file system, and else
/// as `bind(2)` does) or `listen` (`EOPNOTSUPP` for a socket that takes no connections).
///
/// ```
/// use linx_netlink_port::socket::{open, set_up};
/// use linx_netlink_port::wire::{At, Options, Setting, Socket};
///
/// // NETLINK_ROUTE, joining RTNLGRP_LINK by NETLINK_ADD_MEMBERSHIP.
/// let at = At { level: 270, number: 1 };
/// let options = Options(vec![Setting::Memberships { at, groups: vec![1] }]);
/// set_up(&open(&Socket::netlink(0))?, &options)?;
/// # Ok::<(), linx_netlink_port::wire::Failure>(())
/// ```
pub fn set_up(socket: &OwnedFd, options: &Options) -> Result<(), Failure> {
    let mut bound = false;
    for setting in &options.0 {
        match setting {
            Setting::Integer { at, value } => {
                sockopt::set_integer(socket, *at, *value).map_err(Stage::Setsockopt.fails())?;
            }
            Setting::Bytes { at, value } => {
                sockopt::set_bytes(socket, *at, value).map_err(Stage::Setsockopt.fails())?;
            }
            Setting::Buffer { forced, plain, bytes } => {
                match sockopt::set_integer(socket, *forced, *bytes) {
                    Err(Errno::EPERM) => sockopt::set_integer(socket, *plain, *bytes),
                    outcome => outcome,
                }
                .map_err(Stage::Setsockopt.fails())?;
            }
            Setting::Groups(mask) => {
                bind_netlink(socket, *mask)?;
                bound = true;
            }
            Setting::Memberships { at, groups } => {
                if !bound {
                    bind_netlink(socket, 0)?;
                }
                for group in groups {
                    sockopt::set_integer(socket, *at, *group).map_err(Stage::Setsockopt.fails())?;
                }
            }
            Setting::Address(address) => {
                address::bind(socket, address).map_err(Stage::Bind.fails())?;
            }
            Setting::Backlog(backlog) => {
                sockopt::listen(socket, *backlog).map_err(Stage::Listen.fails())?;
            }
        }
    }
    Ok(())
}

fn bind_netlink(socket: &OwnedFd, mask: u32) -> Result<(), Failure> {
    // With a port id of 0 the kernel chooses one.
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, mask)).map_err(Stage::Bind.fails())
}
