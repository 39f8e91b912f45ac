//! A client of the wire, as any other: for the REPL, the tests and the benchmarks.
//!
//! It starts the port program with a rendezvous, checks who comes to it, and from then on sends
//! frames and receives messages. It shares no code with the port program: where both agree, it is
//! because of the wire.
//!
//! ```
//! # mod built { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/support/built.rs")); }
//! # use built::port_program;
//! use eetf::{Atom, Binary, FixInteger, Term, Tuple};
//! use linx_netlink_client::{Channel, Start};
//! use std::error::Error;
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn Error>> {
//! let mut program = Start::new(port_program()).start()?;
//! let open = Tuple::from(vec![
//!     Atom::from("open_in_netns").into(),
//!     Binary::from(b"/proc/self/ns/net".to_vec()).into(),
//!     FixInteger::from(0).into(),
//! ]);
//! program.send(&Tuple::from(vec![FixInteger::from(7).into(), open.into()]).into())?;
//! let message = program.receive_on(Channel::Pair, Duration::from_secs(10))?;
//! let opened = vec![FixInteger::from(7).into(), Atom::from("ok").into()];
//! assert_eq!(message.term()?, Term::from(Tuple::from(opened)));
//! assert_eq!(message.descriptors.len(), 1);
//! assert!(program.finish()?.success());
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]
#![deny(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used)]
#![warn(missing_debug_implementations, missing_docs)]

mod error;
mod start;

pub use error::ClientError;
pub use start::Start;

use eetf::{BigInteger, Term};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Child, ChildStdin, ChildStdout, ExitStatus};
use std::time::{Duration, Instant};

/// The most descriptors in one message (`SCM_MAX_FD`).
const MAX_DESCRIPTORS: usize = 253;

/// The longest message on the pair is the answer to an `open_many`, far below this.
const MAX_PAIR_MESSAGE: usize = 64 * 1024;

/// A port program that this client started. Dropping it kills the program.
///
/// ```
/// # mod built { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/support/built.rs")); }
/// # use built::port_program;
/// use linx_netlink_client::{Channel, ClientError, Start};
/// use std::os::fd::AsFd;
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let start = Start::new(port_program());
/// let mut program = start.start()?;
/// assert!(program.hello().to_string().starts_with("{'hello',"));
/// assert_ne!(program.os_pid(), std::process::id());
/// assert_eq!(program.status()?, None);
///
/// // {7, info}, and once more with its length.
/// program.send_frame(b"\x83h\x02a\x07w\x04info")?;
/// program.send_raw(b"\0\0\0\x0b\x83h\x02a\x07w\x04info")?;
/// assert_eq!(program.sources().count(), 2);
/// for _ in 0..2 {
///     assert_eq!(program.receive(Duration::from_secs(10))?.channel, Channel::Stdout);
/// }
///
/// // {8, {open_in_netns, {fd, 5}, 0}}
/// program.send_descriptor(5, std::fs::File::open("/proc/self/ns/net")?.as_fd())?;
/// program.send_frame(b"\x83h\x02a\x08h\x03w\x0dopen_in_netnsh\x02w\x02fda\x05a\0")?;
/// // Without privilege, it may not enter even its own.
/// assert!(program.receive(Duration::from_secs(10)).is_ok());
/// program.send_on_pair(b"not a term", &[])?;
///
/// program.close_pair();
/// assert_eq!(program.sources().count(), 1);
/// program.close_stdin();
/// let end = program.receive(Duration::from_secs(10));
/// assert!(matches!(end, Err(ClientError::Ended)));
///
/// let mut program = start.start()?;
/// // Held on to, they keep the program waiting.
/// let _held = (program.take_stdin(), program.take_stdout(), program.take_pair());
/// assert!(!program.kill()?.success());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Client {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    pair: Option<OwnedFd>,
    hello: Term,
}

/// Where a message came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// The program's stdout: errors, and the answer to `info`.
    Stdout,
    /// The socket over which descriptors come, with the answers that bring them.
    Pair,
}

/// A message of the port program: the bytes of one term, with the descriptors that came along.
#[derive(Debug)]
pub struct Message {
    /// What it was received on.
    pub channel: Channel,
    /// The term, without a length in front.
    pub bytes: Vec<u8>,
    /// In the order of the term's `ok`s, close-on-exec; none from stdout.
    pub descriptors: Vec<OwnedFd>,
    /// The kernel dropped descriptors, since this process can have no more.
    pub truncated: bool,
}

