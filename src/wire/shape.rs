//! Walks a term's bytes before any decoder allocates for it.
//!
//! `eetf` reads trusted input: it allocates what a list announces, recurses as deep as terms nest
//! and ignores what follows. So nothing reaches it that has not been walked here.

/// How deep tuples, lists and maps may nest.
pub const MAX_DEPTH: usize = 8;

const VERSION: &[u8] = &[131];

mod tag {
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
}

/// What is wrong with the shape of a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    BadVersion,
    BadTag,
    TooDeep,
    Truncated,
    TrailingBytes,
}

/// The bytes of one complete term, without the version byte, whose every tag, count and depth has
/// been looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked<'a>(&'a [u8]);

impl<'a> Checked<'a> {
    /// The term that fills `frame`.
    pub fn new(frame: &'a [u8]) -> Result<Self, Defect> {
        let mut walk = Walk::new(body(frame)?);
        let term = walk.term(0)?;
        if walk.rest.is_empty() { Ok(term) } else { Err(Defect::TrailingBytes) }
    }

    /// The elements, if this is a tuple.
    pub fn tuple(self) -> Option<Elements<'a>> {
        let mut walk = Walk::new(self.0);
        let left = walk.tuple_header()?;
        Some(Elements { walk, left })
    }

    /// The elements, if this is a list with at least one; its tail is not among them.
    pub fn list(self) -> Option<Elements<'a>> {
        let mut walk = Walk::new(self.0);
        if walk.byte().ok()? != tag::LIST {
            return None;
        }
        let left = walk.count().ok()?;
        Some(Elements { walk, left })
    }

    /// The value, if this is an integer from 0 to 2^64-1.
    pub fn unsigned(self) -> Option<u64> {
        Walk::new(self.0).unsigned()
    }

    /// How many terms this one consists of, itself included.
    pub fn terms(self) -> usize {
        let mut walk = Walk::new(self.0);
        // A term that was walked once can be walked again.
        let _ = walk.term(0);
        walk.terms
    }

    /// What `eetf::Term::decode` reads: the term with a version byte in front, and every Latin-1 atom
    /// that is not ASCII as a UTF-8 one, since `eetf` takes all atoms for UTF-8. At most twice as long
    /// as the term.
    pub fn for_decoder(self) -> Vec<u8> {
        let mut bytes = Vec::from(VERSION);
        let mut walk = Walk::new(self.0);
        while !walk.rest.is_empty() {
            let start = walk.rest;
            // A term that was walked once can be walked again.
            let _ = walk.head();
            let head = &start[..start.len() - walk.rest.len()];
            match utf8_atom(head) {
                Some(atom) => bytes.extend(atom),
                None => bytes.extend(head),
            }
        }
        bytes
    }
}

/// The UTF-8 atom for a Latin-1 one that is not ASCII. There is none for a name that is too long for
/// the tag, far beyond the 255 characters that Erlang allows.
fn utf8_atom(head: &[u8]) -> Option<Vec<u8>> {
    let ([tag::SMALL_ATOM, _, name @ ..] | [tag::ATOM, _, _, name @ ..]) = head else {
        return None;
    };
    if name.is_ascii() {
        return None;
    }
    let name: String = name.iter().copied().map(char::from).collect();
    let length = u16::try_from(name.len()).ok()?.to_be_bytes();
    Some([&[tag::ATOM_UTF8], &length[..], name.as_bytes()].concat())
}

/// The elements of a tuple or list, in order.
pub struct Elements<'a> {
    walk: Walk<'a>,
    left: usize,
}

impl<'a> Elements<'a> {
    /// How many are left.
    pub fn len(&self) -> usize {
        self.left
    }

    /// Whether what follows the last element is the empty list; asked of a list that is used up.
    pub fn is_proper(&self) -> bool {
        self.walk.rest == [tag::NIL]
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Checked<'a>;

    fn next(&mut self) -> Option<Checked<'a>> {
        self.left = self.left.checked_sub(1)?;
        self.walk.term(0).ok()
    }
}

