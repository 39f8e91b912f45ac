use super::resume::resume_when_closed;
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use rustix::io::retry_on_intr;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recvmsg};
use sendfd::SendWithFd;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixDatagram;

/// The most descriptors that one message carries (`SCM_MAX_FD`).
const MAX_DESCRIPTORS: usize = 253;

/// The most bytes of a message that are looked at: more than any that is understood.
const LONGEST: usize = 16;

/// What the client has sent.
#[derive(Debug)]
pub struct Message {
    /// Its first 16 bytes.
    pub bytes: Vec<u8>,
    /// Those that came with it.
    pub descriptors: Vec<OwnedFd>,
    /// Whether nothing is missing: neither bytes nor, for want of room in this process, descriptors.
    pub is_whole: bool,
}

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

    /// Receives one message of the client's, if there is one, with all its descriptors; `None` when there
    /// will be no more.
    ///
    /// Fails with `WouldBlock` if there is none yet, and as `recvmsg(2)` and `poll(2)` do.
    ///
    /// ```
    /// use linx_netlink_port::handover::Pair;
    /// use std::io::{ErrorKind, Write};
    ///
    /// let (pair, client_end) = Pair::new()?;
    /// assert_eq!(pair.receive().unwrap_err().kind(), ErrorKind::WouldBlock);
    /// std::fs::File::from(client_end).write_all(b"key")?;
    /// let message = pair.receive()?.expect("one message");
    /// assert_eq!((&message.bytes[..], message.descriptors.len()), (&b"key"[..], 0));
    /// assert!(pair.receive()?.is_none());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn receive(&self) -> io::Result<Option<Message>> {
        let mut bytes = [0; LONGEST];
        // Room for all that a message can carry: what there is no room for, the kernel would close here.
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let received = retry_on_intr(|| recvmsg(&self.0, &mut parts, &mut control, flags))?;
        let descriptors = control.drain().flat_map(|part| match part {
            RecvAncillaryMessage::ScmRights(descriptors) => descriptors.collect(),
            _ => Vec::new(),
        });
        let descriptors: Vec<OwnedFd> = descriptors.collect();
        // A message may be empty too.
        if received.bytes == 0 && descriptors.is_empty() && self.has_ended()? {
            return Ok(None);
        }
        let cut = received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC);
        let bytes = bytes[..received.bytes].to_vec();
        Ok(Some(Message { bytes, descriptors, is_whole: !cut }))
    }

    /// Whether the client sends nothing any more.
    fn has_ended(&self) -> io::Result<bool> {
        let hung_up = PollFlags::from_bits_retain(libc::POLLRDHUP);
        let mut end = [PollFd::new(self.0.as_fd(), hung_up)];
        Ok(poll(&mut end, PollTimeout::ZERO)? > 0)
    }

    /// The descriptor, to wait for messages of the client's.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
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
