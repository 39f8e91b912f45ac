//! What a Tab completes: commands, the words of the wire, names of namespaces,
//! and paths.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use linx_netlink_port::wire::OPTIONS;

use super::command::COMMANDS;
use super::kernel::{NAMES, names};
use super::spelling;

/// The words that requests are made of, beside the names of options.
const WORDS: [&str; 10] =
    ["open_in_netns", "open_many", "info", "pid", "fd", "new", "user", "netns", "true", "false"];

/// All words of the wire that begin so.
fn words(written: &str) -> Vec<String> {
    let options = OPTIONS.iter().map(|option| option.name);
    starting(WORDS.into_iter().chain(options), written)
}

/// What may stand where `head` ends: the byte that it would begin at, and the choices.
pub fn complete(head: &str) -> (usize, Vec<String>) {
    if let Some(start) = open_string(head) {
        let written = &head[start..];
        return match written.contains('/') {
            true => (start, paths(written)),
            false => (start, named(written)),
        };
    }
    let start = head.find(|c: char| !c.is_whitespace()).unwrap_or(head.len());
    let line = &head[start..];
    if let Some(written) = line.strip_prefix(":hex ") {
        return (head.len() - written.len(), starting(["on", "off"], written));
    }
    if line.starts_with(':') && !line.contains(char::is_whitespace) {
        return (start, starting(COMMANDS.map(|(name, ..)| name), line));
    }
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let start = head
        .rfind(|c| !word(c))
        .map_or(0, |at| at + head[at..].chars().next().map_or(1, char::len_utf8));
    let written = &head[start..];
    if written.is_empty() { (start, Vec::new()) } else { (start, words(written)) }
}

/// Where the string begins that is open at the end.
fn open_string(head: &str) -> Option<usize> {
    let mut open = None;
    let mut escaped = false;
    for (at, c) in head.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' if open.is_some() => open = None,
            '"' => open = Some(at + 1),
            _ => {}
        }
    }
    open
}

fn starting<'a>(words: impl IntoIterator<Item = &'a str>, written: &str) -> Vec<String> {
    words.into_iter().filter(|word| word.starts_with(written)).map(str::to_owned).collect()
}

/// The names of namespaces that begin so, as paths.
fn named(written: &str) -> Vec<String> {
    let begins = beginning(written);
    let names = names().into_iter().filter(|name| begins(name));
    names.map(|name| format!("{NAMES}/{}", spelling::in_string(name.as_bytes()))).collect()
}

/// The files whose paths begin so; directories end in a slash.
fn paths(written: &str) -> Vec<String> {
    let (directory, begin) = written.split_at(written.rfind('/').map_or(0, |at| at + 1));
    let begins = beginning(begin);
    let Some(path) = spelling::meant(directory) else { return Vec::new() };
    let mut found: Vec<String> = fs::read_dir(OsStr::from_bytes(&path))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let hidden = name.as_bytes().starts_with(b".") && !begin.starts_with('.');
            if !begins(&name) || hidden {
                return None;
            }
            let slash = if entry.path().is_dir() { "/" } else { "" };
            Some(format!("{directory}{}{slash}", spelling::in_string(name.as_bytes())))
        })
        .collect();
    found.sort();
    found
}

/// Whether a name begins as it is written, be it in the middle of an escape.
fn beginning(written: &str) -> impl Fn(&OsStr) -> bool {
    let meant = spelling::meant(written);
    move |name| {
        let name = name.as_bytes();
        meant.as_ref().is_some_and(|meant| name.starts_with(meant))
            || spelling::in_string(name).starts_with(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands() {
        assert_eq!(complete(":w"), (0, vec![":watch".to_owned()]));
        assert_eq!(complete("  :re"), (2, vec![":restart".to_owned()]));
        assert_eq!(complete(":hex o").1, ["on", "off"]);
        assert_eq!(complete(":").1.len(), COMMANDS.len());
        assert!(complete(":close 1").1.is_empty());
    }

    #[test]
    fn words_of_the_wire() {
        assert_eq!(complete("{open_i"), (1, vec!["open_in_netns".to_owned()]));
        assert_eq!(complete("{:open_m"), (2, vec!["open_many".to_owned()]));
        assert_eq!(complete("{open_in_netns, new, net").1, ["netns"]);
        for option in &OPTIONS {
            let line = format!("{{open_in_netns, new, 0, #{{{}", option.name);
            assert!(complete(&line).1.contains(&option.name.to_owned()), "{}", option.name);
        }
        assert!(complete("").1.is_empty());
    }

    #[test]
    fn every_word_in_the_wires_tables() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/PROTOCOL.md");
        let page = fs::read_to_string(page).unwrap();
        let (_, section) = page.split_once("\n## Requests\n").unwrap();
        let section = section.split("\n## ").next().unwrap();
        let cells = section.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
        let quoted = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
        let lower = |word: &&str| word.starts_with(|c: char| c.is_ascii_lowercase());
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let words: Vec<&str> =
            quoted.flat_map(|code| code.split(|c| !word(c)).filter(lower)).collect();
        assert!(words.len() > WORDS.len() + 10, "{words:?}");
        for word in words {
            let line = format!("{{{word}");
            assert!(complete(&line).1.contains(&word.to_owned()), "{word}");
        }
    }

    #[test]
    fn names_that_are_no_text() {
        let name = OsStr::from_bytes(b"linx-\xc3\xa5\xff\n\"");
        let spelled = "linx-\\xC3\\xA5\\xFF\\x0A\\\"";
        let directory = std::env::temp_dir().join(format!("linx-names-{}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join(name), "").unwrap();
        let found: Vec<_> = ["", "linx-", "linx-\u{e5}", "linx-\\xC", "linx-\\xC3\\xA5\\xFF"]
            .map(|written| paths(&format!("{}/{written}", directory.display())))
            .into();
        fs::remove_dir_all(&directory).unwrap();
        for found in found {
            assert_eq!(found, [format!("{}/{spelled}", directory.display())]);
        }
    }

    #[test]
    fn paths_in_strings() {
        assert_eq!(complete("{open_in_netns, <<\"/proc/self/n").0, 19);
        assert_eq!(complete("{open_in_netns, <<\"/proc/self/ns/ne").1, ["/proc/self/ns/net"]);
        assert!(complete("\"/proc/self/").1.contains(&"/proc/self/ns/".to_owned()));
        assert!(complete("\"/proc/self/ns/net\", ").1.is_empty());
        assert!(complete("\"/nowhere/at/all").1.is_empty());
    }
}
