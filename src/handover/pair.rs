use super::resume::resume_when_closed;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use sendfd::SendWithFd;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixDatagram;

/// The program's end of the pair, over which all descriptors travel.
#[derive(Debug)]
pub struct Pair(UnixDatagram);

impl Pair {
    /// Makes a pair: the program's end, and the one for the client. Should the program be stopped when that
    /// is closed, the kernel resumes it. Fails as `socketpair(2)` does,
    /// with `EMFILE` or `ENFILE` when there can be no more descriptors.
    ///
    /// ```
    /// use linx_netlink_port::handover::Pair;
    /// use std::io::Read;
    ///
    /// let (pair, client_end) = Pair::new()?;
    /// drop(pair);
    /// assert_eq!(std::fs::File::from(client_end).read(&mut [0])?, 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new() -> io::Result<(Pair, OwnedFd)> {
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        let ours = UnixDatagram::from(ours);
        // The client's end has a file description, and so a flag, of its own.
        ours.set_nonblocking(true)?;
        resume_when_closed(&ours)?;
        Ok((Pair(ours), theirs))
    }

    /// Sends one message with its descriptors, 253 at most.
    ///
    /// Fails with `WouldBlock` while the client's buffer is full, `BrokenPipe` once the client has
    /// closed its end, `ETOOMANYREFS` when the user has more descriptors on their way than
    /// `RLIMIT_NOFILE` allows (`unix(7)`), `EMSGSIZE` for a message larger than the buffer, and
    /// `EINVAL` for too many descriptors. Nothing has been sent then.
    ///
    /// ```
    /// use linx_netlink_port::handover::Pair;
    /// use std::io::{ErrorKind, Read};
    ///
    /// let (pair, client_end) = Pair::new()?;
    /// pair.send(b"one", &[])?;
    /// let mut bytes = [0; 3];
    /// std::fs::File::from(client_end).read_exact(&mut bytes)?;
    /// assert_eq!(&bytes, b"one");
    /// assert_eq!(pair.send(b"two", &[]).unwrap_err().kind(), ErrorKind::BrokenPipe);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn send(&self, message: &[u8], descriptors: &[OwnedFd]) -> io::Result<()> {
        send(&self.0, message, descriptors)
    }

    /// Waits until the client has room for a message, or is gone. A signal ends the wait early.
    /// Fails as `poll(2)` does, with `ENOMEM`.
    ///
    /// ```
    /// use linx_netlink_port::handover::Pair;
    ///
    /// let (pair, client_end) = Pair::new()?;
    /// while pair.send(b"more", &[]).is_ok() {}
    /// drop(client_end);
    /// pair.wait_for_room()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn wait_for_room(&self) -> io::Result<()> {
        let mut room = [PollFd::new(self.0.as_fd(), PollFlags::POLLOUT)];
        match poll(&mut room, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// One message on a `SOCK_SEQPACKET` socket: the kernel takes all of it or none.
pub(super) fn send(
    socket: &UnixDatagram,
    message: &[u8],
    descriptors: &[OwnedFd],
) -> io::Result<()> {
    let descriptors: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    loop {
        match socket.send_with_fd(message, &descriptors) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
