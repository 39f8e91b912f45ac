//! Asks rtnetlink over a descriptor that the port program has handed over.

use std::fmt;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{RecvFlags, SendFlags};

use super::rtnl::{self, Address, Event, Link, MalformedMessage};

/// How long the kernel may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The group that link events go to.
const LINK_EVENTS: u32 = 1;

/// Why nothing, or not all, was learnt.
#[derive(Debug)]
pub enum AskError {
    /// A system call failed.
    System(&'static str, std::io::Error),
    /// The kernel refused the request.
    Refused(std::io::Error),
    /// The kernel's answer does not add up.
    Malformed(MalformedMessage),
    /// The kernel did not answer in time.
    Silence,
    /// Ctrl-C.
    Interrupted,
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(call, error) => write!(f, "{call}: {error}"),
            Self::Refused(error) => write!(f, "the kernel refuses: {error}"),
            Self::Malformed(error) => error.fmt(f),
            Self::Silence => f.write_str("the kernel does not answer"),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for AskError {}

impl From<MalformedMessage> for AskError {
    fn from(error: MalformedMessage) -> Self {
        Self::Malformed(error)
    }
}

/// The links that are where this route socket is.
///
/// # Errors
///
/// When the kernel can't be asked, or refuses, or the user gives up (`stop` becomes readable).
pub fn links(fd: BorrowedFd<'_>, stop: Option<BorrowedFd<'_>>) -> Result<Vec<Link>, AskError> {
    dump(fd, stop, rtnl::RTM_GETLINK, rtnl::RTM_NEWLINK, Link::parse)
}

/// The addresses that are where this route socket is.
///
/// # Errors
///
/// As with [`links`].
pub fn addresses(
    fd: BorrowedFd<'_>,
    stop: Option<BorrowedFd<'_>>,
) -> Result<Vec<Address>, AskError> {
    dump(fd, stop, rtnl::RTM_GETADDR, rtnl::RTM_NEWADDR, Address::parse)
}

/// Hands each link event to `each` until `period` is over or the user has
/// enough. The socket's groups are afterwards what they were.
///
/// # Errors
///
/// When the socket can't join the group, or can't be read.
pub fn watch(
    fd: BorrowedFd<'_>,
    stop: Option<BorrowedFd<'_>>,
    period: Duration,
    mut ready: impl FnMut(),
    mut each: impl FnMut(Event),
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
    each: &mut impl FnMut(Event),
) -> Result<(), AskError> {
    let deadline = Instant::now() + period;
    let mut buffer = vec![0; 65_536];
    loop {
        let datagram = match receive(fd, stop, deadline, &mut buffer) {
            Ok(datagram) => datagram,
            Err(AskError::Silence | AskError::Interrupted) => return Ok(()),
            Err(error) => return Err(error),
        };
        for message in rtnl::messages(datagram) {
            if let Some(event) = Event::parse(&message?)? {
                each(event);
            }
        }
    }
}

/// Asks until the answer is one of a moment: a dump that something changed
/// under says so, and is asked for again.
fn dump<T>(
    fd: BorrowedFd<'_>,
    stop: Option<BorrowedFd<'_>>,
    request: u16,
    reply: u16,
    parse: fn(&[u8]) -> Result<T, MalformedMessage>,
) -> Result<Vec<T>, AskError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (found, consistent) = dump_once(fd, stop, deadline, request, reply, parse)?;
        if consistent {
            return Ok(found);
        }
    }
}

fn dump_once<T>(
    fd: BorrowedFd<'_>,
    stop: Option<BorrowedFd<'_>>,
    deadline: Instant,
    request: u16,
    reply: u16,
    parse: fn(&[u8]) -> Result<T, MalformedMessage>,
) -> Result<(Vec<T>, bool), AskError> {
    // Not the number of an earlier request, whose answer may still lie in the queue.
    let sequence = u32::try_from(clock() & 0x7fff_ffff).unwrap_or(1);
    let bytes = rtnl::dump(request, sequence);
    let kernel = SocketAddrNetlink::new(0, 0);
    rustix::net::sendto(fd, &bytes, SendFlags::DONTWAIT, &kernel)
        .map_err(|error| AskError::System("sendto", error.into()))?;
    let mut buffer = vec![0; 65_536];
    let mut found = Vec::new();
    let mut consistent = true;
    loop {
        let datagram = receive(fd, stop, deadline, &mut buffer)?;
        for message in rtnl::messages(datagram) {
            let message = message?;
            if message.sequence != sequence {
                continue;
            }
            consistent &= message.flags & rtnl::NLM_F_DUMP_INTR == 0;
            match message.kind {
                rtnl::NLMSG_ERROR | rtnl::NLMSG_DONE => {
                    return match rtnl::errno(message.body) {
                        0 => Ok((found, consistent)),
                        code => Err(AskError::Refused(std::io::Error::from_raw_os_error(code))),
                    };
                }
                kind if kind == reply => found.push(parse(message.body)?),
                _ => {}
            }
        }
    }
}

/// The next datagram from the kernel itself.
fn receive<'a>(
    fd: BorrowedFd<'_>,
    stop: Option<BorrowedFd<'_>>,
    deadline: Instant,
    buffer: &'a mut [u8],
) -> Result<&'a [u8], AskError> {
    loop {
        let mut fds = vec![PollFd::new(fd, PollFlags::POLLIN)];
        fds.extend(stop.map(|stop| PollFd::new(stop, PollFlags::POLLIN)));
        let left = deadline.saturating_duration_since(Instant::now());
        let millis = left.as_nanos().div_ceil(1_000_000);
        let timeout = PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX);
        match poll(&mut fds, timeout) {
            Ok(0) if deadline <= Instant::now() => return Err(AskError::Silence),
            Ok(0) | Err(nix::errno::Errno::EINTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(AskError::System("poll", error.into())),
        }
        if fds.get(1).is_some_and(|stop| stop.any() == Some(true)) {
            return Err(AskError::Interrupted);
        }
        match rustix::net::recvfrom(fd, &mut *buffer, RecvFlags::DONTWAIT | RecvFlags::TRUNC) {
            Ok((_, length, _)) if length > buffer.len() => return Err(MalformedMessage.into()),
            Ok((_, length, Some(from))) => {
                if SocketAddrNetlink::try_from(from).is_ok_and(|from| from.pid() == 0) {
                    return Ok(&buffer[..length]);
                }
            }
            Ok((_, _, None)) | Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            Err(error) => return Err(AskError::System("recvfrom", error.into())),
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

fn clock() -> u128 {
    use std::time::{SystemTime, UNIX_EPOCH};
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_micros())
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use rustix::net::{AddressFamily, SocketType, socket};

    use super::*;

    #[test]
    fn the_loopback_link_is_found() {
        let fd = socket(AddressFamily::NETLINK, SocketType::RAW, None).unwrap();
        let links = links(fd.as_fd(), None).unwrap();
        assert!(links.iter().any(|link| link.name == "lo" && link.index == 1), "{links:?}");
        addresses(fd.as_fd(), None).unwrap();
    }

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
