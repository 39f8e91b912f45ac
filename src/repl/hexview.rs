//! Frames byte by byte, with the name of each tag beside it. It reads
//! anything: what is no term is shown as far as it makes sense, and then as
//! bytes.

use std::fmt::Write;

/// Bytes shown in one row.
const WIDTH: usize = 8;

/// A row of the view: where, how deep, which bytes, and what they are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Row<'a> {
    /// Where its first byte lies.
    pub offset: usize,
    /// How many terms it lies in.
    pub depth: usize,
    /// At most eight bytes.
    pub bytes: &'a [u8],
    /// What they mean.
    pub note: String,
}

/// The view of a message: one term with its version byte.
///
/// ```
/// use linx_netlink_port::repl::hexview::rows;
///
/// let notes: Vec<_> = rows(b"\x83w\x04info").into_iter().map(|row| row.note).collect();
/// assert_eq!(notes, ["version 131", "SMALL_ATOM_UTF8, 4 bytes", "|info|"]);
/// ```
pub fn rows(bytes: &[u8]) -> Vec<Row<'_>> {
    let mut view = View { bytes, at: 0, rows: Vec::new(), open: Vec::new() };
    view.message();
    view.rows
}

/// The view of a message as text, the first offset being `base`.
///
/// ```
/// use linx_netlink_port::repl::hexview::text;
///
/// assert!(text(b"\x83w\x04info", 4).starts_with("  0004  83 "));
/// ```
pub fn text(bytes: &[u8], base: usize) -> String {
    let mut out = String::new();
    for row in rows(bytes) {
        line(&mut out, base + row.offset, row.bytes, row.depth, &row.note);
    }
    out
}

/// The view of a frame: its length, then its message.
///
/// ```
/// use linx_netlink_port::repl::hexview::frame_text;
///
/// assert!(frame_text(b"\x83w\x04info").starts_with("  0000  00 00 00 07 "));
/// ```
pub fn frame_text(bytes: &[u8]) -> String {
    let mut out = String::new();
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
    line(&mut out, 0, &length, 0, &format!("length {}", bytes.len()));
    out + &text(bytes, length.len())
}

/// The bytes of hexadecimal text, in which white space means nothing.
///
/// # Errors
///
/// The column (from 1) of what is no digit, or of the end where one is missing.
///
/// ```
/// use linx_netlink_port::repl::hexview::parse_hex;
///
/// assert_eq!(parse_hex("83 6a"), Ok(vec![131, 106]));
/// assert_eq!(parse_hex("83 6x"), Err(5));
/// ```
pub fn parse_hex(text: &str) -> Result<Vec<u8>, usize> {
    let mut bytes = Vec::new();
    let mut high = None;
    for (n, c) in text.chars().enumerate() {
        if c.is_whitespace() {
            continue;
        }
        let digit = c.to_digit(16).and_then(|d| u8::try_from(d).ok()).ok_or(n + 1)?;
        match high.take() {
            None => high = Some(digit),
            Some(high) => bytes.push(high << 4 | digit),
        }
    }
    if high.is_some() { Err(text.chars().count() + 1) } else { Ok(bytes) }
}

fn line(out: &mut String, offset: usize, bytes: &[u8], depth: usize, note: &str) {
    let hex = bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ");
    // Writing to a string does not fail.
    let _ = writeln!(out, "  {offset:04x}  {hex:23}  {:1$}{note}", "", 2 * depth);
}

/// How a tag is laid out after its byte.
enum Layout {
    /// A number in this many bytes.
    Unsigned(usize),
    /// A signed number in four bytes.
    Signed,
    /// A float in eight bytes.
    Float,
    /// A length in this many bytes, then that many bytes of content.
    Bytes(usize),
    /// A length in four bytes, how many bits of the last byte count, then that many bytes.
    Bits,
    /// A length in this many bytes, a sign byte, then that many bytes, lowest first.
    Big(usize),
    /// A count in this many bytes, then that many times so many terms, and so many more.
    Terms { width: usize, each: u64, more: u64 },
    /// Nothing.
    Empty,
    /// Something that is not looked into.
    Opaque,
}

