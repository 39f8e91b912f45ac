//! Prints terms as Erlang's `io_lib:format("~0tp")` and Elixir's `inspect`
//! do. Whatever is printed holds no control characters, and reads back as the
//! term that it was (but for pids, ports, references and functions, which have
//! no notation).

use std::cmp::Ordering;
use std::fmt::Write;

use eetf::{BitBinary, Map, Term};
use num_bigint::BigInt;

use super::Notation;
use super::grammar::OPERATORS;

/// Erlang's reserved words: as atoms, they are quoted.
const RESERVED: &[&str] = &[
    "after", "and", "andalso", "band", "begin", "bnot", "bor", "bsl", "bsr", "bxor", "case",
    "catch", "cond", "div", "else", "end", "fun", "if", "let", "maybe", "not", "of", "or",
    "orelse", "receive", "rem", "try", "when", "xor",
];

/// The text of a term.
///
/// ```
/// use linx_netlink_repl::text::{Notation, parse_as, print};
///
/// let term = parse_as("{1, {pid, 42}}", Notation::Erlang)?;
/// assert_eq!(print(&term, Notation::Elixir), "{1, {:pid, 42}}");
/// # Ok::<(), linx_netlink_repl::text::Fault>(())
/// ```
pub fn print(term: &Term, notation: Notation) -> String {
    let mut out = String::new();
    Printer { out: &mut out, notation }.term(term);
    out
}

struct Printer<'a> {
    out: &'a mut String,
    notation: Notation,
}

