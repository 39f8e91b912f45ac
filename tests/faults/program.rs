//! A running port program, what is asked of it, and what can be seen of it from outside.

use eetf::{Atom, BigInteger, Binary, List, Map, Term, Tuple};
use linx_netlink_client::{Channel, Client, Message, Start};
use nix::libc::c_long;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};
use std::{fs, thread};

/// How long anything may take. Far more than it does take, for machines that are busy.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The main thread, that which waits for the client's end, and those that wait for requests.
const THREADS: usize = 10;

/// The standard streams, the program's end of the pair, and what its threads wait for requests with.
const DESCRIPTORS: usize = 6;

/// The id of a request that is none of the test's.
const ASIDE: u64 = 1_000_000;

pub struct Program {
    pub client: Client,
    next_id: u64,
}

/// A reply: `{Id, Outcome}` and the descriptors that came along.
#[derive(Debug)]
pub struct Answer {
    pub id: u64,
    /// The outcome as Erlang writes it.
    pub outcome: String,
    pub sockets: Vec<OwnedFd>,
}

impl Program {
    pub fn start() -> Program {
        Program::start_with(&[], |_| {})
    }

    /// Starts it with more arguments, after `prepare` has made its changes to the command.
    pub fn start_with(arguments: &[&str], prepare: impl FnOnce(&mut Command)) -> Program {
        let mut start = Start::new(env!("CARGO_BIN_EXE_linx-netlink-port"));
        start.arguments = arguments.iter().map(Into::into).collect();
        let client = start.start_with(prepare).expect("the program starts");
        Program { client, next_id: 0 }
    }

    /// Sends a request and returns its id.
    pub fn send(&mut self, command: &Term) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.client.send(&request(id, command)).expect("the program reads");
        id
    }

    /// The next reply, whichever channel it comes on.
    pub fn receive(&mut self) -> Answer {
        Answer::of(self.client.receive(PATIENCE).expect("a reply"))
    }

    pub fn receive_on(&mut self, channel: Channel) -> Answer {
        Answer::of(self.client.receive_on(channel, PATIENCE).expect("a reply"))
    }

    /// Sends a request and waits for its reply, when no other is under way.
    pub fn ask(&mut self, command: &Term) -> Answer {
        let id = self.send(command);
        let answer = self.receive();
        assert_eq!(answer.id, id, "a reply to something else");
        answer
    }

    /// Asks, and says only what came of it.
    pub fn outcome(&mut self, command: &Term) -> String {
        self.ask(command).outcome
    }

    pub fn pid(&self) -> Pid {
        let pid = i32::try_from(self.client.os_pid()).ok().and_then(Pid::from_raw);
        pid.expect("a process has an id")
    }

    pub fn watch(&self) -> Watch {
        Watch { pid: self.client.os_pid() }
    }

    /// Waits until all is there with which it waits for requests.
    pub fn rest(&mut self) -> Rest {
        self.client.send(&request(ASIDE, &info())).expect("the program reads");
        assert_eq!(self.receive().id, ASIDE, "a reply to something else");
        let watch = self.watch();
        eventually("it has all its threads, and no file that glibc reads once", || {
            (watch.descriptors(), watch.threads()) == (DESCRIPTORS, THREADS)
        });
        Rest(watch)
    }

    /// Waits for the program's end.
    pub fn wait_end(&mut self) -> ExitStatus {
        let pidfd =
            pidfd_open(self.pid(), PidfdFlags::empty()).expect("a child is there until waited for");
        let mut end = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
        let patience = PollTimeout::try_from(PATIENCE).expect("some seconds");
        assert_eq!(poll(&mut end, patience), Ok(1), "the program has not ended");
        self.client.status().expect("a status").expect("an end")
    }
}

impl Answer {
    fn of(message: Message) -> Answer {
        assert!(!message.truncated, "descriptors were lost");
        let Ok(Term::Tuple(tuple)) = message.term() else {
            panic!("no reply: {:?}", message.bytes);
        };
        let [id, outcome] = &tuple.elements[..] else { panic!("no reply: {tuple}") };
        let id = match id {
            Term::FixInteger(id) => u64::try_from(id.value).expect("an id"),
            other => panic!("{other} is no id of these tests"),
        };
        // Atoms come in quotes.
        let outcome = outcome.to_string().replace('\'', "");
        Answer { id, outcome, sockets: message.descriptors }
    }

    pub fn socket(mut self) -> OwnedFd {
        assert_eq!((&*self.outcome, self.sockets.len()), ("ok", 1), "of request {}", self.id);
        self.sockets.remove(0)
    }
}

/// `{error,{Stage,Errno}}`
pub fn error(stage: &str, errno: nix::errno::Errno) -> String {
    format!("{{error,{{{stage},{}}}}}", errno as i32)
}

/// `{Id, Command}`
pub fn request(id: u64, command: &Term) -> Term {
    tuple([integer(id), command.clone()])
}