fn tag(byte: u8) -> Option<(&'static str, Layout)> {
    let terms = |width, each, more| Layout::Terms { width, each, more };
    Some(match byte {
        70 => ("NEW_FLOAT", Layout::Float),
        77 => ("BIT_BINARY", Layout::Bits),
        80 => ("COMPRESSED", Layout::Opaque),
        82 => ("ATOM_CACHE_REF", Layout::Unsigned(1)),
        88 => ("NEW_PID", Layout::Opaque),
        89 => ("NEW_PORT", Layout::Opaque),
        90 => ("NEWER_REFERENCE", Layout::Opaque),
        97 => ("SMALL_INTEGER", Layout::Unsigned(1)),
        98 => ("INTEGER", Layout::Signed),
        99 => ("FLOAT", Layout::Opaque),
        100 => ("ATOM", Layout::Bytes(2)),
        101 => ("REFERENCE", Layout::Opaque),
        102 => ("PORT", Layout::Opaque),
        103 => ("PID", Layout::Opaque),
        104 => ("SMALL_TUPLE", terms(1, 1, 0)),
        105 => ("LARGE_TUPLE", terms(4, 1, 0)),
        106 => ("NIL", Layout::Empty),
        107 => ("STRING", Layout::Bytes(2)),
        108 => ("LIST", terms(4, 1, 1)),
        109 => ("BINARY", Layout::Bytes(4)),
        110 => ("SMALL_BIG", Layout::Big(1)),
        111 => ("LARGE_BIG", Layout::Big(4)),
        112 => ("NEW_FUN", Layout::Opaque),
        113 => ("EXPORT", Layout::Opaque),
        114 => ("NEW_REFERENCE", Layout::Opaque),
        115 => ("SMALL_ATOM", Layout::Bytes(1)),
        116 => ("MAP", terms(4, 2, 0)),
        117 => ("FUN", Layout::Opaque),
        118 => ("ATOM_UTF8", Layout::Bytes(2)),
        119 => ("SMALL_ATOM_UTF8", Layout::Bytes(1)),
        120 => ("V4_PORT", Layout::Opaque),
        121 => ("LOCAL", Layout::Opaque),
        _ => return None,
    })
}

/// What a byte means, in words.
type Words<'w> = &'w dyn Fn(u64) -> String;

struct View<'a> {
    bytes: &'a [u8],
    at: usize,
    rows: Vec<Row<'a>>,
    /// How many terms are still to come, for each term that is open.
    open: Vec<u64>,
}

impl<'a> View<'a> {
    fn message(&mut self) {
        match self.bytes.first() {
            None => return,
            Some(131) => self.row(1, "version 131"),
            Some(_) => return self.rest("no version byte (131)"),
        }
        self.open.push(1);
        while let Some(left) = self.open.last_mut() {
            if *left == 0 {
                self.open.pop();
                continue;
            }
            *left -= 1;
            if !self.term() {
                return;
            }
        }
        self.rest("after the term");
    }

    /// One term, or the head of one; says whether it makes sense to go on.
    fn term(&mut self) -> bool {
        let Some(byte) = self.bytes.get(self.at) else {
            return false;
        };
        let Some((name, layout)) = tag(*byte) else {
            self.rest(&format!("tag {byte}: unknown"));
            return false;
        };
        match layout {
            Layout::Unsigned(width) => {
                self.number(name, width, |bytes| unsigned(bytes).to_string())
            }
            Layout::Signed => self.number(name, 4, |bytes| {
                bytes.try_into().map_or(0, i32::from_be_bytes).to_string()
            }),
            Layout::Float => self.number(name, 8, |bytes| {
                format!("{:?}", bytes.try_into().map_or(0.0, f64::from_be_bytes))
            }),
            Layout::Bytes(width) => self.content(name, width, None),
            Layout::Bits => self.content(
                name,
                4,
                Some(&|bits| format!(", of the last {}", counted(bits, "bit"))),
            ),
            Layout::Big(width) => {
                let sign = |sign| match sign {
                    0 => ", positive".to_owned(),
                    1 => ", negative".to_owned(),
                    _ => ", with a strange sign".to_owned(),
                };
                self.content(name, width, Some(&sign))
            }
            Layout::Terms { width, each, more } => {
                let Some(count) = self.head(name, width, 0) else {
                    return false;
                };
                let things = if each == 2 { "pair" } else { "element" };
                self.row(1 + width, &format!("{name}, {}", counted(count, things)));
                self.open.push(count * each + more);
                true
            }
            Layout::Empty => {
                self.row(1, name);
                true
            }
            Layout::Opaque => {
                self.rest(&format!("{name}, not looked into"));
                false
            }
        }
    }

    fn number(&mut self, name: &str, width: usize, value: impl Fn(&[u8]) -> String) -> bool {
        let Some(bytes) = self.bytes.get(self.at + 1..self.at + 1 + width) else {
            self.rest(&format!("{name}, cut short"));
            return false;
        };
        // A number of eight bytes has its tag in a row of its own.
        if width < WIDTH {
            self.row(1 + width, &format!("{name} {}", value(bytes)));
        } else {
            self.row(1, name);
            self.row(width, &value(bytes));
        }
        true
    }

    /// The count after a tag; the rest is shown if it or what comes with it is missing.
    fn head(&mut self, name: &str, width: usize, extra: usize) -> Option<u64> {
        match self.bytes.get(self.at + 1..self.at + 1 + width + extra) {
            Some(bytes) => Some(unsigned(&bytes[..width])),
            None => {
                self.rest(&format!("{name}, cut short"));
                None
            }
        }
    }

