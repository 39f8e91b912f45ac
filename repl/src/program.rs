//! The port program that runs, as a client of the wire sees it.

use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use eetf::Term;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use linx_netlink_client::{Client, ClientError, Message, Start};

/// How long a port program may take to end before it is killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// What came of waiting for a message.
#[derive(Debug)]
pub enum Wait {
    /// A message.
    Message(Message),
    /// Nothing, in the time that was given.
    TimedOut,
    /// Nothing, until the user had enough.
    Interrupted,
    /// The port program has ended.
    Gone,
}

/// A running port program.
#[derive(Debug)]
pub struct Program {
    client: Client,
}

impl Program {
    /// Starts it, and waits for its hello.
    pub fn start(start: &Start) -> Result<Self, ClientError> {
        start.start().map(|client| Self { client })
    }

    /// Its first message.
    pub fn hello(&self) -> &Term {
        self.client.hello()
    }

    /// Sends a frame, whatever it holds.
    pub fn send(&mut self, frame: &[u8]) -> Result<(), ClientError> {
        self.client.send_frame(frame)
    }

    /// Sends a descriptor, with the term that it is called by.
    pub fn send_descriptor(&self, key: &[u8], fd: BorrowedFd<'_>) -> Result<(), ClientError> {
        self.client.send_on_pair(key, &[fd])
    }

    /// The next message, if it comes before the deadline, and before `stop` becomes readable.
    pub fn wait(
        &mut self,
        deadline: Instant,
        stop: Option<BorrowedFd<'_>>,
    ) -> Result<Wait, ClientError> {
        loop {
            let mut fds: Vec<PollFd<'_>> =
                stop.into_iter().map(|stop| PollFd::new(stop, PollFlags::POLLIN)).collect();
            let sources = self.client.sources();
            fds.extend(sources.map(|source| PollFd::new(source, PollFlags::POLLIN)));
            match poll(&mut fds, until(deadline)) {
                Ok(0) if deadline <= Instant::now() => return Ok(Wait::TimedOut),
                Ok(0) | Err(Errno::EINTR) => continue,
                Ok(_) => {}
                Err(errno) => return Err(errno.into()),
            }
            if stop.is_some() && fds[0].any() == Some(true) {
                return Ok(Wait::Interrupted);
            }
            match self.client.receive(Duration::ZERO) {
                Ok(message) => return Ok(Wait::Message(message)),
                Err(ClientError::Ended) => return Ok(Wait::Gone),
                // It was the end of the pair alone: stdout tells the rest.
                Err(ClientError::TimedOut) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Ends it as a client does, by closing its stdin.
    pub fn stop(mut self) -> Result<ExitStatus, ClientError> {
        self.client.close_stdin();
        self.bury()
    }

    /// How it has ended, or ends now.
    pub fn bury(mut self) -> Result<ExitStatus, ClientError> {
        if let Some(status) = self.client.status()? {
            return Ok(status);
        }
        let pid = i32::try_from(self.client.os_pid()).ok().and_then(Pid::from_raw);
        let ended =
            pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()).is_some_and(|pidfd| {
                let deadline = Instant::now() + PATIENCE;
                loop {
                    let mut fds = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
                    match poll(&mut fds, until(deadline)) {
                        Err(Errno::EINTR) => {}
                        result => return result.is_ok_and(|ready| ready > 0),
                    }
                }
            });
        if ended { self.client.finish() } else { self.client.kill() }
    }
}

/// The time left, rounded up, so that nobody wakes just before it is over.
fn until(deadline: Instant) -> PollTimeout {
    let left = deadline.saturating_duration_since(Instant::now());
    PollTimeout::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(PollTimeout::MAX)
}
