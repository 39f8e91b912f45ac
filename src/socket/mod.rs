//! Opens a netlink socket in the calling thread's network namespace and sets it up.

mod buffers;
mod protocols;
mod sockopt;

pub use buffers::Buffers;
pub use protocols::Protocols;

use crate::wire::{Failure, Options, Stage};
use nix::sys::socket::{NetlinkAddr, bind};
use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, socket_with};
use sockopt::NetlinkOption;
use std::num::NonZeroU32;
use std::os::fd::{AsRawFd, OwnedFd};

/// Opens a socket of `protocol`, the number for `socket(2)`.
///
/// Fails at the stage `socket` (`EPROTONOSUPPORT` if the kernel has no such protocol, `EMFILE` when
/// there can be no more descriptors).
///
/// ```
/// use linx_netlink_port::socket::open;
///
/// assert!(open(0).is_ok());
/// assert_eq!(open(99).unwrap_err().to_string(), "socket: Protocol not supported");
/// ```
pub fn open(protocol: i32) -> Result<OwnedFd, Failure> {
    // The kernel judges the number: as it was given, with all its bits.
    let protocol = NonZeroU32::new(protocol as u32).map(Protocol::from_raw);
    socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)
        .map_err(Stage::Socket.fails())
}

/// Applies `options` to a socket, in the order of `docs/PROTOCOL.md`. It is bound only if they say so.
///
/// Fails at the stage `setsockopt` (`ENOPROTOOPT` if it does not know an option,
/// `EPERM` for one or a group that takes privilege, `EINVAL` for a group that there is not) or
/// `bind` (`EPERM` if groups take privilege).
///
/// ```
/// use linx_netlink_port::socket::{open, set_up};
/// use linx_netlink_port::wire::Options;
///
/// // NETLINK_ROUTE, joining RTNLGRP_LINK.
/// let options = Options { memberships: Some(vec![1]), ..Options::default() };
/// set_up(&open(0)?, &options)?;
/// # Ok::<(), linx_netlink_port::wire::Failure>(())
/// ```
pub fn set_up(socket: &OwnedFd, options: &Options) -> Result<(), Failure> {
    set_flags(socket, options)?;
    set_buffers(socket, options)?;
    set_groups(socket, options)
}

fn set_flags(socket: &OwnedFd, options: &Options) -> Result<(), Failure> {
    let flags = [
        (NetlinkOption::ExtAck, options.ext_ack),
        (NetlinkOption::CapAck, options.cap_ack),
        (NetlinkOption::GetStrictCheck, options.strict_check),
        (NetlinkOption::NoEnobufs, options.no_enobufs),
        (NetlinkOption::ListenAllNsid, options.listen_all_nsid),
    ];
    for (option, value) in flags {
        if let Some(value) = value {
            sockopt::set_netlink(socket, option, value.into())
                .map_err(Stage::Setsockopt.fails())?;
        }
    }
    Ok(())
}

fn set_buffers(socket: &OwnedFd, options: &Options) -> Result<(), Failure> {
    if let Some(bytes) = options.rcvbuf {
        sockopt::set_rcvbuf(socket, bytes).map_err(Stage::Setsockopt.fails())?;
    }
    if let Some(bytes) = options.sndbuf {
        sockopt::set_sndbuf(socket, bytes).map_err(Stage::Setsockopt.fails())?;
    }
    Ok(())
}

fn set_groups(socket: &OwnedFd, options: &Options) -> Result<(), Failure> {
    let mask = match (options.groups, &options.memberships) {
        (None, None) => return Ok(()),
        (mask, _) => mask.unwrap_or(0),
    };
    // With a port id of 0 the kernel chooses one.
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, mask)).map_err(Stage::Bind.fails())?;
    for &group in options.memberships.iter().flatten() {
        sockopt::set_netlink(socket, NetlinkOption::AddMembership, group)
            .map_err(Stage::Setsockopt.fails())?;
    }
    Ok(())
}
