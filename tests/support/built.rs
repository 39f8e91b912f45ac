use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The port program, for tests of the other packages: cargo tells a test only where the programs of its
/// own package are. It is asked to build this one first, so it is never an older one: as it built the
/// test, and in the same folder. For an example in the documentation, which lies in no folder of cargo's,
/// it is built as `cargo build` does.
pub fn port_program() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build)
}

fn build() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--locked", "--bin", "linx-netlink-port"]);
    cargo.args(["--message-format", "json-render-diagnostics", "--manifest-path"]).arg(manifest);
    let test = env::current_exe().expect("the test's own path");
    as_built(&test, &mut cargo);
    let output = cargo.output().expect("cargo can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo cannot build the port program: {said}");
    let messages = String::from_utf8_lossy(&output.stdout);
    let path = messages.split_once(r#""executable":""#).and_then(|(_, rest)| rest.split_once('"'));
    path.map(|(path, _)| path.into()).expect("cargo says where the port program is")
}

/// The target and the profile with which cargo built a test, by its path: `TARGET_DIR/debug/deps/TEST`,
/// or `TARGET_DIR/TRIPLE/debug/deps/TEST`.
fn as_built(test: &Path, cargo: &mut Command) {
    let mut folders = test.ancestors().skip(1);
    let mut next = || folders.next().unwrap_or(Path::new(""));
    let name =
        |folder: &Path| folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if name(next()) != "deps" {
        return;
    }
    match name(next()).as_str() {
        "debug" => cargo.args(["--profile", "dev"]),
        profile => cargo.args(["--profile", profile]),
    };
    let mut directory = next();
    let triple = name(directory);
    if triple.starts_with(env::consts::ARCH) && triple.contains("-linux-") {
        cargo.args(["--target", &triple]);
        directory = next();
    }
    cargo.arg("--target-dir").arg(directory);
}
