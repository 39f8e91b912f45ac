//! The part of the External Term Format that the wire uses, written anew so
//! that the tests share no code with the program they judge.

/// One term. `Raw` goes out as it stands: it is how a test spells a term with
/// a tag of its choice, and no decoder ever makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Term {
    Int(i128),
    Atom(String),
    Tuple(Vec<Term>),
    List(Vec<Term>),
    Binary(Vec<u8>),
    Map(Vec<(Term, Term)>),
    Raw(Vec<u8>),
}

pub const VERSION: u8 = 131;
pub const SMALL_INTEGER: u8 = 97;
pub const INTEGER: u8 = 98;
pub const ATOM: u8 = 100;
pub const SMALL_TUPLE: u8 = 104;
pub const LARGE_TUPLE: u8 = 105;
pub const NIL: u8 = 106;
pub const STRING: u8 = 107;
pub const LIST: u8 = 108;
pub const BINARY: u8 = 109;
pub const SMALL_BIG: u8 = 110;
pub const SMALL_ATOM: u8 = 115;
pub const MAP: u8 = 116;
pub const ATOM_UTF8: u8 = 118;
pub const SMALL_ATOM_UTF8: u8 = 119;

/// Every tag that a request may contain.
pub const ACCEPTED: [u8; 14] = [
    SMALL_INTEGER,
    INTEGER,
    ATOM,
    SMALL_TUPLE,
    LARGE_TUPLE,
    NIL,
    STRING,
    LIST,
    BINARY,
    SMALL_BIG,
    SMALL_ATOM,
    MAP,
    ATOM_UTF8,
    SMALL_ATOM_UTF8,
];

pub fn int(value: impl Into<i128>) -> Term {
    Term::Int(value.into())
}

pub fn atom(name: &str) -> Term {
    Term::Atom(name.to_owned())
}

pub fn binary(bytes: impl AsRef<[u8]>) -> Term {
    Term::Binary(bytes.as_ref().to_vec())
}

pub fn tuple(elements: impl Into<Vec<Term>>) -> Term {
    Term::Tuple(elements.into())
}

pub fn list(elements: impl Into<Vec<Term>>) -> Term {
    Term::List(elements.into())
}

/// A map whose keys are atoms, in the order given.
pub fn map<const N: usize>(pairs: [(&str, Term); N]) -> Term {
    Term::Map(pairs.into_iter().map(|(k, v)| (atom(k), v)).collect())
}

impl From<i32> for Term {
    fn from(value: i32) -> Term {
        int(value)
    }
}

impl Term {
    /// The value of an atom key, when this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Term> {
        match self {
            Term::Map(pairs) => pairs.iter().find(|(k, _)| k.is(key)).map(|(_, v)| v),
            _ => None,
        }
    }

    /// Whether this is the atom `name`.
    pub fn is(&self, name: &str) -> bool {
        matches!(self, Term::Atom(own) if own == name)
    }

    pub fn as_int(&self) -> Option<i128> {
        match self {
            Term::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The elements, when this is a tuple of `N`.
    pub fn tuple_of<const N: usize>(&self) -> Option<&[Term; N]> {
        match self {
            Term::Tuple(elements) => elements.as_slice().try_into().ok(),
            _ => None,
        }
    }

    pub fn as_list(&self) -> Option<&[Term]> {
        match self {
            Term::List(elements) => Some(elements),
            _ => None,
        }
    }

    /// The bytes of a whole term, version byte and all: the body of a frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        self.write(&mut out);
        out
    }

    /// The bytes without the version byte, to build a `Raw` around.
    pub fn bare(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Term::Int(value) => write_int(*value, out),
            Term::Atom(name) => {
                out.extend([SMALL_ATOM_UTF8, u8::try_from(name.len()).expect("a short atom")]);
                out.extend(name.as_bytes());
            }
            Term::Tuple(elements) => {
                match u8::try_from(elements.len()) {
                    Ok(arity) => out.extend([SMALL_TUPLE, arity]),
                    Err(_) => write_tag_and_length(LARGE_TUPLE, elements.len(), out),
                }
                elements.iter().for_each(|e| e.write(out));
            }
            Term::List(elements) if elements.is_empty() => out.push(NIL),
            Term::List(elements) => {
                write_tag_and_length(LIST, elements.len(), out);
                elements.iter().for_each(|e| e.write(out));
                out.push(NIL);
            }
            Term::Binary(bytes) => {
                write_tag_and_length(BINARY, bytes.len(), out);
                out.extend(bytes);
            }
            Term::Map(pairs) => {
                write_tag_and_length(MAP, pairs.len(), out);
                for (key, value) in pairs {
                    key.write(out);
                    value.write(out);
                }
            }
            Term::Raw(bytes) => out.extend(bytes),
        }
    }

    /// Reads the one whole term that `bytes` must be.
    pub fn decode(bytes: &[u8]) -> Result<Term, String> {
        let mut reader = Reader { rest: bytes };
        match reader.byte()? {
            VERSION => {}
            other => return Err(format!("a term begins with {VERSION}, not {other}")),
        }
        let term = reader.term()?;
        match reader.rest {
            [] => Ok(term),
            rest => Err(format!("{} bytes follow the term {term:?}", rest.len())),
        }
    }
}

