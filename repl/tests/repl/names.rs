//! Names of namespaces that are no text.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::Command;

use crate::support::{script, unique};
use crate::terminal::{CTRL_C, PROMPT, Terminal};

/// A namespace with such a name, gone when this is dropped.
struct Odd {
    begin: String,
    name: OsString,
}

impl Odd {
    fn new(end: &[u8]) -> Odd {
        let begin = unique("odd");
        let name = OsString::from_vec([begin.as_bytes(), end].concat());
        let odd = Odd { begin, name };
        assert!(odd.ip("add").status().unwrap().success());
        odd
    }

    fn ip(&self, what: &str) -> Command {
        let mut ip = Command::new("ip");
        ip.args([OsStr::new("netns"), OsStr::new(what), &self.name]);
        ip
    }
}

impl Drop for Odd {
    fn drop(&mut self) {
        let _ = self.ip("del").status();
    }
}

/// Not UTF-8, an escape code that clears the screen, a newline.
const END: &[u8] = b"-\xff\xc3\x1b[2J\nb";
const SPELLED: &str = "-\\xFF\\xC3\\x1B[2J\\x0Ab";

#[test]
fn they_are_shown_and_open_what_they_name() {
    let odd = Odd::new(END);
    let path = format!("/run/netns/{}{SPELLED}", odd.begin);
    let (_, stdout, stderr) = script(
        &[
            ["-e", ":netns"],
            ["-e", &format!("{{open_in_netns,<<\"{path}\">>,netns}}")],
            ["-e", &format!("{{:open_in_netns, \"{path}\", :netns}}")],
        ]
        .concat(),
        "",
    );
    assert_eq!(stderr, "");
    assert!(!stdout.contains('\x1b'), "{stdout:?}");
    let line = stdout.lines().find(|line| line.ends_with(&path)).expect("the name");
    let (inode, _) = line.split_once(' ').unwrap();
    for number in [1, 2] {
        assert!(stdout.contains(&format!("\n#{number}: the namespace {inode}\n")), "{stdout}");
    }
    assert_eq!(
        std::fs::metadata(OsStr::from_bytes(&[b"/run/netns/", odd.name.as_bytes()].concat()))
            .map(|file| format!("net:[{}]", std::os::unix::fs::MetadataExt::ino(&file)))
            .unwrap(),
        inode
    );
}

#[test]
fn no_message_repeats_what_drives_a_terminal() {
    for line in ["a\x1b[2J", "{a, \x1b[2J}", ":a\x1b[2J", ":close \x1b[2J", "{:a, \u{9b}2J}"] {
        let (_, stdout, stderr) = script(&["-e", line], "");
        let said = format!("{stdout}{stderr}");
        assert!(said.contains("column "), "{said:?}");
        assert!(!said.contains(|c: char| c != '\n' && c.is_control()), "{said:?}");
    }
    let (_, _, stderr) = script(&["--executable", "/no\x1b[2Jwhere", "-e", "info"], "");
    assert!(stderr.contains("/no\\x1B[2Jwhere"), "{stderr:?}");
}

#[test]
fn tab_spells_them() {
    let odd = Odd::new(END);
    let mut terminal = Terminal::new(&[]);
    terminal.expect(PROMPT);
    terminal.keys(&format!("{{open_in_netns, <<\"{}\t\">>, netns}}", odd.begin));
    terminal.expect(&format!("<<\"/run/netns/{}{SPELLED}\">>, netns}}", odd.begin));
    terminal.keys("\r");
    terminal.expect("{1,ok}");
    terminal.expect(PROMPT);
    terminal.keys(&format!("{{:open_in_netns, \"/run/netns/{}-\\xFF\t", odd.begin));
    terminal.expect(SPELLED);
    terminal.keys(CTRL_C);
    terminal.expect(PROMPT);
    assert!(!terminal.raw().contains("\x1b[2J"));
}
