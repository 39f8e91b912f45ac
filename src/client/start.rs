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
#[derive(Clone, Debug)]
pub struct Start {
    pub executable: PathBuf,
    /// A command to put in front, such as `sudo -n`; usually empty.
    pub launcher: Vec<OsString>,
    /// Arguments besides `--rendezvous`.
    pub arguments: Vec<OsString>,
    /// How long the program may take to say hello.
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
    pub fn start(&self) -> Result<Client, ClientError> {
        self.start_with(|_| {})
    }

    /// The same, when `prepare` has made its changes to the command.
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
    let left = deadline.saturating_duration_since(Instant::now());
    match poll(&mut events, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
        Ok(0) => Err(ClientError::TimedOut),
        Err(Errno::EINTR) => await_connection(listener, child, deadline),
        Err(errno) => Err(errno.into()),
        Ok(_) if events[0].any() == Some(true) => Ok(()),
        Ok(_) => Err(ClientError::NoHello(child.wait()?)),
    }
}
