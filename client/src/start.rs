use super::{Client, ClientError, receive};
use eetf::Term;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::sockopt::PeerCredentials;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, getsockopt, listen, socket,
};
use nix::unistd::getuid;
use rustix::net::{SocketFlags, accept_with};
use std::ffi::OsString;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How to start the port program.
///
/// ```
/// use linx_netlink_client::{ClientError, Start};
/// use std::process::Stdio;
///
/// // This is no port program; the example of the module starts one.
/// let start = Start::new("false");
/// assert!(matches!(start.start(), Err(ClientError::NoHello(status)) if !status.success()));
/// let outcome = start.start_with(|command| drop(command.stderr(Stdio::null())));
/// assert!(matches!(outcome, Err(ClientError::NoHello(_))));
/// ```
#[derive(Clone, Debug)]
pub struct Start {
    /// The port program; a name without a slash is looked for in `PATH`.
    pub executable: PathBuf,
    /// A command to put in front, such as `sudo -n`; usually empty.
    pub launcher: Vec<OsString>,
    /// Arguments besides `--rendezvous`.
    pub arguments: Vec<OsString>,
    /// How long the program may take to say hello. One that closes its stdout instead is waited for
    /// without a limit, until it ends.
    pub timeout: Duration,
}

impl Start {
    /// The program at `executable`, with no launcher and no arguments, and 10 seconds for it.
    pub fn new(executable: impl Into<PathBuf>) -> Start {
        Start {
            executable: executable.into(),
            launcher: Vec::new(),
            arguments: Vec::new(),
            timeout: Duration::from_secs(10),
        }
    }

    /// Starts the program and receives its hello.
    ///
    /// Fails with `Io` if the program cannot be executed, or there can be no socket to meet it;
    /// `NoHello` if it ends first; `TimedOut` if it has not said hello within the
    /// [`timeout`](Start::timeout); `Garbled` if what it says is no term, or does not bring one
    /// descriptor. Whatever was started is killed then.
    pub fn start(&self) -> Result<Client, ClientError> {
        self.start_with(|_| {})
    }

    /// The same, when `prepare` has made its changes to the command. Fails as [`start`](Start::start)
    /// does.
    pub fn start_with(&self, prepare: impl FnOnce(&mut Command)) -> Result<Client, ClientError> {
        let (listener, rendezvous) = listen_somewhere()?;
        let mut child = self.spawn(&rendezvous, prepare)?;
        let (hello, pair) = match self.await_hello(&listener, &mut child) {
            Ok(met) => met,
            Err(error) => {
                // Whatever it is, it did not come to the rendezvous, and is of no use.
                let _ = child.kill();
                let _ = child.wait();
                return Err(error);
            }
        };
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        Ok(Client { child, stdin, stdout, pair: Some(pair), hello })
    }

    fn spawn(
        &self,
        rendezvous: &str,
        prepare: impl FnOnce(&mut Command),
    ) -> Result<Child, ClientError> {
        let mut words = self.launcher.clone();
        words.push(self.executable.clone().into());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg("--rendezvous").arg(rendezvous).args(&self.arguments);
        prepare(&mut command);
        Ok(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?)
    }

    fn await_hello(
        &self,
        listener: &OwnedFd,
        child: &mut Child,
    ) -> Result<(Term, OwnedFd), ClientError> {
        let deadline = Instant::now() + self.timeout;
        loop {
            await_connection(listener, child, deadline)?;
            let connection =
                accept_with(listener, SocketFlags::CLOEXEC).map_err(io::Error::from)?;
            if !self.is_trusted(&connection, child)? {
                continue;
            }
            poll_until(&mut [PollFd::new(connection.as_fd(), PollFlags::POLLIN)], deadline)?;
            let mut message = receive(&connection)?;
            return match (message.descriptors.pop(), message.descriptors.is_empty()) {
                (Some(pair), true) => Ok((message.term()?, pair)),
                _ => Err(ClientError::Garbled("a hello has one descriptor".into())),
            };
        }
    }

    /// Whether the peer is the process that was started, or may stand behind the launcher that
    /// was.
    fn is_trusted(&self, connection: &OwnedFd, child: &Child) -> Result<bool, ClientError> {
        let peer = getsockopt(connection, PeerCredentials)?;
        let behind_launcher = peer.uid() == 0 || peer.uid() == getuid().as_raw();
        Ok(u32::try_from(peer.pid()) == Ok(child.id())
            || (!self.launcher.is_empty() && behind_launcher))
    }
}

/// A listening socket at an abstract address that nobody can guess, and that address.
fn listen_somewhere() -> Result<(OwnedFd, String), ClientError> {
    let random = RandomState::new();
    let name = format!("linx-netlink-port-{:016x}{:016x}", random.hash_one(0), random.hash_one(1));
    let flags = SockFlag::SOCK_CLOEXEC;
    let listener = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?;
    bind(listener.as_raw_fd(), &UnixAddr::new_abstract(name.as_bytes())?)?;
    listen(&listener, Backlog::new(8)?)?;
    Ok((listener, format!("@{name}")))
}

/// Waits until somebody connects; an error if the child ends first, or time runs out.
fn await_connection(
    listener: &OwnedFd,
    child: &mut Child,
    deadline: Instant,
) -> Result<(), ClientError> {
    let mut events = vec![PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    // No event is asked for, but the end of a child that wrote nothing is told nevertheless.
    events.extend(child.stdout.as_ref().map(|it| PollFd::new(it.as_fd(), PollFlags::empty())));
    poll_until(&mut events, deadline)?;
    match events[0].any() {
        Some(true) => Ok(()),
        _ => Err(ClientError::NoHello(child.wait()?)),
    }
}

/// Waits for one of the events; an error if time runs out.
fn poll_until(events: &mut [PollFd<'_>], deadline: Instant) -> Result<(), ClientError> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match poll(events, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
            Ok(0) => return Err(ClientError::TimedOut),
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::connect;

    #[test]
    fn a_program_that_connects_and_says_nothing_is_given_up() {
        let (listener, rendezvous) = listen_somewhere().expect("a listener");
        let socket = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)
            .expect("a socket");
        let address = UnixAddr::new_abstract(&rendezvous.as_bytes()[1..]).expect("an address");
        connect(socket.as_raw_fd(), &address).expect("a connection");
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a program");
        // With a launcher in front, this process may be the program.
        let start = Start {
            launcher: vec!["launcher".into()],
            timeout: Duration::from_millis(10),
            ..Start::new("program")
        };
        let outcome = start.await_hello(&listener, &mut child);
        child.kill().expect("cat is killed");
        child.wait().expect("cat ends");
        assert!(matches!(outcome, Err(ClientError::TimedOut)), "{outcome:?}");
    }
}
