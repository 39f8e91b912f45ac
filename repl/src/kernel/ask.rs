//! Asks rtnetlink over a descriptor that the port program has handed over.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::net::SendFlags;
use rustix::net::netlink::SocketAddrNetlink;

use super::receive::{AskError, receive};
use super::rtnl::{self, Address, Link, MalformedMessage};

/// How long the kernel may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

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
        let datagram = match receive(fd, stop, deadline, &mut buffer) {
            // Events for a group of this socket: the kernel waits for room for an answer.
            Err(AskError::Lost) => continue,
            outcome => outcome?,
        };
        for message in rtnl::messages(datagram.bytes) {
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
}
