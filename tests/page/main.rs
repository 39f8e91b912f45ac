//! A client that was written from the contract of the wire alone, in another language, checks the
//! program line by line: `lines.py` beside this file.

use std::path::Path;
use std::process::{Command, Output};

fn python(script: &Path, arguments: &[&str]) -> Output {
    let mut python = Command::new("python3");
    // Without -B it leaves compiled files in the source tree.
    python.arg("-B").arg(script).args(arguments);
    python.output().expect("these tests need python3: script/setup test installs it")
}

fn lines() -> Output {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page/lines.py");
    python(&here, &[env!("CARGO_BIN_EXE_linx-netlink-port")])
}

#[test]
fn the_program_does_what_each_line_of_the_contract_says() {
    let output = lines();
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong: Vec<&str> = said.lines().filter(|line| !line.starts_with("ok: ")).collect();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "\n{}\n{errors}", wrong.join("\n"));
    assert!(!said.contains("# needs root"), "these tests need root, to make namespaces");
}
