//! Frames to requests.

use super::request::{Command, Entry, Malformed, Netns, Options, ProtocolError, Request};
use super::shape::{self, Checked, Defect, Elements};
use super::{MAX_ENTRIES, term};
use eetf::Term;

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
            Err("open_in_netns takes Netns, Protocol and perhaps Options".into())
        }
        (Some("open_many"), 2) => read_entries(parts).map(Command::OpenMany),
        (Some("open_many"), _) => Err("open_many takes one list".into()),
        _ => Err(UNKNOWN_COMMAND.into()),
    }
}

const UNKNOWN_COMMAND: &str = "a command is {open_in_netns, Netns, Protocol}, \
    {open_in_netns, Netns, Protocol, Options}, {open_many, [Entry]} or info";

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
            _ => Err("an entry is {Netns, Protocol} or {Netns, Protocol, Options}".into()),
        })
        .collect::<Result<Vec<_>, _>>()?;
    if list.is_proper() && !entries.is_empty() {
        Ok(entries)
    } else {
        Err("open_many takes a proper list".into())
    }
}

/// Reads Netns, Protocol and perhaps Options, the rest of a tuple whose arity was looked at.
fn read_entry(mut parts: Elements<'_>) -> Result<Entry, String> {
    let netns = parts.next().map(read_netns).transpose()?.flatten();
    let mut part = || parts.next().map(term::decode).transpose();
    Ok(Entry {
        netns: netns.ok_or(
            "Netns is a path, as a binary or list of bytes, or {pid, Pid} with a positive Pid",
        )?,
        protocol: part()?
            .and_then(|protocol| term::integer(&protocol)?.try_into().ok())
            .ok_or("Protocol is a 32-bit integer")?,
        options: match part()? {
            None => Options::default(),
            Some(Term::Map(options)) => read_options(options)?,
            Some(_) => return Err("Options is a map".into()),
        },
    })
}

fn read_netns(netns: Checked<'_>) -> Result<Option<Netns>, String> {
    let Some(mut pair) = netns.tuple() else {
        return Ok(term::bytes(netns)?.map(Netns::Path));
    };
    let (Some(name), Some(pid), None) = (pair.next(), pair.next(), pair.next()) else {
        return Ok(None);
    };
    let pid = pid.unsigned().and_then(|pid| i32::try_from(pid).ok()).filter(|&pid| pid > 0);
    let is_pid = term::atom(&term::decode(name)?) == Some("pid");
    Ok(pid.filter(|_| is_pid).map(Netns::Pid))
}

fn read_options(map: eetf::Map) -> Result<Options, String> {
    let mut options = Options::default();
    for (key, value) in map.map {
        let key = term::atom(&key).ok_or("the keys of Options are atoms")?;
        read_option(&mut options, key, &value)?;
    }
    Ok(options)
}

fn read_option(options: &mut Options, key: &str, value: &Term) -> Result<(), String> {
    let flag = || match term::atom(value) {
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        _ => Err(format!("{key} is true or false")),
    };
    let size = || match term::integer(value) {
        // The kernel takes a C int.
        Some(bytes @ 1..=0x7fff_ffff) => Ok(Some(bytes as usize)),
        _ => Err(format!("{key} is a number of bytes from 1 to 2147483647")),
    };
    match key {
        "ext_ack" => options.ext_ack = flag()?,
        "cap_ack" => options.cap_ack = flag()?,
        "strict_check" => options.strict_check = flag()?,
        "no_enobufs" => options.no_enobufs = flag()?,
        "listen_all_nsid" => options.listen_all_nsid = flag()?,
        "rcvbuf" => options.rcvbuf = size()?,
        "sndbuf" => options.sndbuf = size()?,
        "groups" => {
            let mask = term::integer(value).and_then(|mask| mask.try_into().ok());
            options.groups = Some(mask.ok_or("groups is a 32-bit mask")?);
        }
        "memberships" => {
            let groups = term::integers(value);
            options.memberships = Some(groups.ok_or("memberships is a list of group numbers")?);
        }
        _ => return Err(format!("{} is no option", repeatable(key))),
    }
    Ok(())
}

/// What an answer may repeat of a client's words: printable, and in at most 64 bytes.
fn repeatable(words: &str) -> String {
    const MOST: usize = 64;
    let mut repeated = String::new();
    for part in words.chars().map(|it| it.escape_debug().to_string()) {
        if repeated.len() + part.len() > MOST - '…'.len_utf8() {
            return repeated + "…";
        }
        repeated += &part;
    }
    repeated
}

#[cfg(test)]
mod tests {
    use super::*;
    use eetf::{Atom, BigInteger, Binary, ByteList, FixInteger, List, Map, Tuple};

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
        Entry { netns: Netns::Path(path.to_vec()), protocol: 0, options: Options::default() }
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
        assert_eq!(reason(open(too_large.into())), "Protocol is a 32-bit integer");
    }

    #[test]
    fn options_are_read_by_name() {
        let groups: Term = ByteList::from(vec![1, 5]).into();
        let command = open_with(vec![
            (atom("ext_ack"), atom("true")),
            (atom("rcvbuf"), integer(4096)),
            (atom("groups"), BigInteger::from(0xffff_ffff_i64).into()),
            (atom("memberships"), groups),
        ]);
        let options = Options {
            ext_ack: Some(true),
            rcvbuf: Some(4096),
            groups: Some(u32::MAX),
            memberships: Some(vec![1, 5]),
            ..Options::default()
        };
        assert_eq!(command, Ok(Command::Open(Entry { options, ..plain(b"/n") })));
    }

    #[test]
    fn wrong_options_are_named() {
        let wrong = |key: &str, value| reason(open_with(vec![(atom(key), value)]));
        assert_eq!(wrong("colour", integer(1)), "colour is no option");
        assert_eq!(wrong("ext_ack", integer(1)), "ext_ack is true or false");
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
