//! Quoted text and its escapes.

use winnow::Parser;
use winnow::stream::Stream;
use winnow::token::take_while;

use super::Notation;
use super::fault::{Input, Parsed, wrong, wrong_at};

/// A piece of quoted text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Piece {
    /// A character, by its code point.
    Code(u32),
    /// A byte that is no character of its own: `\xff` in Elixir.
    Byte(u8),
}

/// The text up to `end`, whose opening quote has been read.
pub(super) fn until(i: &mut Input<'_>, end: char) -> Parsed<Vec<Piece>> {
    let opened = i.eof_offset() + 1;
    let mut pieces = Vec::new();
    loop {
        if i.peek_token() == Some(end) {
            i.next_token();
            return Ok(pieces);
        }
        if i.state.notation == Notation::Elixir && i.input.starts_with("#{") {
            return wrong(i, "nothing can be interpolated here; write \\#{ for the two characters");
        }
        match piece(i)? {
            Some(piece) => pieces.push(piece),
            None => return wrong_at(opened, format!("this {end} is never closed")),
        }
    }
}

/// One character or escape; nothing at the end of the line.
pub(super) fn piece(i: &mut Input<'_>) -> Parsed<Option<Piece>> {
    let start = i.eof_offset();
    match i.next_token() {
        None => Ok(None),
        Some('\\') => escape(i, start).map(Some),
        Some(c) => Ok(Some(Piece::Code(c.into()))),
    }
}

/// The text as a string, for names.
pub(super) fn string(start: usize, pieces: &[Piece]) -> Parsed<String> {
    match String::from_utf8(bytes(start, pieces)?) {
        Ok(text) => Ok(text),
        Err(_) => wrong_at(start, "a name must be valid UTF-8"),
    }
}

/// The text in UTF-8, with the bytes that are no characters as they are.
pub(super) fn bytes(start: usize, pieces: &[Piece]) -> Parsed<Vec<u8>> {
    let mut bytes = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match *piece {
            Piece::Byte(byte) => bytes.push(byte),
            Piece::Code(code) => match char::from_u32(code) {
                Some(c) => bytes.extend(c.encode_utf8(&mut [0; 4]).bytes()),
                None => return wrong_at(start, "no such character"),
            },
        }
    }
    Ok(bytes)
}

fn escape(i: &mut Input<'_>, start: usize) -> Parsed<Piece> {
    let elixir = i.state.notation == Notation::Elixir;
    let Some(c) = i.next_token() else {
        return wrong_at(start, "a character is expected after \\");
    };
    let code = match c {
        'n' => 10,
        't' => 9,
        'r' => 13,
        's' => 32,
        'e' => 27,
        'd' => 127,
        'b' => 8,
        'f' => 12,
        'v' => 11,
        'a' if elixir => 7,
        '0' if elixir => 0,
        'x' | 'u' if elixir || c == 'x' => return hex(i, start, c),
        '^' if !elixir => match i.next_token() {
            Some(c @ '@'..='_') => u32::from(c) - 64,
            Some(c @ 'a'..='z') => u32::from(c) - 96,
            _ => return wrong_at(start, "\\^ is followed by a letter"),
        },
        '0'..='7' if !elixir => {
            let more = take_while(0..=2, '0'..='7').parse_next(i)?;
            match u32::from_str_radix(&format!("{c}{more}"), 8) {
                Ok(code) => code,
                Err(_) => return wrong_at(start, "this is no octal number"),
            }
        }
        other => other.into(),
    };
    Ok(Piece::Code(code))
}

/// What follows `\x` or `\u`: digits, or digits in braces.
fn hex(i: &mut Input<'_>, start: usize, kind: char) -> Parsed<Piece> {
    let braces = i.peek_token() == Some('{');
    let text: Parsed<&str> = if braces {
        i.next_token();
        take_while(1..=6, |c: char| c.is_ascii_hexdigit()).parse_next(i)
    } else if kind == 'u' {
        take_while(4..=4, |c: char| c.is_ascii_hexdigit()).parse_next(i)
    } else {
        take_while(1..=2, |c: char| c.is_ascii_hexdigit()).parse_next(i)
    };
    let Some(code) = text.ok().and_then(|text| u32::from_str_radix(text, 16).ok()) else {
        return wrong_at(start, format!("\\{kind} is followed by hexadecimal digits"));
    };
    if braces && i.next_token() != Some('}') {
        return wrong_at(start, "this escape's } is missing");
    }
    if char::from_u32(code).is_none() {
        return wrong_at(start, "no such character");
    }
    match u8::try_from(code) {
        Ok(byte) if kind == 'x' && i.state.notation == Notation::Elixir => Ok(Piece::Byte(byte)),
        _ => Ok(Piece::Code(code)),
    }
}
