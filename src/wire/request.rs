use super::option::{AF_NETLINK, At};
use nix::libc;

/// A client's request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The client's own number for it.
    pub id: u64,
    /// What it is for.
    pub command: Command,
}

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `open_in_netns`: one descriptor.
    Open(Entry),
    /// `open_many`: 1 to [`MAX_ENTRIES`](super::MAX_ENTRIES) descriptors.
    OpenMany(Vec<Entry>),
    /// `info`.
    Info,
}

/// One descriptor that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The namespace in which it is opened.
    pub netns: Where,
    /// What is opened.
    pub what: What,
}

/// Which network namespace is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Where {
    /// One that can be found.
    Named(Netns),
    /// The one whose descriptor the client has sent under this key.
    Sent(u64),
    /// One that is made for this entry.
    New(Owner),
}

/// How a client names a network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Netns {
    /// The path of a namespace file, as bytes.
    Path(Vec<u8>),
    /// The namespace of the process with this id, which is positive.
    Pid(i32),
}

/// To which user namespace a new network namespace belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The program's own, where it may do that.
    Program,
    /// One of the user as whom the program runs.
    User,
}

/// What is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A socket.
    Socket(Socket),
    /// The namespace itself, for reading.
    Netns,
}

/// A socket, and how it is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// The first argument of `socket(2)`.
    pub domain: u16,
    /// The second, from 0 to 15: without flags.
    pub kind: u8,
    /// The third, as the kernel takes it.
    pub protocol: i32,
    /// What is set before it is handed over; by default it stays as `socket(2)` makes it.
    pub options: Options,
}

impl Socket {
    /// A netlink socket of `protocol`, as a mere number on the wire asks for it.
    ///
    /// ```
    /// use linx_netlink_port::wire::{AF_NETLINK, Socket};
    ///
    /// assert_eq!(Socket::netlink(16).domain, AF_NETLINK);
    /// ```
    pub fn netlink(protocol: i32) -> Socket {
        let kind = libc::SOCK_RAW as u8;
        Socket { domain: AF_NETLINK, kind, protocol, options: Options::default() }
    }
}

/// What to set on a socket before it is handed over, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options(pub Vec<Setting>);

/// One step of setting up a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// `setsockopt(2)` with an `int`.
    Integer {
        /// Which option.
        at: At,
        /// All 32 bits of it.
        value: u32,
    },
    /// `setsockopt(2)` with bytes.
    Bytes {
        /// Which option.
        at: At,
        /// As they are.
        value: Vec<u8>,
    },
    /// The size of a buffer.
    Buffer {
        /// The option that takes `CAP_NET_ADMIN`, and is tried first.
        forced: At,
        /// The one for everybody.
        plain: At,
        /// From 1 to 2^31-1.
        bytes: u32,
    },
    /// Binds a netlink socket with this mask of groups.
    Groups(u32),
    /// Binds a netlink socket, if it is not bound, and joins groups.
    Memberships {
        /// The option that joins one.
        at: At,
        /// Their numbers.
        groups: Vec<u32>,
    },
    /// Binds to a `sockaddr`.
    Address(Vec<u8>),
    /// `listen(2)` with this backlog.
    Backlog(u32),
}

/// Why a frame is no request, with where to send the answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Malformed {
    /// No id could be read.
    Anonymous(ProtocolError),
    /// The request with this id is wrong; the reason is for a person to read.
    BadArgument {
        /// The request's.
        id: u64,
        /// One sentence.
        reason: String,
    },
}

/// What is wrong with a frame that has no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// It is longer than [`MAX_FRAME`](super::MAX_FRAME), and its bytes are skipped.
    FrameTooLarge,
    /// Its first byte is not 131.
    BadVersion,
    /// A tag that requests do not use, or an integer of more than 8 bytes.
    BadTag,
    /// More than 8 tuples, lists and maps lie in each other.
    TooDeep,
    /// It ends inside the term.
    TruncatedTerm,
    /// It does not end with the term.
    TrailingBytes,
    /// A term, but not `{Id, Command}` with an id from 0 to 2^64-1.
    NotARequest,
}

impl ProtocolError {
    /// The reason's atom on the wire.
    ///
    /// ```
    /// use linx_netlink_port::wire::ProtocolError;
    ///
    /// assert_eq!(ProtocolError::TooDeep.name(), "too_deep");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            ProtocolError::FrameTooLarge => "frame_too_large",
            ProtocolError::BadVersion => "bad_version",
            ProtocolError::BadTag => "bad_tag",
            ProtocolError::TooDeep => "too_deep",
            ProtocolError::TruncatedTerm => "truncated_term",
            ProtocolError::TrailingBytes => "trailing_bytes",
            ProtocolError::NotARequest => "not_a_request",
        }
    }

    /// What is wrong, for a person.
    ///
    /// ```
    /// use linx_netlink_port::wire::ProtocolError;
    ///
    /// assert!(ProtocolError::TooDeep.explanation().contains("at most 8 deep"));
    /// ```
    pub fn explanation(self) -> &'static str {
        match self {
            ProtocolError::FrameTooLarge => "the frame is longer than 1,048,576 bytes",
            ProtocolError::BadVersion => "a term begins with the byte 131",
            ProtocolError::BadTag => {
                "integers of up to 8 bytes, atoms, binaries, strings, lists, tuples and maps only"
            }
            ProtocolError::TooDeep => "tuples, lists and maps nest at most 8 deep",
            ProtocolError::TruncatedTerm => "the frame ends inside the term",
            ProtocolError::TrailingBytes => "bytes follow the term",
            ProtocolError::NotARequest => "a request is {Id, Command}",
        }
    }
}
