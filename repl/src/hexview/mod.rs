//! Frames byte by byte, with the name of each tag beside it. It reads
//! anything: what is no term is shown as far as it makes sense, and then as
//! bytes.

mod tag;
mod view;

pub use view::Row;

use std::fmt::Write;

/// The view of a message: one term with its version byte.
///
/// ```
/// use linx_netlink_repl::hexview::rows;
///
/// let notes: Vec<_> = rows(b"\x83w\x04info").into_iter().map(|row| row.note).collect();
/// assert_eq!(notes, ["version 131", "SMALL_ATOM_UTF8, 4 bytes", "|info|"]);
/// ```
pub fn rows(bytes: &[u8]) -> Vec<Row<'_>> {
    view::message(bytes)
}

/// The view of a message as text, the first offset being `base`.
///
/// ```
/// use linx_netlink_repl::hexview::text;
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
/// use linx_netlink_repl::hexview::frame_text;
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
/// use linx_netlink_repl::hexview::parse_hex;
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
