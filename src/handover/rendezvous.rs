use super::pair;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixDatagram;
use std::{fmt, io};

/// How long there may be no room in the queue of connections that the client has not accepted.
const TIMEOUT_SECONDS: i64 = 5;

/// The connection to the socket that the client listens on.
#[derive(Debug)]
pub struct Rendezvous(UnixDatagram);

impl Rendezvous {
    /// Connects to the client's socket at `path`; a leading `@` means the abstract namespace.
    ///
    /// Fails with `ETIMEDOUT` when the queue of that socket has been full for five seconds,
    /// `ECONNREFUSED` if nobody listens, `ENOENT` or `EACCES` if the path leads nowhere or not for
    /// this user, `EPROTOTYPE` if the socket is not `SOCK_SEQPACKET`, `ENAMETOOLONG` for more than
    /// 107 bytes, the `@` not counted, and as `socket(2)` does: `unix(7)`.
    ///
    /// ```
    /// use linx_netlink_port::handover::Rendezvous;
    ///
    /// let error = Rendezvous::connect("@nobody-listens-here".as_ref()).unwrap_err();
    /// assert!(error.to_string().contains("cannot connect to the rendezvous @nobody-listens-here"));
    /// ```
    pub fn connect(path: &OsStr) -> Result<Rendezvous, RendezvousError> {
        let fail = |errno: Errno| RendezvousError { path: path.into(), cause: errno.into() };
        let address = match path.as_bytes() {
            [b'@', name @ ..] => UnixAddr::new_abstract(name),
            _ => UnixAddr::new(path),
        }
        .map_err(fail)?;
        let socket = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)
            .map_err(fail)?;
        // For a unix socket this bounds connect(2) too, see unix(7).
        setsockopt(&socket, sockopt::SendTimeout, &TimeVal::seconds(TIMEOUT_SECONDS))
            .map_err(fail)?;
        match connect(socket.as_raw_fd(), &address) {
            Ok(()) => Ok(Rendezvous(socket.into())),
            Err(Errno::EAGAIN) => Err(fail(Errno::ETIMEDOUT)),
            Err(errno) => Err(fail(errno)),
        }
    }

    /// Sends the hello with the client's end of the pair, and closes the connection.
    ///
    /// Fails with `BrokenPipe` or `ConnectionReset` if the client has closed the connection or its
    /// socket, and else as [`Pair::send`](super::Pair::send) does; with `WouldBlock` only when
    /// there has been no room for five seconds.
    ///
    /// ```
    /// use linx_netlink_port::handover::{Pair, Rendezvous};
    /// use rustix::net::{AddressFamily, RecvFlags, SocketAddrUnix, SocketType};
    /// use rustix::net::{accept, bind, listen, recv, socket};
    ///
    /// let name = format!("example-{}", std::process::id());
    /// let listener = socket(AddressFamily::UNIX, SocketType::SEQPACKET, None)?;
    /// bind(&listener, &SocketAddrUnix::new_abstract_name(name.as_bytes())?)?;
    /// listen(&listener, 1)?;
    /// let (_pair, client_end) = Pair::new()?;
    /// Rendezvous::connect(format!("@{name}").as_ref())?.hand_over(b"hello", client_end)?;
    /// let mut bytes = [0; 5];
    /// recv(accept(&listener)?, &mut bytes, RecvFlags::empty())?;
    /// assert_eq!(&bytes, b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn hand_over(self, hello: &[u8], client_end: OwnedFd) -> io::Result<()> {
        pair::send(&self.0, hello, &[client_end])
    }
}

/// The client could not be met.
#[derive(Debug)]
pub struct RendezvousError {
    path: OsString,
    cause: io::Error,
}

impl fmt::Display for RendezvousError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RendezvousError { path, cause } = self;
        write!(f, "cannot connect to the rendezvous {}: {cause}", path.to_string_lossy())
    }
}

impl std::error::Error for RendezvousError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}
