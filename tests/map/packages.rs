//! What is privileged stands alone: the packages that a plain `cargo build` takes.

use std::process::Command;

/// The port program and what it depends on itself.
const PACKAGES: [&str; 6] = ["linx-netlink-port", "eetf", "nix", "rustix", "seccompiler", "sendfd"];

/// The lines of `cargo tree` for what `cargo build` in the root builds.
fn tree(arguments: &[&str]) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["tree", "--offline", "--locked", "--edges", "normal,build", "--prefix", "none"])
        .args(arguments)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("names in UTF-8");
    lines.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn the_port_program_depends_on_these_packages_itself() {
    let lines = tree(&["--depth", "1", "--format", "{p}"]);
    let names: Vec<&str> = lines.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names, PACKAGES);
}

#[test]
fn a_plain_build_takes_no_package_of_the_client_or_the_repl() {
    let lines = tree(&["--format", "{p}"]);
    for other in ["linx-netlink-client", "linx-netlink-repl", "clap", "rustyline", "winnow"] {
        let taken = lines.iter().find(|line| line.starts_with(&format!("{other} v")));
        assert_eq!(taken, None, "`cargo build` builds it");
    }
}