/// A request as it goes through the pipe, its length in front.
pub fn frame(id: u64, command: &Term) -> Vec<u8> {
    let mut bytes = Vec::new();
    request(id, command).encode(&mut bytes).expect("a request");
    [&u32::try_from(bytes.len()).expect("a small frame").to_be_bytes()[..], &bytes].concat()
}

pub fn info() -> Term {
    atom("info")
}

/// `{open_in_netns, Path, 0}`
pub fn open(netns: &(impl AsRef<Path> + ?Sized)) -> Term {
    tuple([atom("open_in_netns"), path(netns), integer(0)])
}

/// `{open_in_netns, Path, 0, #{Key => Value, ...}}`
pub fn open_with(netns: &(impl AsRef<Path> + ?Sized), options: Vec<(&str, Term)>) -> Term {
    let options = options.into_iter().map(|(key, value)| (atom(key), value));
    let options = Map::from(options.collect::<std::collections::HashMap<_, _>>());
    tuple([atom("open_in_netns"), path(netns), integer(0), options.into()])
}

/// `{open_many, [{Path, 0}, ...]}`
pub fn open_many(netns: impl IntoIterator<Item = impl AsRef<Path>>) -> Term {
    let entries = netns.into_iter().map(|netns| tuple([path(&netns), integer(0)]));
    tuple([atom("open_many"), list(entries)])
}

/// `{open_in_netns, {pid, Pid}, 0}`
/// Anything in a new namespace, the user's own or the program's.
pub fn open_new(for_user: bool, what: Term) -> Term {
    let new = if for_user { tuple([atom("new"), atom("user")]) } else { atom("new") };
    tuple([atom("open_in_netns"), new, what])
}

pub fn open_pid(pid: u32) -> Term {
    let pid = tuple([atom("pid"), integer(pid.into())]);
    tuple([atom("open_in_netns"), pid, integer(0)])
}

pub fn atom(name: &str) -> Term {
    Atom::from(name).into()
}

pub fn integer(value: u64) -> Term {
    match i32::try_from(value) {
        Ok(value) => eetf::FixInteger::from(value).into(),
        Err(_) => BigInteger::from(value).into(),
    }
}

pub fn list(elements: impl Iterator<Item = Term>) -> Term {
    List::from(elements.collect::<Vec<_>>()).into()
}

fn path(path: &(impl AsRef<Path> + ?Sized)) -> Term {
    Binary::from(path.as_ref().as_os_str().as_bytes().to_vec()).into()
}

fn tuple<const N: usize>(elements: [Term; N]) -> Term {
    Tuple::from(Vec::from(elements)).into()
}

/// The number of `poll(3)`.
#[cfg(target_arch = "x86_64")]
pub const POLL: c_long = nix::libc::SYS_poll;
#[cfg(not(target_arch = "x86_64"))]
pub const POLL: c_long = nix::libc::SYS_ppoll;

/// A program that serves nobody.
#[derive(Clone, Copy, Debug)]
pub struct Rest(Watch);

impl Rest {
    /// Waits until the program has no more than then, now that it serves nobody again.
    pub fn returns(self) {
        eventually("nothing is left of all requests", || {
            // Some threads are started for several requests at a time.
            self.0.descriptors() == DESCRIPTORS && self.0.threads() <= THREADS
        });
    }
}

/// What `/proc` says of a process.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    pid: u32,
}

impl Watch {
    pub fn descriptors(self) -> usize {
        self.entries("fd").len()
    }

    pub fn descriptor_numbers(self) -> Vec<u64> {
        self.entries("fd").iter().filter_map(|number| number.parse().ok()).collect()
    }

    pub fn threads(self) -> usize {
        self.entries("task").len()
    }

    /// The memory that it has of its own, in kilobytes.
    pub fn memory(self) -> usize {
        self.status("RssAnon:")
    }

    /// The most memory that it ever had, in kilobytes, its code among it.
    pub fn peak(self) -> usize {
        self.status("VmHWM:")
    }

    fn status(self, key: &str) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).expect("a status");
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.and_then(|number| number.parse().ok()).expect("a number of kilobytes")
    }

    /// How many of its threads are blocked in this system call.
    pub fn threads_in(self, call: c_long) -> usize {
        let is_there = |thread: &String| {
            let line = fs::read_to_string(format!("/proc/{}/task/{thread}/syscall", self.pid));
            // A thread that has ended is in no call.
            line.is_ok_and(|line| line.starts_with(&format!("{call} ")))
        };
        self.entries("task").iter().filter(|thread| is_there(thread)).count()
    }

    fn entries(self, directory: &str) -> Vec<String> {
        let entries = fs::read_dir(format!("/proc/{}/{directory}", self.pid));
        let name =
            |entry: std::io::Result<fs::DirEntry>| entry.ok()?.file_name().into_string().ok();
        entries.expect("a process").filter_map(name).collect()
    }
}

/// Waits until `holds` does, for what the kernel tells nobody of.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    let mut pause = Duration::from_micros(100);
    while !holds() {
        assert!(Instant::now() < deadline, "it never came to this: {what}");
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}
