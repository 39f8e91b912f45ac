//! Frames to requests.

use super::entry::read_entry;
use super::request::{Command, Entry, Malformed, ProtocolError, Request};
use super::shape::{self, Checked, Defect, Elements};
use super::{MAX_ENTRIES, term};

impl From<Defect> for ProtocolError {
    fn from(defect: Defect) -> Self {
        match defect {
            Defect::BadVersion => ProtocolError::BadVersion,
            Defect::BadTag => ProtocolError::BadTag,
            Defect::TooDeep => ProtocolError::TooDeep,
            Defect::Truncated => ProtocolError::TruncatedTerm,
            Defect::TrailingBytes => ProtocolError::TrailingBytes,
        }
    }
}

/// Reads the request in `frame`, the bytes between two length headers.
///
/// Fails with [`Malformed::BadArgument`] if the id can be read, whatever is wrong behind it: the
/// term, the command or an argument. If not, fails with [`Malformed::Anonymous`]: what is wrong with
/// the term, or [`ProtocolError::NotARequest`] if that is whole.
///
/// ```
/// use linx_netlink_port::wire::{Command, Malformed, ProtocolError, Request, read_request};
///
/// // {7, info}
/// let request = read_request(b"\x83h\x02a\x07w\x04info");
/// assert_eq!(request, Ok(Request { id: 7, command: Command::Info }));
/// let malformed = Malformed::Anonymous(ProtocolError::BadVersion);
/// assert_eq!(read_request(b"GET / HTTP/1.1"), Err(malformed));
/// ```
pub fn read_request(frame: &[u8]) -> Result<Request, Malformed> {
    let Some(id) = shape::leading_id(frame) else {
        let error = match Checked::new(frame) {
            Ok(_) => ProtocolError::NotARequest,
            Err(defect) => defect.into(),
        };
        return Err(Malformed::Anonymous(error));
    };
    let command = Checked::new(frame)
        .map_err(|defect| {
            let error = ProtocolError::from(defect);
            format!("{}: {}", error.name(), error.explanation())
        })
        .and_then(|request| match request.tuple().and_then(|mut it| it.nth(1)) {
            Some(command) => read_command(command),
            None => Err("a request is {Id, Command}".into()),
        });
    match command {
        Ok(command) => Ok(Request { id, command }),
        Err(reason) => Err(Malformed::BadArgument { id, reason }),
    }
}

fn read_command(command: Checked<'_>) -> Result<Command, String> {
    let Some(mut parts) = command.tuple() else {
        return match term::atom(&term::decode(command)?) {
            Some("info") => Ok(Command::Info),
            _ => Err(UNKNOWN_COMMAND.into()),
        };
    };
    let arity = parts.len();
    let name = parts.next().ok_or(UNKNOWN_COMMAND)?;
    match (term::atom(&term::decode(name)?), arity) {
        (Some("open_in_netns"), 3 | 4) => read_entry(parts).map(Command::Open),
        (Some("open_in_netns"), _) => {
            Err("open_in_netns takes Netns, What and perhaps Options".into())
        }
        (Some("open_many"), 2) => read_entries(parts).map(Command::OpenMany),
        (Some("open_many"), _) => Err("open_many takes one list".into()),
        _ => Err(UNKNOWN_COMMAND.into()),
    }
}

const UNKNOWN_COMMAND: &str = "a command is {open_in_netns, Netns, What}, \
    {open_in_netns, Netns, What, Options}, {open_many, [Entry]} or info";