fn write_int(value: i128, out: &mut Vec<u8>) {
    if let Ok(small) = u8::try_from(value) {
        out.extend([SMALL_INTEGER, small]);
    } else if let Ok(int) = i32::try_from(value) {
        out.push(INTEGER);
        out.extend(int.to_be_bytes());
    } else {
        let magnitude = value.unsigned_abs().to_le_bytes();
        let length = magnitude.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
        out.extend([SMALL_BIG, length as u8, u8::from(value < 0)]);
        out.extend(&magnitude[..length]);
    }
}

/// A tag followed by the 32-bit length that most of them have.
pub fn write_tag_and_length(tag: u8, length: usize, out: &mut Vec<u8>) {
    out.push(tag);
    out.extend(u32::try_from(length).expect("a 32-bit length").to_be_bytes());
}

/// What is left of the bytes of a term.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or("the term is cut short")?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, String> {
        Ok(self.take(1)?[0])
    }

    fn length(&mut self) -> Result<usize, String> {
        let bytes = self.take(4)?.try_into().expect("four bytes");
        Ok(u32::from_be_bytes(bytes) as usize)
    }

    fn terms(&mut self, count: usize) -> Result<Vec<Term>, String> {
        (0..count).map(|_| self.term()).collect()
    }

    fn term(&mut self) -> Result<Term, String> {
        match self.byte()? {
            SMALL_INTEGER => Ok(int(self.byte()?)),
            INTEGER => {
                let bytes = self.take(4)?.try_into().expect("four bytes");
                Ok(int(i32::from_be_bytes(bytes)))
            }
            SMALL_BIG => self.small_big(),
            tag @ (ATOM | ATOM_UTF8 | SMALL_ATOM | SMALL_ATOM_UTF8) => self.atom(tag),
            SMALL_TUPLE => {
                let arity = self.byte()?;
                Ok(Term::Tuple(self.terms(arity.into())?))
            }
            LARGE_TUPLE => {
                let arity = self.length()?;
                Ok(Term::Tuple(self.terms(arity)?))
            }
            NIL => Ok(Term::List(Vec::new())),
            STRING => {
                let length = self.take(2)?;
                let length = u16::from_be_bytes([length[0], length[1]]);
                Ok(Term::List(self.take(length.into())?.iter().map(|b| int(*b)).collect()))
            }
            LIST => self.list(),
            BINARY => {
                let length = self.length()?;
                Ok(Term::Binary(self.take(length)?.to_vec()))
            }
            MAP => {
                let arity = self.length()?;
                let pairs = (0..arity).map(|_| Ok((self.term()?, self.term()?)));
                Ok(Term::Map(pairs.collect::<Result<_, String>>()?))
            }
            tag => Err(format!("a reply has no use for tag {tag}")),
        }
    }

    fn small_big(&mut self) -> Result<Term, String> {
        let length = usize::from(self.byte()?);
        let negative = self.byte()? != 0;
        if length > 8 {
            return Err(format!("an integer of {length} bytes"));
        }
        let mut magnitude = [0; 16];
        magnitude[..length].copy_from_slice(self.take(length)?);
        let magnitude = i128::from_le_bytes(magnitude);
        Ok(Term::Int(if negative { -magnitude } else { magnitude }))
    }

    fn atom(&mut self, tag: u8) -> Result<Term, String> {
        let length = match tag {
            SMALL_ATOM | SMALL_ATOM_UTF8 => usize::from(self.byte()?),
            _ => usize::from(u16::from_be_bytes([self.byte()?, self.byte()?])),
        };
        let bytes = self.take(length)?;
        match tag {
            ATOM | SMALL_ATOM => Ok(Term::Atom(bytes.iter().map(|b| char::from(*b)).collect())),
            _ => String::from_utf8(bytes.to_vec()).map(Term::Atom).map_err(|e| e.to_string()),
        }
    }

    fn list(&mut self) -> Result<Term, String> {
        let length = self.length()?;
        let elements = self.terms(length)?;
        match self.byte()? {
            NIL => Ok(Term::List(elements)),
            tag => Err(format!("a list ends in tag {tag}")),
        }
    }
}

#[test]
fn what_the_encoder_writes_the_decoder_reads() {
    let term = tuple([
        int(u64::MAX),
        int(-1),
        int(i64::MIN),
        int(300),
        map([("key", list([atom("é"), binary([0, 255]), list([])]))]),
        tuple(vec![int(7); 300]),
    ]);
    assert_eq!(Term::decode(&term.encode()), Ok(term));
}
