//! Terms against a real BEAM, both ways: what it prints and encodes is read
//! here, and what is printed and encoded here is read there.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use eetf::Term;
use linx_netlink_repl::etf;
use linx_netlink_repl::text::{Notation, parse_as, print};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::generate;

const TERMS: usize = 400;

#[test]
fn a_beam_and_the_repl_read_each_other() {
    let mut runner = TestRunner::deterministic();
    let ours: Vec<Term> =
        (0..TERMS).map(|_| generate::term().new_tree(&mut runner).unwrap().current()).collect();
    let (theirs, verdicts) = run_beam(&ours);

    let mut wrong = Vec::new();
    assert!(theirs.len() > 500, "{} terms only", theirs.len());
    for line in &theirs {
        let [bytes, rest @ ..] = line.as_slice() else { panic!("{line:?}") };
        let term = etf::decode(bytes).unwrap();
        assert_eq!(rest.len(), 5);
        for (n, text) in rest.iter().enumerate() {
            let notation = if n < 3 { Notation::Erlang } else { Notation::Elixir };
            let text = std::str::from_utf8(text).unwrap();
            match parse_as(text, notation) {
                Ok(read) if same(&read, &term) => {}
                Ok(read) => wrong.push(format!("{text} is read as {}", print(&read, notation))),
                Err(fault) => wrong.push(format!("{text}: {fault}")),
            }
        }
        // What the library's encoder would get wrong is told apart by the bytes themselves.
        let again = etf::encode(&term).unwrap();
        if again.len() != bytes.len() || (again != *bytes && !again.contains(&116)) {
            wrong.push(format!("{}: other bytes", print(&term, Notation::Erlang)));
        }
    }

    assert_eq!(verdicts.len(), ours.len());
    for (term, verdict) in ours.iter().zip(&verdicts) {
        let [verdict, bytes] = verdict.as_slice() else { panic!("{verdict:?}") };
        if verdict != b"ok" {
            wrong.push(String::from_utf8_lossy(verdict).into_owned());
        }
        if !same(&etf::decode(bytes).unwrap(), term) {
            wrong.push(format!("{} comes back as another", print(term, Notation::Erlang)));
        }
    }
    let shown: Vec<String> = wrong.iter().map(|line| line.chars().take(300).collect()).collect();
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), shown.join("\n"));
}

/// Whether two terms are equal. The library's own comparison fails on maps that
/// are keys of maps: their hash depends on an order that is not theirs.
fn same(a: &Term, b: &Term) -> bool {
    print(a, Notation::Erlang) == print(b, Notation::Erlang)
}

/// Each line's fields.
type Lines = Vec<Vec<Vec<u8>>>;

/// One BEAM: its terms, and its verdicts on ours.
fn run_beam(ours: &[Term]) -> (Lines, Lines) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/repl/beam.exs");
    let mut beam = Command::new("elixir")
        .arg(script)
        .env("ELIXIR_ERL_OPTIONS", "+fnu")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("elixir is installed");
    let mut input = String::new();
    for term in ours {
        let fields = [
            etf::encode(term).unwrap(),
            print(term, Notation::Erlang).into_bytes(),
            print(term, Notation::Elixir).into_bytes(),
        ];
        input.push_str(&fields.map(|field| base64(&field)).join("\t"));
        input.push('\n');
    }
    let mut stdin = beam.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let mut output = String::new();
    beam.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    writer.join().unwrap().unwrap();
    assert!(beam.wait().unwrap().success());

    let (theirs, verdicts) = output.split_once("judged\n").expect("both parts");
    let fields = |line: &str| line.split('\t').map(unbase64).collect();
    (theirs.lines().map(fields).collect(), verdicts.lines().map(fields).collect())
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for n in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * n) & 63) as usize];
            out.push(if n <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

fn unbase64(text: &str) -> Vec<u8> {
    let digit = |c| u32::try_from(DIGITS.iter().position(|d| *d == c).unwrap()).unwrap();
    let mut out = Vec::new();
    for chunk in text.trim_end_matches('=').as_bytes().chunks(4) {
        let word = chunk.iter().fold(0, |word, c| word << 6 | digit(*c)) << (6 * (4 - chunk.len()));
        out.extend(&word.to_be_bytes()[1..chunk.len()]);
    }
    out
}
