//! Every example in `docs/REPL.md` is run, and every session in `README.md`. Its namespace is another one here,
//! and numbers of three digits and more, and times, differ from run to run.

use std::path::Path;
use std::process::Command;

use crate::support::{Namespace, project_file, repl};
use crate::terminal::{PROMPT, Terminal};

/// The text of a page's blocks that are in this language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let text = std::fs::read_to_string(project_file(page)).unwrap_or_default();
    let fence = format!("```{language}\n");
    let blocks = text.split(&fence).skip(1);
    blocks.map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// Pairs of what is typed after `prompt`, and what is printed then.
fn examples(block: &str, prompt: &str) -> Vec<(String, String)> {
    let mut examples: Vec<(String, String)> = Vec::new();
    for line in block.lines() {
        if let Some(typed) = line.strip_prefix(prompt) {
            examples.push((typed.to_owned(), String::new()));
        } else {
            let (_, printed) = examples.last_mut().expect("a block begins with a prompt");
            printed.push_str(line);
            printed.push('\n');
        }
    }
    examples
}

/// The text with everything that differs from run to run made the same.
fn normal(text: &str) -> String {
    let mut out = String::new();
    let mut digits = String::new();
    for c in text.trim_end().chars().chain(['\n']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        out.push_str(if digits.len() < 3 { &digits } else { "N" });
        digits.clear();
        out.push(c);
    }
    // A time stands alone at the end of its line, after two spaces.
    let timed = |line: &str| match line.rsplit_once("  ") {
        Some((rest, time)) if is_time(time) && !rest.trim().is_empty() => format!("{rest}  TIME"),
        _ => line.to_owned(),
    };
    out.lines().map(timed).collect::<Vec<_>>().join("\n")
}

fn is_time(text: &str) -> bool {
    let number = text.trim_end_matches(|c: char| c.is_alphabetic());
    let number = number.replace('N', "1");
    number.parse::<f64>().is_ok() && ["ns", "µs", "ms", "s"].iter().any(|unit| text.ends_with(unit))
}

/// Whether what was printed is what the example says; `…` stands for any lines.
fn check(typed: &str, expected: &str, printed: &str) {
    let (expected, printed) = (normal(expected), normal(printed));
    match expected.split_once('…') {
        Some((begin, end)) => {
            assert!(printed.starts_with(begin) && printed.ends_with(end), "{typed}\n{printed}");
        }
        None => assert_eq!(printed, expected, "{typed}"),
    }
}

#[test]
fn the_sessions() {
    let page = blocks("docs/REPL.md", "linx");
    assert!(page.len() >= 2);
    for block in page.into_iter().chain(blocks("README.md", "linx")) {
        let namespace = Namespace::new();
        let mut terminal = Terminal::new(&[]);
        terminal.expect(PROMPT);
        for (typed, expected) in examples(&block, PROMPT) {
            let real = typed.replace("/run/netns/blue", &namespace.path());
            if typed == ":quit" {
                terminal.keys(":quit\r");
                assert!(terminal.end().0.success());
                break;
            }
            check(&typed, &expected, &terminal.line(&real));
        }
    }
}

#[test]
fn the_command_lines() {
    let namespace = Namespace::new();
    let beside = Path::new(repl()).parent().unwrap();
    let path = format!("{}:{}", beside.display(), std::env::var("PATH").unwrap());
    let mut count = 0;
    for (typed, expected) in
        blocks("docs/REPL.md", "console").iter().flat_map(|block| examples(block, "$ "))
    {
        if typed == "script/repl" {
            // Building and setting up is another test's; that it is there is this one's.
            let script = project_file(&typed);
            assert!(Command::new("bash").arg("-n").arg(script).status().unwrap().success());
            continue;
        }
        let real = typed.replace("/run/netns/blue", &namespace.path());
        let output = Command::new("sh").args(["-c", &real]).env("PATH", &path).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(output.stderr.is_empty(), "{typed}: {}", String::from_utf8_lossy(&output.stderr));
        check(&typed, &expected, &printed);
        count += 1;
    }
    assert!(count >= 3);
}

#[test]
fn every_command_is_documented() {
    let text = std::fs::read_to_string(project_file("docs/REPL.md")).unwrap();
    let mut terminal = Terminal::new(&[]);
    terminal.expect(PROMPT);
    let help = terminal.line(":help");
    let names: Vec<&str> =
        help.lines().filter_map(|line| line.trim().strip_prefix(':')?.split(' ').next()).collect();
    assert_eq!(names.len(), 12, "{help}");
    for name in names {
        assert!(text.contains(&format!("`:{name}")), ":{name}");
    }
}
