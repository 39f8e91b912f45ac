//! The commands, as terms.

use crate::etf::{Term, atom, list, tuple};

pub const ROUTE: i32 = 0;
pub const NETFILTER: i32 = 12;
pub const UEVENT: i32 = 15;
pub const GENERIC: i32 = 16;
/// No kernel has a protocol of this number.
pub const NO_PROTOCOL: i32 = 99;

/// `{open_in_netns, Netns, Protocol}`.
pub fn open(netns: Term, protocol: i32) -> Term {
    tuple([atom("open_in_netns"), netns, Term::Int(protocol.into())])
}

/// `{open_in_netns, Netns, Protocol, Options}`.
pub fn open_with(netns: Term, protocol: i32, options: Term) -> Term {
    tuple([atom("open_in_netns"), netns, Term::Int(protocol.into()), options])
}

/// `{Netns, Protocol}`.
pub fn entry(netns: Term, protocol: i32) -> Term {
    tuple([netns, Term::Int(protocol.into())])
}

/// `{Netns, Protocol, Options}`.
pub fn entry_with(netns: Term, protocol: i32, options: Term) -> Term {
    tuple([netns, Term::Int(protocol.into()), options])
}

/// `{open_many, Entries}`.
pub fn open_many(entries: impl Into<Vec<Term>>) -> Term {
    tuple([atom("open_many"), list(entries)])
}