impl Printer<'_> {
    fn erlang(&self) -> bool {
        self.notation == Notation::Erlang
    }

    fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn display(&mut self, value: impl std::fmt::Display) {
        // Writing to a string does not fail.
        let _ = write!(self.out, "{value}");
    }

    fn term(&mut self, term: &Term) {
        match term {
            Term::Atom(atom) => self.atom(&atom.name),
            Term::FixInteger(n) => self.display(n.value),
            Term::BigInteger(n) => self.display(&n.value),
            Term::Float(x) => {
                let text = float(x.value);
                self.push(&text);
            }
            Term::Binary(binary) => self.binary(&binary.bytes),
            Term::BitBinary(bits) => self.bits(bits),
            Term::ByteList(list) => {
                let codes: Vec<u32> = list.bytes.iter().map(|b| u32::from(*b)).collect();
                if !self.characters(&codes) {
                    self.push("[");
                    self.joined(&codes, |p, code| p.display(code));
                    self.push("]");
                }
            }
            Term::List(list) => self.list(&list.elements),
            Term::ImproperList(list) => {
                self.push("[");
                self.joined(&list.elements, Self::term);
                self.push(if self.erlang() { "|" } else { " | " });
                self.term(&list.last);
                self.push("]");
            }
            Term::Tuple(tuple) => {
                self.push("{");
                self.joined(&tuple.elements, Self::term);
                self.push("}");
            }
            Term::Map(map) => self.map(map),
            Term::Pid(pid) => {
                let text = format!("<0.{}.{}>", pid.id, pid.serial);
                self.opaque("PID", &text);
            }
            Term::Port(port) => {
                let text = format!("<0.{}>", port.id);
                self.opaque("Port", &text);
            }
            Term::Reference(reference) => {
                let ids: Vec<String> = reference.id.iter().rev().map(u32::to_string).collect();
                self.opaque("Reference", &format!("<0.{}>", ids.join(".")));
            }
            Term::ExternalFun(_) | Term::InternalFun(_) => self.opaque("Function", "<fun>"),
        }
    }

    fn opaque(&mut self, kind: &str, text: &str) {
        if !self.erlang() {
            self.push("#");
            self.push(kind);
        } else if kind != "PID" && kind != "Function" {
            self.push("#");
            self.push(if kind == "Reference" { "Ref" } else { kind });
        }
        self.push(text);
    }

    /// Prints each of `items`, with commas between them.
    fn joined<T>(&mut self, items: &[T], each: impl Fn(&mut Self, &T)) {
        for (n, item) in items.iter().enumerate() {
            if n > 0 {
                self.push(if self.erlang() { "," } else { ", " });
            }
            each(self, item);
        }
    }

    fn list(&mut self, elements: &[Term]) {
        let code = |term: &Term| match term {
            Term::FixInteger(n) => u32::try_from(n.value).ok(),
            _ => None,
        };
        let codes: Option<Vec<u32>> = elements.iter().map(code).collect();
        if codes.is_some_and(|codes| self.characters(&codes)) {
            return;
        }
        self.push("[");
        if !self.erlang()
            && !elements.is_empty()
            && elements.iter().all(|term| pair(term).is_some())
        {
            self.joined(elements, |p, term| {
                if let Some((key, value)) = pair(term) {
                    p.key(key);
                    p.term(value);
                }
            });
        } else {
            self.joined(elements, Self::term);
        }
        self.push("]");
    }

    /// Prints a list of characters as text, if that is what it looks like.
    fn characters(&mut self, codes: &[u32]) -> bool {
        let shown = |code: &u32| match char::from_u32(*code) {
            Some(c) if c.is_ascii() => {
                printable(c) || matches!(c, '\x08' | '\x0b' | '\x0c' | '\x1b')
            }
            Some(c) => self.erlang() && printable(c),
            None => false,
        };
        if codes.is_empty() || !codes.iter().all(shown) {
            return false;
        }
        let text: String = codes.iter().filter_map(|code| char::from_u32(*code)).collect();
        if !self.erlang() {
            self.push("~c");
        }
        self.quoted(&text, '"');
        true
    }

    fn map(&mut self, map: &Map) {
        let mut pairs: Vec<_> = map.map.iter().collect();
        pairs.sort_by(|a, b| order(a.0, b.0));
        if self.erlang() {
            self.push("#{");
            self.joined(&pairs, |p, (key, value)| {
                p.term(key);
                p.push(" => ");
                p.term(value);
            });
        } else {
            self.push("%{");
            let keyed =
                pairs.iter().all(|(key, _)| matches!(key, Term::Atom(atom) if !module(&atom.name)));
            self.joined(&pairs, |p, (key, value)| {
                match key {
                    Term::Atom(atom) if keyed => p.key(&atom.name),
                    _ => {
                        p.term(key);
                        p.push(" => ");
                    }
                }
                p.term(value);
            });
        }
        self.push("}");
    }

    fn atom(&mut self, name: &str) {
        if self.erlang() {
            let plain = name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '@');
            if plain && !RESERVED.contains(&name) {
                self.push(name);
            } else {
                self.quoted(name, '\'');
            }
        } else if matches!(name, "nil" | "true" | "false") {
            self.push(name);
        } else if module(name) {
            self.push(&name["Elixir.".len()..]);
        } else {
            self.push(":");
            if plain_symbol(name) || OPERATORS.contains(&name) {
                self.push(name);
            } else {
                self.quoted(name, '"');
            }
        }
    }

    /// A key with its colon, in Elixir.
    fn key(&mut self, name: &str) {
        if plain_symbol(name) {
            self.push(name);
        } else {
            self.quoted(name, '"');
        }
        self.push(": ");
    }

    fn binary(&mut self, bytes: &[u8]) {
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.chars().all(printable));
        match text {
            Some("") if self.erlang() => self.push("<<>>"),
            Some(text) if self.erlang() => {
                self.push("<<");
                self.quoted(text, '"');
                self.push(if text.is_ascii() { ">>" } else { "/utf8>>" });
            }
            Some(text) => self.quoted(text, '"'),
            None => {
                self.push("<<");
                self.joined(bytes, |p, byte| p.display(byte));
                self.push(">>");
            }
        }
    }

    fn bits(&mut self, bits: &BitBinary) {
        self.push("<<");
        let last = bits.bytes.len().saturating_sub(1);
        let elements: Vec<(usize, u8)> = bits.bytes.iter().copied().enumerate().collect();
        self.joined(&elements, |p, (n, byte)| {
            p.display(byte);
            if *n == last && bits.tail_bits_size < 8 {
                let size = bits.tail_bits_size;
                p.push(&if p.erlang() { format!(":{size}") } else { format!("::size({size})") });
            }
        });
        self.push(">>");
    }

    /// Text in quotes, with what must be escaped escaped.
    fn quoted(&mut self, text: &str, quote: char) {
        self.out.push(quote);
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\\' => self.push("\\\\"),
                c if c == quote => {
                    self.push("\\");
                    self.out.push(c);
                }
                '#' if !self.erlang() && chars.peek() == Some(&'{') => self.push("\\#"),
                '\n' => self.push("\\n"),
                '\t' => self.push("\\t"),
                '\r' => self.push("\\r"),
                '\x1b' => self.push("\\e"),
                '\x08' => self.push("\\b"),
                '\x0b' => self.push("\\v"),
                '\x0c' => self.push("\\f"),
                c if printable(c) => self.out.push(c),
                c if self.erlang() => self.display(format_args!("\\x{{{:X}}}", u32::from(c))),
                c => self.display(format_args!("\\u{{{:X}}}", u32::from(c))),
            }
        }
        self.out.push(quote);
    }
}

