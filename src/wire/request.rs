/// A client's request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The client's own number for it.
    pub id: u64,
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
    pub netns: Netns,
    /// The protocol number for `socket(2)`.
    pub protocol: i32,
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

/// What to set on a socket before it is handed over; `None` leaves it as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    pub ext_ack: Option<bool>,
    pub cap_ack: Option<bool>,
    pub strict_check: Option<bool>,
    pub no_enobufs: Option<bool>,
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
    BadArgument { id: u64, reason: String },
}

/// What is wrong with a frame that has no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    FrameTooLarge,
    BadVersion,
    BadTag,
    TooDeep,
    TruncatedTerm,
    TrailingBytes,
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