fn read_entries(mut parts: Elements<'_>) -> Result<Vec<Entry>, String> {
    let mut list = parts
        .next()
        .and_then(Checked::list)
        .filter(|list| list.len() <= MAX_ENTRIES)
        .ok_or_else(|| format!("open_many takes a list of 1 to {MAX_ENTRIES} entries"))?;
    let entries = list
        .by_ref()
        .map(|entry| match entry.tuple() {
            Some(parts) if matches!(parts.len(), 2 | 3) => read_entry(parts),
            _ => Err("an entry is {Netns, What} or {Netns, What, Options}".into()),
        })
        .collect::<Result<Vec<_>, _>>()?;
    if list.is_proper() && !entries.is_empty() {
        Ok(entries)
    } else {
        Err("open_many takes a proper list".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Netns, OPTIONS, Setting, Socket, What, Where};
    use eetf::{Atom, BigInteger, Binary, ByteList, FixInteger, List, Map, Term, Tuple};

    fn atom(name: &str) -> Term {
        Atom::from(name).into()
    }

    fn integer(value: i32) -> Term {
        FixInteger::from(value).into()
    }

    fn tuple(elements: Vec<Term>) -> Term {
        Tuple::from(elements).into()
    }

    fn path(path: &str) -> Term {
        Binary::from(path.as_bytes().to_vec()).into()
    }

    fn frame(term: Term) -> Vec<u8> {
        let mut frame = Vec::new();
        term.encode(&mut frame).expect("a term that can be encoded");
        frame
    }

    fn read(command: Term) -> Result<Command, Malformed> {
        read_request(&frame(tuple(vec![integer(7), command]))).map(|request| request.command)
    }

    fn open_with(options: Vec<(Term, Term)>) -> Result<Command, Malformed> {
        let options = Map::from(options.into_iter().collect::<std::collections::HashMap<_, _>>());
        read(tuple(vec![atom("open_in_netns"), path("/n"), integer(0), options.into()]))
    }

    fn reason(outcome: Result<Command, Malformed>) -> String {
        match outcome {
            Err(Malformed::BadArgument { id: 7, reason }) => reason,
            other => panic!("{other:?}"),
        }
    }

    fn plain(path: &[u8]) -> Entry {
        let netns = Where::Named(Netns::Path(path.to_vec()));
        Entry { netns, what: What::Socket(Socket::netlink(0)) }
    }

    #[test]
    fn what_a_client_sent_is_repeated_in_64_printable_bytes_at_most() {
        for (key, repeated) in [
            ("colour".into(), "colour".into()),
            ("a\n\u{1b}[2J".into(), "a\\n\\u{1b}[2J".into()),
            ("k".repeat(60_000), "k".repeat(61) + "…"),
            ("\0".repeat(60_000), "\\0".repeat(30) + "…"),
        ] {
            let outcome = open_with(vec![(atom(&key), atom("true"))]);
            assert_eq!(reason(outcome), format!("{repeated} is no option"));
        }
    }

    /// `{7, {open_in_netns, <<"/n">>, 0, #{Key => 1}}}`, with the bytes of the key.
    fn keyed(key: &[u8]) -> Result<Command, Malformed> {
        let before = b"\x83h\x02a\x07h\x04w\x0dopen_in_netnsm\0\0\0\x02/na\0t\0\0\0\x01";
        read_request(&[before, key, b"a\x01"].concat()).map(|request| request.command)
    }

    #[test]
    fn an_atom_is_latin_1_or_utf_8_as_its_tag_says() {
        for key in [&b"d\0\x01\xe9"[..], b"s\x01\xe9", b"v\0\x02\xc3\xa9", b"w\x02\xc3\xa9"] {
            assert_eq!(reason(keyed(key)), "é is no option");
        }
        // Latin-1 too where the bytes would be UTF-8.
        assert_eq!(reason(keyed(b"s\x02\xc3\xa9")), "Ã© is no option");
        let longest = [&b"s\xff"[..], &[0xe9; 255]].concat();
        assert_eq!(reason(keyed(&longest)), format!("{}… is no option", "é".repeat(30)));
        for key in [&b"v\0\x01\xe9"[..], b"w\x01\xe9"] {
            assert_eq!(reason(keyed(key)), "a term that can't be decoded");
        }
    }

    #[test]
    fn a_latin_1_atom_is_a_command_like_any_other() {
        for command in [&b"s\x01\xe9"[..], b"h\x01d\0\x01\xe9"] {
            let outcome = read_request(&[b"\x83h\x02a\x07", command].concat());
            assert_eq!(reason(outcome.map(|request| request.command)), UNKNOWN_COMMAND);
        }
    }

    #[test]
    fn a_latin_1_atom_too_long_for_utf_8_is_refused() {
        let key = [&b"d\xff\xff"[..], &[0xe9; 65_535]].concat();
        assert_eq!(reason(keyed(&key)), "a term that can't be decoded");
    }

    #[test]
    fn a_path_is_a_binary_or_a_list_of_bytes() {
        let bytes: Term = ByteList::from(b"/n".to_vec()).into();
        let list: Term = List::from(vec![integer(47), integer(110)]).into();
        for netns in [path("/n"), bytes, list] {
            let command = read(tuple(vec![atom("open_in_netns"), netns, integer(0)]));
            assert_eq!(command, Ok(Command::Open(plain(b"/n"))));
        }
    }

    #[test]
    fn an_empty_list_is_an_empty_path() {
        let command = read(tuple(vec![atom("open_in_netns"), List::nil().into(), integer(0)]));
        assert_eq!(command, Ok(Command::Open(plain(b""))));
    }

    #[test]
    fn what_is_no_path_is_a_bad_argument() {
        let list =
            |values: Vec<i32>| List::from(values.into_iter().map(integer).collect::<Vec<_>>());
        for netns in [
            atom("host"),
            integer(1),
            list(vec![47, 256]).into(),
            tuple(vec![atom("pid"), integer(0)]),
            tuple(vec![atom("pid"), integer(-1)]),
            tuple(vec![atom("pid"), path("1")]),
            tuple(vec![atom("name"), integer(1)]),
        ] {
            let command = tuple(vec![atom("open_in_netns"), netns, integer(0)]);
            assert!(reason(read(command)).starts_with("Netns is"));
        }
    }

    #[test]
    fn a_protocol_is_a_signed_32_bit_integer() {
        let open = |protocol: Term| read(tuple(vec![atom("open_in_netns"), path("/n"), protocol]));
        assert!(open(integer(i32::MIN)).is_ok());
        let too_large = BigInteger::from(1_i64 << 31);
        assert!(reason(open(too_large.into())).starts_with("What is a netlink protocol"));
    }

    fn settings(options: Vec<(Term, Term)>) -> Vec<Setting> {
        match open_with(options) {
            Ok(Command::Open(Entry { what: What::Socket(socket), .. })) => socket.options.0,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn options_are_read_by_name_into_the_order_of_the_table() {
        let at = |name| OPTIONS.iter().find(|it| it.name == name).expect("it").form.places()[0];
        let groups: Term = ByteList::from(vec![1, 5]).into();
        let settings = settings(vec![
            (atom("memberships"), groups),
            (atom("groups"), BigInteger::from(0xffff_ffff_i64).into()),
            (atom("mark"), integer(7)),
            (atom("ext_ack"), atom("true")),
        ]);
        let expected = [
            Setting::Integer { at: at("ext_ack"), value: 1 },
            Setting::Integer { at: at("mark"), value: 7 },
            Setting::Groups(u32::MAX),
            Setting::Memberships { at: at("memberships"), groups: vec![1, 5] },
        ];
        assert_eq!(settings, expected);
    }

    #[test]
    fn wrong_options_are_named() {
        let wrong = |key: &str, value| reason(open_with(vec![(atom(key), value)]));
        assert_eq!(wrong("colour", integer(1)), "colour is no option");
        assert_eq!(wrong("ext_ack", integer(1)), "ext_ack is true or false");
        assert_eq!(wrong("reuseaddr", atom("true")), "reuseaddr is no option of such a socket");
        assert!(wrong("rcvbuf", integer(0)).starts_with("rcvbuf is a number of bytes"));
        assert_eq!(wrong("groups", integer(-1)), "groups is a 32-bit mask");
        assert!(wrong("memberships", integer(1)).starts_with("memberships is a list"));
    }

    #[test]
    fn open_many_takes_1_to_253_entries() {
        let many = |count: usize| {
            let entry = tuple(vec![path("/n"), integer(0)]);
            read(tuple(vec![atom("open_many"), List::from(vec![entry; count]).into()]))
        };
        assert!(matches!(many(1), Ok(Command::OpenMany(entries)) if entries.len() == 1));
        assert!(matches!(many(253), Ok(Command::OpenMany(entries)) if entries.len() == 253));
        assert!(reason(many(0)).contains("1 to 253"));
        assert!(reason(many(254)).contains("1 to 253"));
    }

    #[test]
    fn a_broken_term_is_answered_where_its_id_can_be_read() {
        let mut trailing = frame(tuple(vec![integer(7), atom("info")]));
        trailing.push(0);
        let expected = "trailing_bytes: bytes follow the term";
        let outcome = read_request(&trailing).map(|request| request.command);
        assert_eq!(reason(outcome), expected);
        assert_eq!(
            read_request(&[131, 104, 3, 97, 7]),
            Err(Malformed::Anonymous(ProtocolError::TruncatedTerm))
        );
        assert_eq!(
            read_request(&frame(atom("info"))),
            Err(Malformed::Anonymous(ProtocolError::NotARequest))
        );
    }

    #[test]
    fn an_argument_of_too_many_terms_is_refused_before_it_is_decoded() {
        let groups: Term = List::from(vec![integer(300); 20_000]).into();
        assert!(reason(open_with(vec![(atom("memberships"), groups)])).contains("16384 terms"));
    }
}