/// Whether a character can be shown as it is, or has an escape of one letter.
fn printable(c: char) -> bool {
    matches!(c, '\n' | '\t' | '\r' | '\\' | '"' | '\'') || c.escape_debug().len() == 1
}

/// Whether Elixir writes an atom as a module's name.
fn module(name: &str) -> bool {
    name.strip_prefix("Elixir.").is_some_and(|rest| {
        rest.split('.').all(|part| {
            part.starts_with(|c: char| c.is_ascii_uppercase())
                && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        })
    })
}

/// Whether Elixir writes an atom without quotes.
fn plain_symbol(name: &str) -> bool {
    let stem = name.strip_suffix(['?', '!']).unwrap_or(name);
    stem.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && stem.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '@')
}

/// The two halves of a pair in a keyword list.
fn pair(term: &Term) -> Option<(&str, &Term)> {
    match term {
        Term::Tuple(tuple) => match tuple.elements.as_slice() {
            [Term::Atom(key), value] if !module(&key.name) => Some((&key.name, value)),
            _ => None,
        },
        _ => None,
    }
}

/// An order for the keys of a map, so that the same map always looks the same:
/// Erlang's for integers, atoms and binaries, the text's for the rest. Within a
/// rank there is one way to compare, or it would be no order.
fn order(a: &Term, b: &Term) -> Ordering {
    let rank = |term: &Term| match term {
        Term::FixInteger(_) | Term::BigInteger(_) => 0,
        Term::Float(_) => 1,
        Term::Atom(_) => 2,
        Term::Tuple(_) => 3,
        Term::Map(_) => 4,
        Term::List(_) | Term::ByteList(_) | Term::ImproperList(_) => 5,
        Term::Binary(_) => 6,
        Term::BitBinary(_) => 7,
        _ => 8,
    };
    let integer = |term: &Term| match term {
        Term::FixInteger(n) => Some(BigInt::from(n.value)),
        Term::BigInteger(n) => Some(n.value.clone()),
        _ => None,
    };
    if let (Some(a), Some(b)) = (integer(a), integer(b)) {
        return a.cmp(&b);
    }
    match (a, b) {
        (Term::Atom(a), Term::Atom(b)) => a.name.cmp(&b.name),
        (Term::Binary(a), Term::Binary(b)) => a.bytes.cmp(&b.bytes),
        _ => rank(a)
            .cmp(&rank(b))
            .then_with(|| print(a, Notation::Erlang).cmp(&print(b, Notation::Erlang))),
    }
}

/// The shortest digits that read back as the same float, placed as Erlang places them.
fn float(value: f64) -> String {
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let scientific = format!("{:e}", value.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits = mantissa.replace('.', "");
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let with_exponent = || {
        let (first, rest) = digits.split_at(1);
        format!("{sign}{first}.{}e{exponent}", if rest.is_empty() { "0" } else { rest })
    };
    // The place of the point, and what it costs to write the exponent instead.
    let place = exponent + 1;
    let cost =
        i32::try_from(exponent.to_string().len()).unwrap_or(0) + 1 + if count == 1 { 2 } else { 1 };
    let zeros = |n: i32| "0".repeat(usize::try_from(n).unwrap_or(0));
    if place <= 0 {
        if place < 0 && 2 - place > cost {
            with_exponent()
        } else {
            format!("{sign}0.{}{digits}", zeros(-place))
        }
    } else if place >= count {
        if place - count + 2 > cost {
            with_exponent()
        } else {
            format!("{sign}{digits}{}.0", zeros(place - count))
        }
    } else {
        let (whole, fraction) = digits.split_at(usize::try_from(place).unwrap_or(0));
        format!("{sign}{whole}.{fraction}")
    }
}
