//! A client that was written from the contract of the wire alone, in another language, checks the
//! program line by line: `lines.py` beside this file.

use std::path::Path;
use std::process::{Command, Output};

/// A script of this folder, run with the program. Without -B it leaves compiled files beside itself.
fn run(script: &str) -> Output {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page");
    let mut python = Command::new("python3");
    python.arg("-B").arg(folder.join(script)).arg(env!("CARGO_BIN_EXE_linx-netlink-port"));
    python.output().expect("these tests need python3: script/setup test installs it")
}

#[test]
fn the_program_does_what_each_line_of_the_contract_says() {
    let output = run("lines.py");
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong: Vec<&str> = said.lines().filter(|line| !line.starts_with("ok: ")).collect();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "\n{}\n{errors}", wrong.join("\n"));
    for reason in ["# needs root", "# the program has no"] {
        assert!(
            !said.contains(reason),
            "not every line was checked, {reason}:\n{}",
            wrong.join("\n")
        );
    }
}

#[test]
fn the_bytes_and_the_python_client_of_the_document_are_true() {
    let output = run("document.py");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "these tests need root, and docs/PROTOCOL.md:\n{errors}");
}
