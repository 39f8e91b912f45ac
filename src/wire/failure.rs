use nix::errno::Errno;
use std::fmt;

/// The step of a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Finding or opening the namespace file.
    Open,
    /// Entering the namespace.
    Setns,
    /// Making a new namespace.
    Unshare,
    /// Entering the user namespace that the network namespace belongs to.
    Userns,
    /// Having a child process do it.
    Fork,
    /// `socket(2)`.
    Socket,
    /// Setting a socket option, or joining a multicast group.
    Setsockopt,
    /// `bind(2)`.
    Bind,
    /// `listen(2)`.
    Listen,
    /// Handing the descriptor over.
    Send,
    /// Getting a thread to work on.
    Thread,
}

impl Stage {
    /// The stage's atom on the wire.
    ///
    /// ```
    /// use linx_netlink_port::wire::Stage;
    ///
    /// assert_eq!(Stage::Setns.name(), "setns");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Stage::Open => "open",
            Stage::Setns => "setns",
            Stage::Unshare => "unshare",
            Stage::Userns => "userns",
            Stage::Fork => "fork",
            Stage::Socket => "socket",
            Stage::Setsockopt => "setsockopt",
            Stage::Bind => "bind",
            Stage::Listen => "listen",
            Stage::Send => "send",
            Stage::Thread => "thread",
        }
    }

    /// Makes an error number a failure of this stage, as `map_err` wants it.
    ///
    /// ```
    /// use linx_netlink_port::wire::Stage;
    /// use std::fs::File;
    ///
    /// let failure = File::open("/run/netns/green").map_err(Stage::Open.fails()).unwrap_err();
    /// assert_eq!(failure.to_string(), "open: No such file or directory");
    /// ```
    pub fn fails<E: IntoErrno>(self) -> impl Fn(E) -> Failure {
        move |errno| Failure { stage: self, errno: errno.into_errno() }
    }
}

/// The error types of the crates that make system calls, as one.
pub trait IntoErrno {
    /// The kernel's error number; `EIO` for an error that is not the kernel's.
    ///
    /// ```
    /// use linx_netlink_port::wire::IntoErrno;
    /// use nix::errno::Errno;
    /// use std::io::{Error, ErrorKind};
    ///
    /// assert_eq!(Error::from_raw_os_error(2).into_errno(), Errno::ENOENT);
    /// assert_eq!(Error::from(ErrorKind::UnexpectedEof).into_errno(), Errno::EIO);
    /// ```
    fn into_errno(self) -> Errno;
}

impl IntoErrno for Errno {
    fn into_errno(self) -> Errno {
        self
    }
}

impl IntoErrno for rustix::io::Errno {
    fn into_errno(self) -> Errno {
        Errno::from_raw(self.raw_os_error())
    }
}

impl IntoErrno for std::io::Error {
    fn into_errno(self) -> Errno {
        // An error without a number was made by the standard library, not by the kernel.
        self.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
    }
}

/// Which step of a request failed, and with which Linux error number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The step, an atom on the wire.
    pub stage: Stage,
    /// The error, whose number for the wire is its [`code`](Failure::code).
    pub errno: Errno,
}

impl Failure {
    /// The error number for the wire, always positive.
    ///
    /// ```
    /// use linx_netlink_port::wire::{Failure, Stage};
    /// use nix::errno::Errno;
    ///
    /// assert_eq!(Failure { stage: Stage::Open, errno: Errno::ENOENT }.code(), 2);
    /// ```
    pub fn code(self) -> i32 {
        match self.errno as i32 {
            code if code > 0 => code,
            // A number that nix has no name for is lost inside nix.
            _ => Errno::EIO as i32,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.stage.name(), self.errno.desc())
    }
}

impl std::error::Error for Failure {}
