//! What a Tab completes: commands, the words of the wire, names of namespaces,
//! and paths.

use std::fs;

use linx_netlink_port::wire::OPTIONS;

use super::command::COMMANDS;
use super::kernel::{NAMES, names};

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
    names()
        .into_iter()
        .filter(|name| name.starts_with(written) && plain(name))
        .map(|name| format!("{NAMES}/{name}"))
        .collect()
}

/// The files whose paths begin so; directories end in a slash.
fn paths(written: &str) -> Vec<String> {
    let (directory, begin) = written.split_at(written.rfind('/').map_or(0, |at| at + 1));
    let mut found: Vec<String> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let hidden = name.starts_with('.') && !begin.starts_with('.');
            if !name.starts_with(begin) || hidden || !plain(&name) {
                return None;
            }
            let slash = if entry.path().is_dir() { "/" } else { "" };
            Some(format!("{directory}{name}{slash}"))
        })
        .collect();
    found.sort();
    found
}

/// Whether a name can stand in a string as it is.
fn plain(name: &str) -> bool {
    !name.contains(|c: char| c.is_control() || matches!(c, '"' | '\\' | '#'))
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
    fn paths_in_strings() {
        assert_eq!(complete("{open_in_netns, <<\"/proc/self/n").0, 19);
        assert_eq!(complete("{open_in_netns, <<\"/proc/self/ns/ne").1, ["/proc/self/ns/net"]);
        assert!(complete("\"/proc/self/").1.contains(&"/proc/self/ns/".to_owned()));
        assert!(complete("\"/proc/self/ns/net\", ").1.is_empty());
        assert!(complete("\"/nowhere/at/all").1.is_empty());
    }
}