impl Message {
    /// The term that the bytes are. Fails with `Garbled` if they are none.
    pub fn term(&self) -> Result<Term, ClientError> {
        Term::decode(self.bytes.as_slice()).map_err(|error| ClientError::Garbled(error.to_string()))
    }
}

impl Client {
    /// The hello: `{hello, Map}`.
    pub fn hello(&self) -> &Term {
        &self.hello
    }

    /// The process that was started; with a launcher in front, the launcher's.
    pub fn os_pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends one request. Fails with `Encode` if the format cannot hold the term, and as
    /// [`send_raw`](Client::send_raw) does.
    pub fn send(&mut self, request: &Term) -> Result<(), ClientError> {
        let mut bytes = Vec::new();
        request.encode(&mut bytes).map_err(|error| ClientError::Encode(error.to_string()))?;
        self.send_frame(&bytes)
    }

    /// Sends the bytes of one frame, whatever they are, with their length in front. Fails with
    /// `Encode` for 4 GiB or more, and as [`send_raw`](Client::send_raw) does.
    pub fn send_frame(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        let length = u32::try_from(bytes.len())
            .map_err(|_| ClientError::Encode("a frame is shorter than 4 GiB".into()))?;
        self.send_raw(&[&length.to_be_bytes(), bytes].concat())
    }

    /// Writes bytes to the program's stdin as they are, and waits for room. Fails with `Ended` if
    /// nobody reads them any more or stdin was closed or taken here, and with `Io` as `write(2)`
    /// does.
    pub fn send_raw(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        let stdin = self.stdin.as_mut().ok_or(ClientError::Ended)?;
        stdin.write_all(bytes).map_err(ClientError::from_write)
    }

    /// Sends the program a descriptor, of a network namespace as it should be, which a request then names
    /// `{fd, Key}`. Waits for room. Fails with `Ended` if the pair was closed or taken here, `Io` as
    /// `sendmsg(2)` does, with `EPIPE` if the program is gone, and `Encode` if the key can't be encoded.
    pub fn send_descriptor(&self, key: u64, descriptor: BorrowedFd<'_>) -> Result<(), ClientError> {
        let mut bytes = Vec::new();
        let key = Term::from(BigInteger::from(key));
        key.encode(&mut bytes).map_err(|error| ClientError::Encode(error.to_string()))?;
        self.send_on_pair(&bytes, &[descriptor])
    }

