//! A message as rows: term after term, as far as it makes sense.

use super::tag::{Layout, tag};

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

/// The rows of a message, the bytes of which are in them once and in order.
pub(super) fn message(bytes: &[u8]) -> Vec<Row<'_>> {
    let mut view = View { bytes, at: 0, rows: Vec::new(), open: Vec::new() };
    view.message();
    view.rows
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
