//! Terms to bytes and back, with what the term library gets wrong put right.

use std::fmt;

use eetf::{Atom, BigInteger, FixInteger, ImproperList, List, Map, Term, Tuple};

/// A term that has no bytes, or bytes that are no term.
#[derive(Debug)]
pub enum EtfError {
    /// An atom of more than 255 characters: no Erlang can hold it.
    AtomTooLong,
    /// The library's word on why not.
    Encode(eetf::EncodeError),
    /// The library's word on why not.
    Decode(eetf::DecodeError),
}

impl fmt::Display for EtfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtomTooLong => f.write_str("an atom has at most 255 characters"),
            Self::Encode(error) => write!(f, "this term can't be encoded: {error}"),
            Self::Decode(error) => write!(f, "this is no term: {error}"),
        }
    }
}

impl std::error::Error for EtfError {}

/// The bytes of a term, as `term_to_binary/1` gives them (but for the order of
/// maps, and atoms being UTF-8 always).
///
/// # Errors
///
/// When the format can't hold it.
///
/// ```
/// use eetf::{Atom, FixInteger, List, Term};
/// use linx_netlink_repl::etf::encode;
///
/// let list = Term::from(List::from(vec![Term::from(FixInteger::from(-1))]));
/// assert_eq!(encode(&list)?, b"\x83l\0\0\0\x01b\xff\xff\xff\xffj");
/// assert!(encode(&Term::from(Atom::from("a".repeat(256)))).is_err());
/// # Ok::<(), linx_netlink_repl::etf::EtfError>(())
/// ```
pub fn encode(term: &Term) -> Result<Vec<u8>, EtfError> {
    let mut bytes = Vec::new();
    encodable(term)?.encode(&mut bytes).map_err(EtfError::Encode)?;
    Ok(bytes)
}

/// The term of bytes that the port program sent: they are trusted.
///
/// # Errors
///
/// When they are no term.
///
/// ```
/// use eetf::{Atom, Term};
/// use linx_netlink_repl::etf::decode;
///
/// assert_eq!(decode(b"\x83w\x04info")?, Term::from(Atom::from("info")));
/// assert!(decode(b"info").is_err());
/// # Ok::<(), linx_netlink_repl::etf::EtfError>(())
/// ```
pub fn decode(bytes: &[u8]) -> Result<Term, EtfError> {
    Term::decode(bytes).map(canonical).map_err(EtfError::Decode)
}

/// The same term in a form that the library encodes rightly. It takes a list
/// of integers below 256 for a string, negative ones too; as an improper list
/// that ends in `[]` it encodes the same list element by element.
fn encodable(term: &Term) -> Result<Term, EtfError> {
    let all = |terms: &[Term]| terms.iter().map(encodable).collect::<Result<Vec<Term>, EtfError>>();
    let negative = |term: &Term| matches!(term, Term::FixInteger(n) if n.value < 0);
    Ok(match term {
        Term::Atom(Atom { name }) if name.chars().count() > 255 => {
            return Err(EtfError::AtomTooLong);
        }
        Term::List(list) if list.elements.iter().any(negative) => {
            let last = Box::new(Term::from(List::nil()));
            Term::from(ImproperList { elements: all(&list.elements)?, last })
        }
        Term::List(list) => Term::from(List { elements: all(&list.elements)? }),
        Term::ImproperList(list) => {
            let last = Box::new(encodable(&list.last)?);
            Term::from(ImproperList { elements: all(&list.elements)?, last })
        }
        Term::Tuple(tuple) => Term::from(Tuple { elements: all(&tuple.elements)? }),
        Term::Map(map) => {
            let pairs = map.map.iter().map(|(key, value)| Ok((encodable(key)?, encodable(value)?)));
            Term::from(Map { map: pairs.collect::<Result<_, EtfError>>()? })
        }
        other => other.clone(),
    })
}

/// The same term in the one form that the text rooms make: no byte lists, no
/// big integer that would be a small one, no improper list that ends in `[]`.
///
/// ```
/// use eetf::{BigInteger, FixInteger, Term};
/// use linx_netlink_repl::etf::canonical;
///
/// let seven = Term::from(BigInteger { value: 7.into() });
/// assert_eq!(canonical(seven), Term::from(FixInteger::from(7)));
/// ```
pub fn canonical(term: Term) -> Term {
    match term {
        Term::ByteList(list) => {
            let element = |byte| Term::from(FixInteger { value: i32::from(byte) });
            Term::from(List { elements: list.bytes.into_iter().map(element).collect() })
        }
        Term::BigInteger(BigInteger { value }) => match i32::try_from(&value) {
            Ok(value) => Term::from(FixInteger { value }),
            Err(_) => Term::from(BigInteger { value }),
        },
        Term::List(list) => {
            Term::from(List { elements: list.elements.into_iter().map(canonical).collect() })
        }
        Term::ImproperList(list) => {
            let mut elements: Vec<Term> = list.elements.into_iter().map(canonical).collect();
            match canonical(*list.last) {
                Term::List(tail) => {
                    elements.extend(tail.elements);
                    Term::from(List { elements })
                }
                last => Term::from(ImproperList { elements, last: Box::new(last) }),
            }
        }
        Term::Tuple(tuple) => {
            Term::from(Tuple { elements: tuple.elements.into_iter().map(canonical).collect() })
        }
        Term::Map(map) => Term::from(Map {
            map: map.map.into_iter().map(|(k, v)| (canonical(k), canonical(v))).collect(),
        }),
        other => other,
    }
}
