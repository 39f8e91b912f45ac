use super::term::{new_atom, new_boolean, new_integer, new_list, new_tuple};
use super::{Failure, PROTOCOL, ProtocolError};
use eetf::{Binary, Map, Term};

/// The first message, which hands over the client's end of the pair.
#[derive(Debug)]
pub struct Hello<'a> {
    /// The program's own, such as `0.1.0`; that of the wire is [`PROTOCOL`].
    pub version: &'a str,
    /// The program's process id, in its own PID namespace.
    pub os_pid: u32,
    /// Those that it can use, in lower case and without `CAP_`.
    pub capabilities: &'a [&'static str],
}

/// The answer to `info`.
#[derive(Debug)]
pub struct Info<'a> {
    /// What the hello said, which `info` repeats.
    pub hello: Hello<'a>,
    /// Milliseconds since the server was made.
    pub uptime_ms: u64,
    /// Counts since then.
    pub requests: RequestCounts,
    /// How many requests may be in flight, from 1 to 4096.
    pub max_in_flight: u64,
    /// What was given up before the hello.
    pub confinement: Confinement,
}

/// What the process has given up.
#[derive(Debug)]
pub struct Confinement {
    /// Whether system calls are filtered.
    pub seccomp: bool,
    /// Whether no `execve(2)` gives privileges any more.
    pub no_new_privs: bool,
    /// Whether the same user's processes may trace this one.
    pub dumpable: bool,
    /// Whether nothing can be changed over the sockets.
    pub read_only: bool,
    /// The atom for what became of the capability bounding set.
    pub bounding_set: &'static str,
}

/// How many requests were answered, either way, not counting `info`, and how many are being served.
#[derive(Debug)]
pub struct RequestCounts {
    /// Answered with one descriptor at least.
    pub ok: u64,
    /// Answered with none, for whatever reason.
    pub error: u64,
    /// Admitted, and not yet answered.
    pub in_flight: u64,
    /// How many of the sockets were asked of a child in another user namespace.
    pub userns: u64,
}

/// One message to the client. Which channel it takes is not decided here.
#[derive(Debug)]
pub enum Reply<'a> {
    /// `{hello, Map}`, which comes first.
    Hello(Hello<'a>),
    /// `{Id, ok}`, which goes with one descriptor.
    Opened {
        /// The request's.
        id: u64,
    },
    /// `{Id, {error, {Stage, Errno}}}`
    NotOpened {
        /// The request's.
        id: u64,
        /// The stage and error number.
        failure: Failure,
    },
    /// `{Id, {ok, [ok | {error, {Stage, Errno}}]}}`, which goes with a descriptor for each `ok`.
    ManyOpened {
        /// The request's.
        id: u64,
        /// One for each entry, in the same order.
        outcomes: &'a [Result<(), Failure>],
    },
    /// `{Id, {error, [{Stage, Errno}]}}`
    NoneOpened {
        /// The request's.
        id: u64,
        /// One for each entry, in the same order.
        failures: &'a [Failure],
    },
    /// `{Id, {ok, Map}}`
    Info {
        /// The request's.
        id: u64,
        /// What the map says.
        info: Info<'a>,
    },
    /// `{Id, {error, {badarg, Reason}}}`
    BadArgument {
        /// The request's.
        id: u64,
        /// A sentence for a person.
        reason: &'a str,
    },
    /// `{protocol_error, Reason}`, for a frame whose id cannot be read.
    ProtocolError(ProtocolError),
}

impl Reply<'_> {
    /// The message as one term of the External Term Format, without a length header.
    ///
    /// ```
    /// use linx_netlink_port::wire::Reply;
    ///
    /// // {7, ok}: a tuple of two, a small integer, an atom of two characters.
    /// assert_eq!(Reply::Opened { id: 7 }.encode(), b"\x83h\x02a\x07w\x02ok");
    /// ```
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        // Writing to memory cannot fail, and no atom or integer here is long.
        let encoded = self.term().encode(&mut bytes);
        debug_assert!(encoded.is_ok());
        bytes
    }

    fn term(&self) -> Term {
        match self {
            Reply::Hello(hello) => new_tuple([new_atom("hello"), map(hello.pairs())]),
            Reply::Opened { id } => new_tuple([new_integer(*id), new_atom("ok")]),
            Reply::NotOpened { id, failure } => error(*id, pair(*failure)),
            Reply::ManyOpened { id, outcomes } => {
                let outcomes = outcomes.iter().map(|outcome| match outcome {
                    Ok(()) => new_atom("ok"),
                    Err(failure) => new_tuple([new_atom("error"), pair(*failure)]),
                });
                ok(*id, new_list(outcomes))
            }
            Reply::NoneOpened { id, failures } => {
                error(*id, new_list(failures.iter().copied().map(pair)))
            }
            Reply::Info { id, info } => ok(*id, map(info.pairs())),
            Reply::BadArgument { id, reason } => {
                error(*id, new_tuple([new_atom("badarg"), binary(reason)]))
            }
            Reply::ProtocolError(reason) => {
                new_tuple([new_atom("protocol_error"), new_atom(reason.name())])
            }
        }
    }
}

