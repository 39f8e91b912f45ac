//! Namespaces to play in, and the REPL to run.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::process::{PidfdFlags, pidfd_open};

use crate::built::port_program;

/// How long anything may take before the test fails.
pub const BOUND: Duration = Duration::from_secs(60);

/// The REPL that cargo has built for this test, and beside it a port program that is as new.
pub fn repl() -> &'static str {
    const REPL: &str = env!("CARGO_BIN_EXE_linx-netlink-repl");
    assert_eq!(Path::new(REPL).parent(), port_program().parent(), "beside each other");
    REPL
}

/// A file of the project.
pub fn project_file(name: impl AsRef<Path>) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the project").join(name)
}

/// A name that no other test, and nothing else on the machine, uses.
pub fn unique(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("linx-repl-{what}-{}-{n}", std::process::id())
}

/// Runs a command that must work.
pub fn run(command: &str, arguments: &[&str]) -> String {
    let output = Command::new(command).args(arguments).output().unwrap();
    assert!(output.status.success(), "{command} {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A network namespace with a name of its own, gone when this is dropped.
pub struct Namespace {
    pub name: String,
}

impl Namespace {
    pub fn new() -> Self {
        Self::named(unique("ns"))
    }

    pub fn named(name: String) -> Self {
        let namespace = Self { name };
        run("ip", &["netns", "add", &namespace.name]);
        namespace
    }

    pub fn path(&self) -> String {
        format!("/run/netns/{}", self.name)
    }

    /// `net:[4026532281]`, as the kernel tells it.
    pub fn inode(&self) -> String {
        use std::os::unix::fs::MetadataExt;
        format!("net:[{}]", std::fs::metadata(self.path()).unwrap().ino())
    }

    /// `ip` in this namespace.
    pub fn ip(&self, arguments: &[&str]) {
        run("ip", &[&["-n", &self.name], arguments].concat());
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

/// A directory of one's own, gone when this is dropped.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(unique("dir"));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Copies a program. In a process of its own: a file that is open for writing anywhere can't be
/// run, and here other tests start processes all the time, which inherit for a moment what is open.
pub fn copy_program(from: impl AsRef<Path>, to: &Path) {
    run("cp", &[from.as_ref().to_str().unwrap(), to.to_str().unwrap()]);
}

/// The REPL without a terminal.
pub fn piped(arguments: &[&str]) -> Child {
    let mut repl = Command::new(repl());
    repl.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    repl.spawn().unwrap()
}

/// Runs the REPL without a terminal: status, stdout and stderr.
pub fn script(arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    use std::io::Write;
    let mut repl = piped(arguments);
    let mut stdin = repl.stdin.take().unwrap();
    // It may have ended before it has read everything.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let Output { status, stdout, stderr } = repl.wait_with_output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// Waits until a process that was killed has gone as far as it can without its parent.
pub fn await_death(pid: Pid) {
    let pid = rustix::process::Pid::from_raw(pid.as_raw()).expect("a process");
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).expect("a process that nobody has waited for");
    // Readable when the last thread has ended, of which a listing of them may not know any more.
    let mut end = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
    let bound = PollTimeout::try_from(BOUND).expect("a minute");
    assert_eq!(poll(&mut end, bound), Ok(1), "{pid:?} lives");
}

/// Stops a process, all of its threads.
pub fn stop(pid: Pid) {
    kill(pid, Signal::SIGSTOP).unwrap();
    await_threads(pid, |states| states.iter().all(|state| *state == 'T'));
}

/// Waits until the states of a process's threads are such.
fn await_threads(pid: Pid, wanted: impl Fn(&[char]) -> bool) {
    let deadline = Instant::now() + BOUND;
    let states = || {
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        let state = |thread: std::fs::DirEntry| {
            let stat = std::fs::read_to_string(thread.path().join("stat")).ok()?;
            stat.rsplit_once(") ")?.1.chars().next()
        };
        // A thread that ends meanwhile has no state any more.
        threads.filter_map(|thread| state(thread.ok()?)).collect::<Vec<char>>()
    };
    while !wanted(&states()) {
        assert!(Instant::now() < deadline, "the threads of {pid} are {:?}", states());
        std::thread::yield_now();
    }
}
