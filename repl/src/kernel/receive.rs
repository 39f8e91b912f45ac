//! What the kernel sends over a netlink socket.

use std::fmt;
use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, NetlinkAddr, RecvMsg, recvmsg};

use super::rtnl::MalformedMessage;

/// Room for what the kernel adds to a message: an nsid, and whatever else the socket's options ask for.
const CONTROL: usize = 256;

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
    /// The kernel has dropped messages, since the socket's buffer was full (`ENOBUFS`).
    Lost,
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
            Self::Lost => f.write_str("messages were lost: the socket's buffer was full (ENOBUFS)"),
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

/// A datagram of netlink messages.
#[derive(Debug)]
pub struct Datagram<'a> {
    pub bytes: &'a [u8],
    /// The id of the namespace that it is about, where that is not the socket's own
    /// (`NETLINK_LISTEN_ALL_NSID`).
    pub nsid: Option<i32>,
}

/// The next datagram from the kernel itself.
///
/// # Errors
///
/// `Silence` after the deadline, `Interrupted` once `stop` is readable, `Lost` once for all messages
/// that were dropped; or the socket can't be read.
pub fn receive<'a>(
    fd: BorrowedFd<'_>,
    stop: Option<BorrowedFd<'_>>,
    deadline: Instant,
    buffer: &'a mut [u8],
) -> Result<Datagram<'a>, AskError> {
    loop {
        await_message(fd, stop, deadline)?;
        match take(fd, buffer) {
            Ok(taken) if taken.length > buffer.len() => return Err(MalformedMessage.into()),
            Ok(taken) if taken.from_kernel => {
                return Ok(Datagram { bytes: &buffer[..taken.length], nsid: taken.nsid });
            }
            Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(Errno::ENOBUFS) => return Err(AskError::Lost),
            Err(errno) => return Err(AskError::System("recvmsg", errno.into())),
        }
    }
}

fn await_message(
    fd: BorrowedFd<'_>,
    stop: Option<BorrowedFd<'_>>,
    deadline: Instant,
) -> Result<(), AskError> {
    loop {
        let mut fds = vec![PollFd::new(fd, PollFlags::POLLIN)];
        fds.extend(stop.map(|stop| PollFd::new(stop, PollFlags::POLLIN)));
        let left = deadline.saturating_duration_since(Instant::now());
        let millis = left.as_nanos().div_ceil(1_000_000);
        let timeout = PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX);
        match poll(&mut fds, timeout) {
            Ok(0) if deadline <= Instant::now() => return Err(AskError::Silence),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) if fds.get(1).is_some_and(|stop| stop.any() == Some(true)) => {
                return Err(AskError::Interrupted);
            }
            Ok(_) => return Ok(()),
            Err(error) => return Err(AskError::System("poll", error.into())),
        }
    }
}

/// A message that lies in the buffer, or the beginning of one that is longer.
struct Taken {
    length: usize,
    from_kernel: bool,
    nsid: Option<i32>,
}

fn take(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> nix::Result<Taken> {
    let mut control = [0; CONTROL];
    let mut buffers = [IoSliceMut::new(buffer)];
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
    let message = recvmsg(fd.as_raw_fd(), &mut buffers, Some(&mut control), flags)?;
    Ok(Taken {
        length: message.bytes,
        from_kernel: message.address.is_some_and(|from: NetlinkAddr| from.pid() == 0),
        nsid: nsid(&message),
    })
}

fn nsid(message: &RecvMsg<'_, '_, NetlinkAddr>) -> Option<i32> {
    message.cmsgs().ok()?.find_map(|control| match control {
        ControlMessageOwned::Unknown(control)
            if control.cmsg_header.cmsg_level == libc::SOL_NETLINK
                && control.cmsg_header.cmsg_type == libc::NETLINK_LISTEN_ALL_NSID =>
        {
            control.data_bytes.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes))
        }
        _ => None,
    })
}
