//! The commands, as terms.

use crate::etf::{Term, atom, int, list, tuple};

pub const ROUTE: i32 = 0;
pub const NETFILTER: i32 = 12;
pub const UEVENT: i32 = 15;
pub const GENERIC: i32 = 16;
/// No kernel has a protocol of this number.
pub const NO_PROTOCOL: i32 = 99;

/// `{open_in_netns, Netns, What}`.
pub fn open(netns: Term, what: impl Into<Term>) -> Term {
    tuple([atom("open_in_netns"), netns, what.into()])
}

/// `{open_in_netns, Netns, What, Options}`.
pub fn open_with(netns: Term, what: impl Into<Term>, options: Term) -> Term {
    tuple([atom("open_in_netns"), netns, what.into(), options])
}

/// `{Netns, What}`.
pub fn entry(netns: Term, what: impl Into<Term>) -> Term {
    tuple([netns, what.into()])
}

/// `{Netns, What, Options}`.
pub fn entry_with(netns: Term, what: impl Into<Term>, options: Term) -> Term {
    tuple([netns, what.into(), options])
}

/// `{open_many, Entries}`.
pub fn open_many(entries: impl Into<Vec<Term>>) -> Term {
    tuple([atom("open_many"), list(entries)])
}

/// `What`: `{Domain, Type, Protocol}`.
pub fn any(domain: i32, kind: i32, protocol: i32) -> Term {
    tuple([int(domain), int(kind), int(protocol)])
}

/// `What`: the namespace itself.
pub fn netns() -> Term {
    atom("netns")
}

/// `Netns`: the one that was sent under this key.
pub fn sent(key: impl Into<i128>) -> Term {
    tuple([atom("fd"), int(key)])
}

/// `Netns`: a new one.
pub fn new() -> Term {
    atom("new")
}

/// `Netns`: a new one that belongs to the user.
pub fn new_for_user() -> Term {
    tuple([atom("new"), atom("user")])
}