    /// Sends a message on the pair as it is. Fails as [`send_descriptor`](Client::send_descriptor) does.
    pub fn send_on_pair(
        &self,
        bytes: &[u8],
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), ClientError> {
        let pair = self.pair.as_ref().ok_or(ClientError::Ended)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
        }
        let sent = sendmsg(pair, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL);
        sent.map(drop).map_err(|errno| io::Error::from(errno).into())
    }

    /// What is readable once there is something to receive, for who waits for other things too.
    pub fn sources(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        [Channel::Stdout, Channel::Pair].into_iter().filter_map(|it| self.channel(it))
    }

    /// Waits for the next message on either channel.
    ///
    /// Fails with `TimedOut` if none has begun in time; `Ended` if the program has closed its
    /// stdout, or both channels were closed or taken here; `Io` as `poll(2)`, `recvmsg(2)` or
    /// `read(2)` does. A message that has begun is awaited to its end.
    pub fn receive(&mut self, timeout: Duration) -> Result<Message, ClientError> {
        match self.wait(&[Channel::Pair, Channel::Stdout], timeout)? {
            Channel::Pair => match self.receive_on_pair() {
                Err(ClientError::Ended) => self.receive_on_stdout(),
                outcome => outcome,
            },
            Channel::Stdout => self.receive_on_stdout(),
        }
    }

    /// Waits for the next message on this channel, and leaves the other unread. Fails as
    /// [`receive`](Client::receive) does; with `Ended` if the program has closed this channel, or
    /// it was closed or taken here.
    pub fn receive_on(
        &mut self,
        channel: Channel,
        timeout: Duration,
    ) -> Result<Message, ClientError> {
        match self.wait(&[channel], timeout)? {
            Channel::Pair => self.receive_on_pair(),
            Channel::Stdout => self.receive_on_stdout(),
        }
    }

    /// Closes the program's stdin, upon which it ends.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Closes this end of the pair.
    pub fn close_pair(&mut self) {
        self.pair = None;
    }

    /// Gives this end of the program's stdin away, for somebody else to write to or to hold.
    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.stdin.take()
    }

    /// Gives this end of the program's stdout away.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.stdout.take()
    }

    /// Gives this end of the pair away.
    pub fn take_pair(&mut self) -> Option<OwnedFd> {
        self.pair.take()
    }

    /// Closes stdin and waits for the program's end, without a limit. Fails with `Io` as
    /// `waitpid(2)` does.
    pub fn finish(&mut self) -> Result<ExitStatus, ClientError> {
        self.close_stdin();
        Ok(self.child.wait()?)
    }

    /// How the program ended, if it has. Fails with `Io` as `waitpid(2)` does.
    pub fn status(&mut self) -> Result<Option<ExitStatus>, ClientError> {
        Ok(self.child.try_wait()?)
    }

    /// Kills the program, and waits for its end. Fails with `Io` as `kill(2)` does, `EPERM` for a
    /// launcher that runs as another user, or as `waitpid(2)` does.
    pub fn kill(&mut self) -> Result<ExitStatus, ClientError> {
        self.child.kill()?;
        Ok(self.child.wait()?)
    }

    /// The first of these channels that has something to read, the end of it among that.
    fn wait(&self, channels: &[Channel], timeout: Duration) -> Result<Channel, ClientError> {
        let deadline = Instant::now() + timeout;
        let open: Vec<_> =
            channels.iter().filter_map(|it| Some((*it, self.channel(*it)?))).collect();
        if open.is_empty() {
            return Err(ClientError::Ended);
        }
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let mut fds: Vec<_> =
                open.iter().map(|(_, fd)| PollFd::new(*fd, PollFlags::POLLIN)).collect();
            match poll(&mut fds, left) {
                Ok(0) => return Err(ClientError::TimedOut),
                Ok(_) => {}
                Err(nix::errno::Errno::EINTR) => continue,
                Err(errno) => return Err(io::Error::from(errno).into()),
            }
            let ready = fds.iter().position(|fd| fd.any() == Some(true));
            if let Some(index) = ready {
                return Ok(open[index].0);
            }
        }
    }

    fn channel(&self, channel: Channel) -> Option<BorrowedFd<'_>> {
        match channel {
            Channel::Pair => self.pair.as_ref().map(AsFd::as_fd),
            Channel::Stdout => self.stdout.as_ref().map(AsFd::as_fd),
        }
    }

    fn receive_on_pair(&mut self) -> Result<Message, ClientError> {
        let pair = self.pair.as_ref().ok_or(ClientError::Ended)?;
        let message = receive(pair)?;
        if message.bytes.is_empty() {
            // The end of the connection.
            self.pair = None;
            return Err(ClientError::Ended);
        }
        Ok(message)
    }

    fn receive_on_stdout(&mut self) -> Result<Message, ClientError> {
        let mut header = [0; 4];
        self.read_stdout(&mut header)?;
        let mut bytes = vec![0; u32::from_be_bytes(header) as usize];
        self.read_stdout(&mut bytes)?;
        let descriptors = Vec::new();
        Ok(Message { channel: Channel::Stdout, bytes, descriptors, truncated: false })
    }

    fn read_stdout(&mut self, buffer: &mut [u8]) -> Result<(), ClientError> {
        let stdout = self.stdout.as_mut().ok_or(ClientError::Ended)?;
        stdout.read_exact(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => ClientError::Ended,
            _ => error.into(),
        })
    }
}

impl Drop for Client {
    /// Ends the program, and leaves no zombie.
    fn drop(&mut self) {
        self.close_stdin();
        // It may have ended before; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Receives one message with its descriptors, all of them close-on-exec.
fn receive(socket: impl AsFd) -> Result<Message, ClientError> {
    let mut bytes = vec![0; MAX_PAIR_MESSAGE];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut buffers = [IoSliceMut::new(&mut bytes)];
    let received = recvmsg(socket, &mut buffers, &mut ancillary, RecvFlags::CMSG_CLOEXEC)
        .map_err(io::Error::from)?;
    let descriptors = ancillary
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        })
        .flatten()
        .collect();
    bytes.truncate(received.bytes);
    let truncated = received.flags.contains(ReturnFlags::CTRUNC);
    Ok(Message { channel: Channel::Pair, bytes, descriptors, truncated })
}
