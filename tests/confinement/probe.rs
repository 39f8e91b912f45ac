//! A process that installs the filter and then does one thing.
//!
//! It is this very test program, started again with one of its tests and a description of what to do
//! in its environment.

use linx_netlink_port::confine::{Scope, die_of_crashes, end_on_panic, restrict_system_calls};
use linx_netlink_port::serve::thread;
use linx_netlink_port::socket::Families;
use nix::errno::Errno;
use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Stdio};
use std::{env, hint, ptr};

const VARIABLE: &str = "LINX_PORT_PROBE";

/// The status of a probe whose system call came back.
const SURVIVED: i32 = 42;

/// The status of one that was told that there is no such system call.
const NO_SUCH_CALL: i32 = 43;

/// The seconds that a probe may take.
const LONGEST: u32 = 10;

/// What becomes of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The call came back, whatever the kernel thought of its arguments.
    Allowed,
    /// `ENOSYS`.
    Absent,
    /// The filter killed the process.
    Killed,
    Ended(i32),
    /// Another signal.
    Died(i32),
}

impl Outcome {
    fn of(status: ExitStatus) -> Outcome {
        match (status.code(), status.signal()) {
            (Some(SURVIVED), _) => Outcome::Allowed,
            (Some(NO_SUCH_CALL), _) => Outcome::Absent,
            (Some(code), _) => Outcome::Ended(code),
            (None, Some(libc::SIGSYS)) => Outcome::Killed,
            (None, signal) => Outcome::Died(signal.unwrap_or_default()),
        }
    }
}

/// What policy leaves to be done, by a name.
pub const SCOPES: [&str; 6] =
    ["everything", "no-userns", "no-new", "one-protocol", "netlink", "inet-and-packet"];

/// The scope of this name.
pub fn scope(name: &str) -> Scope {
    let everything = Scope::default();
    let with = |families: &[u16], protocols: &[i32]| {
        let families = Families { families: families.into(), protocols: protocols.into() };
        Scope { families, ..Scope::default() }
    };
    match name {
        "everything" => everything,
        "no-userns" => Scope { userns: false, ..everything },
        "no-new" => Scope { new: false, ..everything },
        "one-protocol" => with(&[], &[0]),
        "netlink" => with(&[libc::AF_NETLINK as u16], &[0, 16]),
        "inet-and-packet" => with(&[libc::AF_INET as u16, libc::AF_PACKET as u16], &[]),
        other => panic!("no scope: {other}"),
    }
}

/// Makes a system call under the filter.
pub fn call(number: i64, arguments: [u64; 6]) -> Outcome {
    call_within("everything", number, arguments)
}

/// The same under the filter for less.
pub fn call_within(scope: &str, number: i64, arguments: [u64; 6]) -> Outcome {
    let words: Vec<_> = arguments.iter().map(u64::to_string).collect();
    probe(&format!("call {scope} {number} {}", words.join(" ")))
}

/// A launcher that runs the program where a system call fails.
pub fn without(call: libc::c_long, errno: Errno) -> Vec<OsString> {
    failing(call, errno, None)
}

/// The same where it fails if its second argument, an `int`, is this one.
pub fn without_argument(call: libc::c_long, argument: u32, errno: Errno) -> Vec<OsString> {
    failing(call, errno, Some(argument))
}

fn failing(call: libc::c_long, errno: Errno, argument: Option<u32>) -> Vec<OsString> {
    let test = env::current_exe().expect("this program");
    let argument = argument.map_or("-".into(), |it| it.to_string());
    let script = format!(
        "{VARIABLE}=\"exec {call} {} {argument} $*\" exec {} --exact probe::run --nocapture \
         8>&1 >/dev/null",
        errno as i32,
        test.display()
    );
    ["sh", "-c", &script, "sh"].map(OsString::from).to_vec()
}

/// Does under the filter what `task` names.
pub fn probe(task: &str) -> Outcome {
    let status = Command::new(env::current_exe().expect("this program"))
        .args(["--exact", "probe::run", "--nocapture", "--test-threads=1"])
        .env(VARIABLE, task)
        // The program empties its environment; here it is the harness's.
        .env_remove("RUST_BACKTRACE")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    Outcome::of(status.expect("this program can be started again"))
}