    /// A length and a content; between them maybe a byte, which is told in words.
    fn content(&mut self, name: &str, width: usize, between: Option<Words<'_>>) -> bool {
        let extra = usize::from(between.is_some());
        let Some(length) = self.head(name, width, extra) else {
            return false;
        };
        let byte = self.bytes.get(self.at + 1 + width).copied().unwrap_or_default();
        let words = between.map_or(String::new(), |words| words(byte.into()));
        self.row(1 + width + extra, &format!("{name}, {}{words}", counted(length, "byte")));
        let left = self.bytes.len() - self.at;
        let short = usize::try_from(length).map_or(true, |length| length > left);
        let length = if short { left } else { usize::try_from(length).unwrap_or(left) };
        let end = self.at + length;
        while self.at < end {
            let count = WIDTH.min(end - self.at);
            let note = ascii(&self.bytes[self.at..self.at + count]);
            self.deeper(count, &note);
        }
        if short {
            self.rows.push(Row {
                offset: self.at,
                depth: self.depth(),
                bytes: &[],
                note: "cut short".into(),
            });
        }
        !short
    }

    fn depth(&self) -> usize {
        self.open.len().saturating_sub(1)
    }

    fn row(&mut self, count: usize, note: &str) {
        self.push(count, self.depth(), note);
    }

    fn deeper(&mut self, count: usize, note: &str) {
        self.push(count, self.depth() + 1, note);
    }

    fn push(&mut self, count: usize, depth: usize, note: &str) {
        let bytes = &self.bytes[self.at..self.at + count];
        self.rows.push(Row { offset: self.at, depth, bytes, note: note.to_owned() });
        self.at += count;
    }

    /// All that is left, with a note beside its first row.
    fn rest(&mut self, note: &str) {
        let mut note = note;
        while self.at < self.bytes.len() {
            let count = WIDTH.min(self.bytes.len() - self.at);
            self.row(count, note);
            note = "";
        }
    }
}

fn unsigned(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

fn counted(count: u64, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// Bytes as text, those that are no visible character as dots.
fn ascii(bytes: &[u8]) -> String {
    let shown =
        bytes.iter().map(|b| if b.is_ascii_graphic() || *b == b' ' { char::from(*b) } else { '.' });
    format!("|{}|", shown.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_shown_tag_by_tag() {
        let bytes = [131, 104, 2, 97, 1, 119, 4, b'i', b'n', b'f', b'o'];
        assert_eq!(
            frame_text(&bytes),
            "  0000  00 00 00 0b              length 11\n\
             \x20 0004  83                       version 131\n\
             \x20 0005  68 02                    SMALL_TUPLE, 2 elements\n\
             \x20 0007  61 01                      SMALL_INTEGER 1\n\
             \x20 0009  77 04                      SMALL_ATOM_UTF8, 4 bytes\n\
             \x20 000b  69 6e 66 6f                  |info|\n"
        );
    }

    #[test]
    fn every_byte_is_shown_once_and_in_order() {
        let mut seed = 1_u64;
        for length in 0..2000 {
            let mut bytes: Vec<u8> = (0..length % 40)
                .map(|_| {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let byte = seed.to_be_bytes()[0];
                    if byte & 1 == 0 { 97 + (byte >> 3) % 24 } else { byte >> 5 }
                })
                .collect();
            if let Some(first) = bytes.first_mut() {
                *first = 131;
            }
            let shown: Vec<u8> = rows(&bytes).iter().flat_map(|row| row.bytes.to_vec()).collect();
            assert_eq!(shown, bytes);
        }
    }

    #[test]
    fn what_is_no_term_is_shown_too() {
        let notes = |bytes: &[u8]| rows(bytes).into_iter().map(|row| row.note).collect::<Vec<_>>();
        assert_eq!(notes(&[]), Vec::<String>::new());
        assert_eq!(notes(&[1, 2]), ["no version byte (131)"]);
        assert_eq!(notes(&[131, 255, 1]), ["version 131", "tag 255: unknown"]);
        assert_eq!(notes(&[131, 98, 1]), ["version 131", "INTEGER, cut short"]);
        assert_eq!(
            notes(&[131, 109, 0, 0, 0, 9, 65]),
            ["version 131", "BINARY, 9 bytes", "|A|", "cut short"]
        );
        assert_eq!(
            notes(&[131, 108, 255, 255, 255, 255]),
            ["version 131", "LIST, 4294967295 elements"]
        );
        assert_eq!(
            notes(&[131, 77, 0, 0, 0, 1, 3, 0xa0]),
            ["version 131", "BIT_BINARY, 1 byte, of the last 3 bits", "|.|"]
        );
        assert_eq!(
            notes(&[131, 110, 1, 1, 65]),
            ["version 131", "SMALL_BIG, 1 byte, negative", "|A|"]
        );
        assert_eq!(notes(&[131, 106, 0]), ["version 131", "NIL", "after the term"]);
    }

    #[test]
    fn hexadecimal_text() {
        assert_eq!(parse_hex("83 6a"), Ok(vec![0x83, 0x6a]));
        assert_eq!(parse_hex(""), Ok(vec![]));
        assert_eq!(parse_hex("8 3"), Ok(vec![0x83]));
        assert_eq!(parse_hex("83 6"), Err(5));
        assert_eq!(parse_hex("83 xx"), Err(4));
    }
}
