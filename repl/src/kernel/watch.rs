//! Link events, as they come in on a descriptor that the port program has handed over.

use std::fmt;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::net::netlink::SocketAddrNetlink;

use super::receive::{AskError, receive};
use super::rtnl::{self, Event};

/// The group that link events go to.
const LINK_EVENTS: u32 = 1;

/// What is seen while one watches.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Seen {
    /// Something happened to a link: of the socket's own namespace, or of the one that it calls so.
    Event(Event, Option<i32>),
    /// The kernel had no room for all events.
    Lost,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(event, None) => event.fmt(f),
            Self::Event(event, Some(nsid)) => write!(f, "nsid {nsid}: {event}"),
            Self::Lost => f.write_str("events were lost: the socket's buffer was full (ENOBUFS)"),
        }
    }
}

/// Hands to `each` what is seen until `period` is over or the user has enough. The socket's groups
/// are afterwards what they were.
///
/// # Errors
///
/// When the socket can't join the group, or can't be read.
pub fn watch(
    fd: BorrowedFd<'_>,
    stop: Option<BorrowedFd<'_>>,
    period: Duration,
    mut ready: impl FnMut(),
    mut each: impl FnMut(Seen),
) -> Result<(), AskError> {
    let before = address(fd)?;
    // With its own port id, binding again changes the groups only.
    bind(fd, SocketAddrNetlink::new(before.pid(), before.groups() | LINK_EVENTS))?;
    let now = address(fd)?;
    ready();
    let result = watch_joined(fd, stop, period, &mut each);
    let restored = bind(fd, SocketAddrNetlink::new(now.pid(), before.groups()));
    result.and(restored)
}

fn watch_joined(
    fd: BorrowedFd<'_>,
    stop: Option<BorrowedFd<'_>>,
    period: Duration,
    each: &mut impl FnMut(Seen),
) -> Result<(), AskError> {
    let deadline = Instant::now() + period;
    let mut buffer = vec![0; 65_536];
    loop {
        let datagram = match receive(fd, stop, deadline, &mut buffer) {
            Ok(datagram) => datagram,
            Err(AskError::Silence | AskError::Interrupted) => return Ok(()),
            Err(AskError::Lost) => {
                each(Seen::Lost);
                continue;
            }
            Err(error) => return Err(error),
        };
        for message in rtnl::messages(datagram.bytes) {
            if let Some(event) = Event::parse(&message?)? {
                each(Seen::Event(event, datagram.nsid));
            }
        }
    }
}

fn address(fd: BorrowedFd<'_>) -> Result<SocketAddrNetlink, AskError> {
    rustix::net::getsockname(fd)
        .and_then(SocketAddrNetlink::try_from)
        .map_err(|error| AskError::System("getsockname", error.into()))
}

fn bind(fd: BorrowedFd<'_>, address: SocketAddrNetlink) -> Result<(), AskError> {
    rustix::net::bind(fd, &address).map_err(|error| AskError::System("bind", error.into()))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use rustix::net::{AddressFamily, SendFlags, SocketType, socket};

    use super::*;

    #[test]
    fn watching_leaves_the_groups_as_they_were() {
        let fd = socket(AddressFamily::NETLINK, SocketType::RAW, None).unwrap();
        bind(fd.as_fd(), SocketAddrNetlink::new(0, 0x10)).unwrap();
        let mut joined = 0;
        watch(
            fd.as_fd(),
            None,
            Duration::ZERO,
            || joined = address(fd.as_fd()).map_or(0, |address| address.groups()),
            |_| {},
        )
        .unwrap();
        assert_eq!((joined, address(fd.as_fd()).unwrap().groups()), (0x11, 0x10));
    }

    #[test]
    fn the_user_can_stop_it() {
        let fd = socket(AddressFamily::NETLINK, SocketType::RAW, None).unwrap();
        let (read, write) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::STREAM,
            rustix::net::SocketFlags::empty(),
            None,
        )
        .unwrap();
        rustix::net::send(&write, b"x", SendFlags::empty()).unwrap();
        let hour = Duration::from_secs(3600);
        watch(fd.as_fd(), Some(read.as_fd()), hour, || {}, |_| {}).unwrap();
    }
}
