use std::process::ExitStatus;
use std::{fmt, io};

/// What went wrong between the client and the port program.
#[derive(Debug)]
pub enum ClientError {
    /// The program could not be started, or not be talked to.
    Io(io::Error),
    /// The program ended before its hello.
    NoHello(ExitStatus),
    /// The program has ended.
    Ended,
    /// Nothing came in time.
    TimedOut,
    /// What came was no term.
    Garbled(String),
    /// What was to be sent cannot be encoded.
    Encode(String),
}

impl ClientError {
    /// A pipe that nobody reads any more is a program that has ended.
    pub(crate) fn from_write(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => ClientError::Ended,
            _ => error.into(),
        }
    }
}

impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> Self {
        ClientError::Io(error)
    }
}

impl From<nix::errno::Errno> for ClientError {
    fn from(errno: nix::errno::Errno) -> Self {
        ClientError::Io(errno.into())
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::Io(error) => error.fmt(f),
            ClientError::NoHello(status) => {
                write!(f, "the port program ended before its hello: {status}")
            }
            ClientError::Ended => f.write_str("the port program has ended"),
            ClientError::TimedOut => f.write_str("the port program did not answer in time"),
            ClientError::Garbled(cause) => write!(f, "the port program sent no term: {cause}"),
            ClientError::Encode(cause) => write!(f, "this cannot be sent: {cause}"),
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ClientError::Io(error) => Some(error),
            _ => None,
        }
    }
}
