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
    /// `open_in_netns`: one socket.
    Open(Entry),
    /// `open_many`: 1 to [`MAX_ENTRIES`](super::MAX_ENTRIES) sockets.
    OpenMany(Vec<Entry>),
    /// `info`.
    Info,
}

/// One socket that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it is opened.
    pub netns: Netns,
    /// The protocol number for `socket(2)`.
    pub protocol: i32,
    /// How it is set up; by default it stays as `socket(2)` makes it.
    pub options: Options,
}

/// How a client names a network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Netns {
    /// The path of a namespace file, as bytes.
    Path(Vec<u8>),
    /// The namespace of the process with this id, which is positive.
    Pid(i32),
}

/// What to set on a socket before it is handed over; `None` leaves it as it is (`netlink(7)`,
/// `include/uapi/linux/netlink.h`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `NETLINK_EXT_ACK`: the kernel's errors say what is wrong, and with which attribute.
    pub ext_ack: Option<bool>,
    /// `NETLINK_CAP_ACK`: the kernel's errors do not repeat the message that they answer.
    pub cap_ack: Option<bool>,
    /// `NETLINK_GET_STRICT_CHK`: requests for dumps are checked, and their filters applied.
    pub strict_check: Option<bool>,
    /// `NETLINK_NO_ENOBUFS`: messages that found no room are lost without an `ENOBUFS`.
    pub no_enobufs: Option<bool>,
    /// `NETLINK_LISTEN_ALL_NSID`: multicasts come from all namespaces that have an id in this one.
    pub listen_all_nsid: Option<bool>,
    /// Bytes, positive.
    pub rcvbuf: Option<usize>,
    /// Bytes, positive.
    pub sndbuf: Option<usize>,
    /// Bind, with this mask of multicast groups 1 to 32.
    pub groups: Option<u32>,
    /// Bind, if not bound, and join these multicast groups.
    pub memberships: Option<Vec<u32>>,
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