impl Hello<'_> {
    fn pairs(&self) -> Vec<(&'static str, Term)> {
        let capabilities = self.capabilities.iter().map(|name| new_atom(name));
        vec![
            ("protocol", new_integer(PROTOCOL.into())),
            ("version", binary(self.version)),
            ("os_pid", new_integer(self.os_pid.into())),
            ("capabilities", new_list(capabilities)),
        ]
    }
}

impl Info<'_> {
    fn pairs(&self) -> Vec<(&'static str, Term)> {
        let requests = map(vec![
            ("ok", new_integer(self.requests.ok)),
            ("error", new_integer(self.requests.error)),
            ("in_flight", new_integer(self.requests.in_flight)),
            ("userns", new_integer(self.requests.userns)),
        ]);
        let mut pairs = self.hello.pairs();
        pairs.extend([
            ("uptime_ms", new_integer(self.uptime_ms)),
            ("requests", requests),
            ("max_in_flight", new_integer(self.max_in_flight)),
            ("confinement", map(self.confinement.pairs())),
        ]);
        pairs
    }
}

impl Confinement {
    fn pairs(&self) -> Vec<(&'static str, Term)> {
        vec![
            ("seccomp", new_boolean(self.seccomp)),
            ("no_new_privs", new_boolean(self.no_new_privs)),
            ("dumpable", new_boolean(self.dumpable)),
            ("read_only", new_boolean(self.read_only)),
            ("bounding_set", new_atom(self.bounding_set)),
        ]
    }
}

fn ok(id: u64, value: Term) -> Term {
    new_tuple([new_integer(id), new_tuple([new_atom("ok"), value])])
}

fn error(id: u64, reason: Term) -> Term {
    new_tuple([new_integer(id), new_tuple([new_atom("error"), reason])])
}

fn pair(failure: Failure) -> Term {
    let errno = new_integer(failure.code().unsigned_abs().into());
    new_tuple([new_atom(failure.stage.name()), errno])
}

fn binary(text: &str) -> Term {
    Binary::from(text.as_bytes().to_vec()).into()
}

fn map(pairs: Vec<(&'static str, Term)>) -> Term {
    let pairs = pairs.into_iter().map(|(key, value)| (new_atom(key), value));
    Map::from(pairs.collect::<std::collections::HashMap<_, _>>()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Stage;
    use nix::errno::Errno;

    #[test]
    fn replies_are_what_a_beam_encodes() {
        // Each from erlang:term_to_binary/1 of the term in the comment.
        // {7, ok}
        let opened = Reply::Opened { id: 7 };
        assert_eq!(opened.encode(), b"\x83h\x02a\x07w\x02ok");
        // {18446744073709551615, ok}
        let opened = Reply::Opened { id: u64::MAX };
        assert_eq!(opened.encode(), b"\x83h\x02n\x08\0\xff\xff\xff\xff\xff\xff\xff\xffw\x02ok");
        // {1, {error, {setns, 22}}}
        let failure = Failure { stage: Stage::Setns, errno: Errno::EINVAL };
        let failed = Reply::NotOpened { id: 1, failure };
        assert_eq!(failed.encode(), b"\x83h\x02a\x01h\x02w\x05errorh\x02w\x05setnsa\x16");
        // {protocol_error, bad_tag}
        let error = Reply::ProtocolError(ProtocolError::BadTag);
        assert_eq!(error.encode(), b"\x83h\x02w\x0eprotocol_errorw\x07bad_tag");
        // {1, {ok, [ok, {error, {setns, 22}}]}}
        let many = Reply::ManyOpened { id: 1, outcomes: &[Ok(()), Err(failure)] };
        assert_eq!(
            many.encode(),
            b"\x83h\x02a\x01h\x02w\x02okl\0\0\0\x02w\x02okh\x02w\x05errorh\x02w\x05setnsa\x16j"
        );
    }

    #[test]
    fn an_errno_on_the_wire_is_positive() {
        let failure = Failure { stage: Stage::Open, errno: Errno::UnknownErrno };
        assert_eq!(failure.code(), Errno::EIO as i32);
    }
}