/// What a probe does. Among the other tests it shows that a probe which does no harm comes back.
#[test]
fn run() {
    let Ok(task) = env::var(VARIABLE) else {
        assert_eq!(call(libc::SYS_getpid, [0; 6]), Outcome::Allowed);
        return;
    };
    end_on_panic();
    die_of_crashes().expect("the default of two signals");
    let words: Vec<_> = task.split(' ').collect();
    if words[0] == "exec" {
        execute_with_failing_call(&words[1..]);
    }
    // SAFETY: it changes no memory. A probe that hangs ends with SIGALRM.
    unsafe { libc::alarm(LONGEST) };
    let scope = if words[0] == "call" { scope(words[1]) } else { Scope::default() };
    let beyond_the_end = map_empty_file();
    restrict_system_calls(&scope).expect("the filter");
    match words[0] {
        "call" => make_call(&words[2..]),
        "panic" => panic!("a panic under the filter"),
        "panic-in-a-thread" => in_a_thread(|| panic!("a panic in a thread")),
        "overflow" => in_a_thread(|| assert_eq!(overflow(0), 0)),
        "overflow-of-a-library-thread" => assert_eq!(overflow(0), 0),
        "abort" => std::process::abort(),
        "double-free" => free_twice(),
        "no-memory" => write_to(ptr::without_provenance_mut(8)),
        "no-file" => write_to(beyond_the_end),
        other => panic!("no task: {other}"),
    }
}

/// Does what is the end of the process, in a thread as those that serve.
fn in_a_thread(work: fn()) {
    thread::start(128 * 1024, work).expect("a thread");
    loop {
        std::thread::park();
    }
}

fn make_call(words: &[&str]) {
    let words: Vec<u64> = words.iter().map(|word| word.parse().expect("a number")).collect();
    let [number, a, b, c, d, e, f] = words[..] else { panic!("a number and six arguments") };
    // SAFETY: this process has nothing to lose: if the call comes back, it ends here.
    unsafe {
        let result = libc::syscall(number as libc::c_long, a, b, c, d, e, f);
        let absent = result == -1 && *libc::__errno_location() == libc::ENOSYS;
        libc::_exit(if absent { NO_SUCH_CALL } else { SURVIVED })
    }
}

/// Replaces this process by a program for which a call fails: its number, the errno, the second argument
/// that it must have, and the program.
fn execute_with_failing_call(words: &[&str]) -> ! {
    let number = |word: &str| word.parse::<i64>().expect("a number");
    let [call, errno, argument, words @ ..] = words else { panic!("no call") };
    let argument = (*argument != "-").then(|| {
        let argument = argument.parse().expect("a number");
        let is = SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, argument);
        SeccompRule::new(vec![is.expect("a condition")]).expect("a rule")
    });
    let rules = [(number(call), argument.into_iter().collect())].into_iter().collect();
    let fails = SeccompAction::Errno(errno.parse().expect("an errno"));
    let here = env::consts::ARCH.try_into().expect("a known architecture");
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, fails, here).expect("a filter");
    let filter: BpfProgram = filter.try_into().expect("a filter");
    apply_filter(&filter).expect("the filter");
    // The harness has its say on stdout, which is the protocol's; that waits as descriptor 8.
    // SAFETY: it changes no memory, and whoever owns stdout does not use it any more.
    unsafe { libc::dup2(8, libc::STDOUT_FILENO) };
    let error = Command::new(words[0]).args(&words[1..]).exec();
    panic!("{}: {error}", words[0])
}

/// A page that belongs to a file, and is past its end.
fn map_empty_file() -> *mut u8 {
    let file = File::open(env::current_exe().expect("this program")).expect("a file");
    let end = file.metadata().expect("its size").len().next_multiple_of(1 << 16);
    let (protection, end) = (libc::PROT_READ | libc::PROT_WRITE, end as libc::off_t);
    // SAFETY: a new mapping is nobody else's memory.
    unsafe {
        libc::mmap(ptr::null_mut(), 1, protection, libc::MAP_PRIVATE, file.as_raw_fd(), end).cast()
    }
}

fn write_to(place: *mut u8) {
    // SAFETY: none: this is where the process ends.
    unsafe { place.write_volatile(1) }
}

fn free_twice() {
    // SAFETY: none: this is where the process ends.
    unsafe {
        let block = hint::black_box(libc::malloc(64));
        libc::free(block);
        libc::free(hint::black_box(block));
    }
}

/// Uses up the stack.
fn overflow(depth: u64) -> u64 {
    let frame = hint::black_box([depth; 512]);
    if depth == u64::MAX { 0 } else { frame[0] + overflow(depth + 1) }
}
