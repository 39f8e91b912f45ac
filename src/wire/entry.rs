//! One descriptor that is asked for: `Netns`, `What` and perhaps `Options`; and the key of one that the
//! client sends.

use super::request::{Entry, Netns, Options, Owner, Socket, What, Where};
use super::shape::{Checked, Elements};
use super::{setting, term};
use eetf::Term;

const NO_NETNS: &str = "Netns is a path, as a binary or list of bytes, {pid, Pid} with a positive Pid, \
    {fd, Key} with a Key from 0 to 2^64-1, new or {new, user}";

const NO_WHAT: &str = "What is a netlink protocol, a 32-bit integer, or {Domain, Type, Protocol} with a \
    Domain of 16 bits, a Type from 0 to 15 and a Protocol of 32 bits, or netns";

/// Reads Netns, What and perhaps Options, the rest of a tuple whose arity was looked at.
pub fn read_entry(mut parts: Elements<'_>) -> Result<Entry, String> {
    let netns = parts.next().map(read_netns).transpose()?.flatten().ok_or(NO_NETNS)?;
    let what = parts.next().map(read_what).transpose()?.flatten().ok_or(NO_WHAT)?;
    let options = match parts.next().map(term::decode).transpose()? {
        None => return Ok(Entry { netns, what }),
        Some(Term::Map(options)) => options,
        Some(_) => return Err("Options is a map".into()),
    };
    let what = match what {
        What::Socket(socket) => {
            let options = setting::read_options(&options, socket.domain)?;
            What::Socket(Socket { options, ..socket })
        }
        What::Netns => {
            setting::read_no_options(&options)?;
            What::Netns
        }
    };
    Ok(Entry { netns, what })
}

fn read_netns(netns: Checked<'_>) -> Result<Option<Where>, String> {
    let Some(mut pair) = netns.tuple() else {
        return match term::bytes(netns)? {
            Some(path) => Ok(Some(Where::Named(Netns::Path(path)))),
            None => Ok(is_atom(netns, "new")?.then_some(Where::New(Owner::Program))),
        };
    };
    let (Some(name), Some(value), None) = (pair.next(), pair.next(), pair.next()) else {
        return Ok(None);
    };
    let pid = || value.unsigned().and_then(|pid| i32::try_from(pid).ok()).filter(|&pid| pid > 0);
    Ok(match term::atom(&term::decode(name)?) {
        Some("pid") => pid().map(|pid| Where::Named(Netns::Pid(pid))),
        Some("fd") => value.unsigned().map(Where::Sent),
        Some("new") => is_atom(value, "user")?.then_some(Where::New(Owner::User)),
        _ => None,
    })
}

fn read_what(what: Checked<'_>) -> Result<Option<What>, String> {
    let Some(mut parts) = what.tuple() else {
        let what = term::decode(what)?;
        return Ok(match term::atom(&what) {
            Some("netns") => Some(What::Netns),
            _ => integer(&what).map(|protocol| What::Socket(Socket::netlink(protocol))),
        });
    };
    if parts.len() != 3 {
        return Ok(None);
    }
    let mut part = || parts.next().map(term::decode).transpose();
    let (domain, kind, protocol) = (part()?, part()?, part()?);
    let socket = || {
        Some(Socket {
            domain: integer(domain.as_ref()?)?,
            kind: integer(kind.as_ref()?).filter(|kind| *kind < 16)?,
            protocol: integer(protocol.as_ref()?)?,
            options: Options::default(),
        })
    };
    Ok(socket().map(What::Socket))
}

fn integer<N: TryFrom<i128>>(term: &Term) -> Option<N> {
    term::integer(term)?.try_into().ok()
}

fn is_atom(checked: Checked<'_>, name: &str) -> Result<bool, String> {
    Ok(term::atom(&term::decode(checked)?) == Some(name))
}

/// The key that a client gave to a descriptor which it sent: `message` is one term, an integer from 0 to
/// 2^64-1, and nothing else.
///
/// ```
/// use linx_netlink_port::wire::read_key;
///
/// assert_eq!(read_key(b"\x83a\x07"), Some(7));
/// assert_eq!(read_key(b"\x83w\x03key"), None);
/// ```
pub fn read_key(message: &[u8]) -> Option<u64> {
    Checked::new(message).ok()?.unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{Netns, What}`.
    fn read(netns: &[u8], what: &[u8]) -> Result<Entry, String> {
        let bytes = [b"\x83h\x02", netns, what].concat();
        read_entry(Checked::new(&bytes).expect("one term").tuple().expect("a tuple"))
    }

    const NEW: &[u8] = b"w\x03new";

    #[test]
    fn a_namespace_may_be_sent_or_made() {
        for (netns, expected) in [
            (&b"h\x02w\x02fda\0"[..], Where::Sent(0)),
            (b"h\x02w\x02fdn\x08\0\xff\xff\xff\xff\xff\xff\xff\xff", Where::Sent(u64::MAX)),
            (NEW, Where::New(Owner::Program)),
            (b"h\x02w\x03neww\x04user", Where::New(Owner::User)),
        ] {
            assert_eq!(read(netns, b"a\0").map(|entry| entry.netns), Ok(expected));
        }
        for netns in [
            &b"w\x04user"[..],
            b"h\x01w\x03new",
            b"h\x02w\x03neww\x06system",
            b"h\x02w\x02fdb\xff\xff\xff\xff",
            b"h\x03w\x02fda\0a\0",
        ] {
            assert_eq!(read(netns, b"a\0"), Err(NO_NETNS.into()), "{netns:?}");
        }
    }

    #[test]
    fn what_is_opened_is_a_number_three_numbers_or_the_namespace() {
        let route = What::Socket(Socket::netlink(0));
        let most = Socket { domain: 65_535, kind: 15, protocol: -1, options: Options::default() };
        for (what, expected) in [
            (&b"a\0"[..], route.clone()),
            (b"h\x03a\x10a\x03a\0", route),
            (b"w\x05netns", What::Netns),
            (b"h\x03b\0\0\xff\xffa\x0fb\xff\xff\xff\xff", What::Socket(most)),
        ] {
            assert_eq!(read(NEW, what).map(|entry| entry.what), Ok(expected));
        }
        for what in [
            &b"w\x03net"[..],
            b"h\x02a\x02a\x01",
            b"h\x03a\x02a\x10a\0",
            b"h\x03b\0\x01\0\0a\x01a\0",
            b"h\x03a\x02b\xff\xff\xff\xffa\0",
            b"h\x03a\x02a\x01n\x04\0\0\0\0\x80",
        ] {
            assert_eq!(read(NEW, what), Err(NO_WHAT.into()), "{what:?}");
        }
    }

    #[test]
    fn a_key_is_one_integer_and_nothing_else() {
        assert_eq!(read_key(b"\x83n\x08\0\xff\xff\xff\xff\xff\xff\xff\xff"), Some(u64::MAX));
        for message in [
            &b""[..],
            b"\x83",
            b"a\x07",
            b"\x83a\x07\0",
            b"\x83b\xff\xff\xff\xff",
            b"\x83n\x09\0\x01\x01\x01\x01\x01\x01\x01\x01\x01",
            b"\x83j",
            b"\x83h\x01a\x07",
        ] {
            assert_eq!(read_key(message), None, "{message:?}");
        }
    }
}
