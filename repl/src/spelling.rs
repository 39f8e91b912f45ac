//! Names, paths and lines as text that can't drive a terminal.

/// As it is written in a string of either notation, which then means these bytes: in Erlang, a
/// character of a binary is a byte, so only ASCII stands as it is.
pub fn in_string(bytes: &[u8]) -> String {
    spelled(bytes, |c| c.is_ascii() && !matches!(c, '"' | '#'))
}

/// As it is shown: characters that can be printed stand as they are.
pub fn shown(bytes: &[u8]) -> String {
    spelled(bytes, |_| true)
}

fn spelled(bytes: &[u8], plain: impl Fn(char) -> bool) -> String {
    let mut text = String::new();
    let byte_by_byte = |text: &mut String, bytes: &[u8]| {
        bytes.iter().for_each(|b| *text += &format!("\\x{b:02X}"))
    };
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => text += "\\\\",
                c if plain(c) && printable(c) => text.push(c),
                '"' | '#' => text.extend(['\\', c]),
                c => byte_by_byte(&mut text, c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        byte_by_byte(&mut text, chunk.invalid());
    }
    text
}

/// Text with a space for each character that can't be printed: every column stays where it is.
pub fn harmless(text: &str) -> String {
    text.chars().map(|c| if printable(c) { c } else { ' ' }).collect()
}

fn printable(c: char) -> bool {
    matches!(c, '\\' | '"' | '\'') || c.escape_debug().len() == 1
}

/// The bytes that someone has written in a string; nothing while an escape is not complete.
pub fn meant(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let c = match c {
            '\\' => match chars.next()? {
                'x' => {
                    let digits: String = chars.by_ref().take(2).collect();
                    bytes.push(u8::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 2)?);
                    continue;
                }
                c => c,
            },
            c => c,
        };
        bytes.extend(c.encode_utf8(&mut [0; 4]).bytes());
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::text::{Notation, parse_as};
    use super::*;
    use eetf::{Binary, Term};

    const NAMES: [&[u8]; 7] = [
        b"blue",
        b"\xff\xfe",
        b"a\x1b[2Jb\n",
        "gr\u{fc}n \u{202e}".as_bytes(),
        b"\"\\#{x}'",
        b"half \xc3",
        b"\x00\x7f",
    ];

    #[test]
    fn a_name_in_a_string_means_itself_in_both_notations() {
        for name in NAMES {
            let text = in_string(name);
            assert!(text.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{text:?}");
            let term = Term::from(Binary { bytes: name.to_vec() });
            assert_eq!(parse_as(&format!("<<\"{text}\">>"), Notation::Erlang).unwrap(), term);
            assert_eq!(parse_as(&format!("\"{text}\""), Notation::Elixir).unwrap(), term);
            assert_eq!(meant(&text).unwrap(), name, "{text}");
        }
    }

    #[test]
    fn what_is_shown_can_not_drive_a_terminal() {
        for name in NAMES {
            let text = shown(name);
            assert!(!text.contains(|c: char| c.is_control() || c == '\u{202e}'), "{text:?}");
            assert_eq!(meant(&text).unwrap(), name, "{text}");
        }
        assert_eq!(shown("gr\u{fc}n".as_bytes()), "gr\u{fc}n");
    }

    #[test]
    fn what_is_harmless_keeps_its_columns() {
        assert_eq!(harmless("a\x1b[2J\t\\\"'\u{202e}\u{fc}\n"), "a [2J \\\"' \u{fc} ");
    }

    #[test]
    fn half_an_escape_means_nothing_yet() {
        for text in ["\\", "\\x", "\\xC", "a\\xC"] {
            assert_eq!(meant(text), None, "{text}");
        }
    }
}
