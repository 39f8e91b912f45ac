//! Bytes to requests, and replies to bytes: the External Term Format as `docs/PROTOCOL.md` uses it.
//!
//! The way in: a frame's bytes are walked once by `shape`, which refuses everything that is not
//! one small, complete term; only then does `eetf` see them, and `read` makes a [`Request`] out of its
//! terms: each entry is read by `entry`, its options by `setting`, after the table in `option`. The way
//! out: `reply` makes a term and encodes it.
//!
//! No system calls and no input or output in this room; it depends on no other room.

mod entry;
mod failure;
mod option;
mod read;
mod reply;
mod request;
mod setting;
mod shape;
mod term;

pub use entry::read_key;
pub use failure::{Failure, IntoErrno, Stage};
pub use option::{AF_INET6, AF_NETLINK, At, Form, OPTIONS, Of, SocketOption};
pub use read::read_request;
pub use reply::{Confinement, Hello, Info, Reply, RequestCounts};
pub use request::{
    Command, Entry, Malformed, Netns, Options, Owner, ProtocolError, Request, Setting, Socket,
    What, Where,
};

/// The version of the wire that this program speaks.
pub const PROTOCOL: u8 = 1;

/// The largest request frame, in bytes, its length header not counted.
pub const MAX_FRAME: usize = 1 << 20;

/// The most entries of an `open_many`: as many descriptors as Linux passes in one message
/// (`SCM_MAX_FD` in the kernel's `include/net/scm.h`).
pub const MAX_ENTRIES: usize = 253;