/// The `Id` of `{Id, …}`, also where what follows it is broken.
pub fn leading_id(frame: &[u8]) -> Option<u64> {
    let mut walk = Walk::new(body(frame).ok()?);
    match walk.tuple_header()? {
        2 => walk.unsigned(),
        _ => None,
    }
}

fn body(frame: &[u8]) -> Result<&[u8], Defect> {
    match frame.strip_prefix(VERSION) {
        Some(body) => Ok(body),
        None if frame.is_empty() => Err(Defect::Truncated),
        None => Err(Defect::BadVersion),
    }
}

/// A walk over bytes, that takes what it has seen off the front.
struct Walk<'a> {
    rest: &'a [u8],
    terms: usize,
}

impl<'a> Walk<'a> {
    fn new(rest: &'a [u8]) -> Self {
        Walk { rest, terms: 0 }
    }

    /// Takes one term that stands in `depth` containers.
    fn term(&mut self, depth: usize) -> Result<Checked<'a>, Defect> {
        let start = self.rest;
        self.terms += 1;
        if let Some(count) = self.head()? {
            self.terms(count, depth)?;
        }
        Ok(Checked(&start[..start.len() - self.rest.len()]))
    }

    /// Takes what stands before the terms of a container, and says how many these are; or the whole
    /// of a term that is no container.
    fn head(&mut self) -> Result<Option<usize>, Defect> {
        match self.byte()? {
            tag::SMALL_INTEGER => self.skip(1)?,
            tag::INTEGER => self.skip(4)?,
            tag::SMALL_BIG => self.small_big()?,
            tag::SMALL_ATOM | tag::SMALL_ATOM_UTF8 => {
                let length = self.byte()?;
                self.skip(length.into())?;
            }
            tag::ATOM | tag::ATOM_UTF8 | tag::STRING => {
                let length = u16::from_be_bytes(self.array()?);
                self.skip(length.into())?;
            }
            tag::BINARY => {
                let length = self.count()?;
                self.skip(length)?;
            }
            tag::NIL => {}
            tag::SMALL_TUPLE => return Ok(Some(self.byte()?.into())),
            tag::LARGE_TUPLE => return Ok(Some(self.count()?)),
            tag::LIST => return Ok(Some(self.count()?.saturating_add(1))),
            tag::MAP => return Ok(Some(self.count()?.saturating_mul(2))),
            _ => return Err(Defect::BadTag),
        }
        Ok(None)
    }

    /// Takes the `count` terms of a container that stands in `depth` others.
    fn terms(&mut self, count: usize, depth: usize) -> Result<(), Defect> {
        if depth == MAX_DEPTH {
            return Err(Defect::TooDeep);
        }
        // Each term takes a byte at least, so a count that lies ends the loop early.
        (0..count).try_for_each(|_| self.term(depth + 1).map(|_| ()))
    }

    fn small_big(&mut self) -> Result<(), Defect> {
        let [length, sign] = self.array()?;
        if length > 8 || sign > 1 {
            return Err(Defect::BadTag);
        }
        self.skip(length.into())
    }

    fn tuple_header(&mut self) -> Option<usize> {
        match self.byte().ok()? {
            tag::SMALL_TUPLE => self.byte().ok().map(usize::from),
            tag::LARGE_TUPLE => self.count().ok(),
            _ => None,
        }
    }

    fn unsigned(&mut self) -> Option<u64> {
        match self.byte().ok()? {
            tag::SMALL_INTEGER => self.byte().ok().map(u64::from),
            tag::INTEGER => i32::from_be_bytes(self.array().ok()?).try_into().ok(),
            tag::SMALL_BIG => {
                let [length, sign] = self.array().ok()?;
                let digits = self.take(length.into()).ok()?;
                let mut little_endian = [0; 8];
                little_endian.get_mut(..digits.len())?.copy_from_slice(digits);
                let value = u64::from_le_bytes(little_endian);
                (sign == 0 || value == 0).then_some(value)
            }
            _ => None,
        }
    }

    fn count(&mut self) -> Result<usize, Defect> {
        // A count that a usize cannot hold is more than any frame has bytes.
        Ok(u32::from_be_bytes(self.array()?).try_into().unwrap_or(usize::MAX))
    }

    fn byte(&mut self) -> Result<u8, Defect> {
        self.array().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Defect> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(Defect::Truncated)?;
        self.rest = rest;
        Ok(*array)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Defect> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Defect::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn skip(&mut self, length: usize) -> Result<(), Defect> {
        self.take(length).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(depth: usize) -> Vec<u8> {
        let mut frame = vec![131];
        frame.extend([tag::SMALL_TUPLE, 1].repeat(depth));
        frame.extend([tag::SMALL_INTEGER, 7]);
        frame
    }

    #[test]
    fn eight_levels_are_accepted_and_nine_are_not() {
        assert!(Checked::new(&nested(8)).is_ok());
        assert_eq!(Checked::new(&nested(9)), Err(Defect::TooDeep));
        assert_eq!(Checked::new(&nested(400_000)), Err(Defect::TooDeep));
    }

    #[test]
    fn a_count_that_lies_is_a_truncated_term() {
        for frame in [
            &[131, tag::LIST, 0x72, 0x23, 0xff, 0xff][..],
            &[131, tag::LARGE_TUPLE, 0xff, 0xff, 0xff, 0xff],
            &[131, tag::MAP, 0xff, 0xff, 0xff, 0xff, 106],
            &[131, tag::BINARY, 0xff, 0xff, 0xff, 0xff, 1],
            &[131, tag::STRING, 0, 2, 1],
            &[131, tag::SMALL_BIG, 8, 0, 1],
            &[131],
            &[],
        ] {
            assert_eq!(Checked::new(frame), Err(Defect::Truncated), "{frame:?}");
        }
    }

    #[test]
    fn tags_outside_the_list_are_refused() {
        let accepted = [97, 98, 100, 104, 105, 106, 107, 108, 109, 110, 115, 116, 118, 119];
        for tag in (0..=255).filter(|tag| !accepted.contains(tag)) {
            let frame = [&[131, tag][..], &[0; 64]].concat();
            assert_eq!(Checked::new(&frame), Err(Defect::BadTag), "{tag}");
        }
    }

    #[test]
    fn what_follows_the_term_is_noticed() {
        assert_eq!(Checked::new(&[131, tag::NIL, 0]), Err(Defect::TrailingBytes));
        assert_eq!(Checked::new(&[130, tag::NIL]), Err(Defect::BadVersion));
    }

    #[test]
    fn an_id_is_read_in_every_form_that_holds_one() {
        let id = |bytes: &[u8]| leading_id(&[&[131, tag::SMALL_TUPLE, 2], bytes].concat());
        assert_eq!(id(&[tag::SMALL_INTEGER, 9]), Some(9));
        assert_eq!(id(&[tag::INTEGER, 0, 0, 1, 0]), Some(256));
        assert_eq!(id(&[tag::INTEGER, 255, 255, 255, 255]), None);
        assert_eq!(
            id(&[tag::SMALL_BIG, 8, 0, 255, 255, 255, 255, 255, 255, 255, 255]),
            Some(u64::MAX)
        );
        assert_eq!(id(&[tag::SMALL_BIG, 1, 1, 5]), None);
        assert_eq!(id(&[tag::SMALL_BIG, 9, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1]), None);
        assert_eq!(id(&[tag::NIL]), None);
        assert_eq!(leading_id(&[131, tag::LARGE_TUPLE, 0, 0, 0, 2, 97, 3, 0]), Some(3));
        assert_eq!(leading_id(&[131, tag::SMALL_TUPLE, 3, 97, 3]), None);
    }

    #[test]
    fn terms_counts_every_level() {
        // {7, [a, b]}
        let frame = [131, 104, 2, 97, 7, 108, 0, 0, 0, 2, 119, 1, 97, 119, 1, 98, 106];
        let terms = Checked::new(&frame).map(Checked::terms);
        assert_eq!(terms, Ok(6));
    }
}
