//! A client of the program: sends requests and takes replies apart.

use std::fs::read_dir;
use std::io::{ErrorKind, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::process::{Child, ChildStdin, ChildStdout, ExitStatus};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::PollFlags;

use crate::etf::{Term, atom, int, tuple};
use crate::launch::Launch;
use crate::scene::Directory;
use crate::wire::{WAIT, eventually, read_frame, receive, send, wait_exit, wait_for, write_all};

pub const STAGES: [&str; 11] = [
    "open",
    "setns",
    "unshare",
    "userns",
    "fork",
    "socket",
    "setsockopt",
    "bind",
    "listen",
    "send",
    "thread",
];

/// A running program and our ends of what connects us.
pub struct Port {
    pub child: Child,
    pub hello: Term,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    pair: Option<OwnedFd>,
    last_id: u64,
    directory: Directory,
}

/// What the program sent, and on which of its two channels.
#[derive(Debug)]
pub enum Reply {
    Stdout(Term),
    Pair(Term, Vec<OwnedFd>),
}

/// What there was still to read from a program that has ended.
pub struct Remains {
    pub status: ExitStatus,
    pub replies: Vec<Reply>,
}

impl Port {
    /// Starts the program in the plainest way.
    pub fn start() -> Port {
        Launch::new().start()
    }

    pub fn new(mut child: Child, pair: OwnedFd, hello: Term, directory: Directory) -> Port {
        let stdin = child.stdin.take().expect("a piped stdin");
        let stdout = child.stdout.take();
        fcntl(&stdin, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).expect("fcntl");
        Port { child, hello, stdin: Some(stdin), stdout, pair: Some(pair), last_id: 0, directory }
    }

    /// The process id of the program, by its own account: a launcher may
    /// stand between it and us.
    pub fn pid(&self) -> i128 {
        let [_, body] = self.hello.tuple_of().expect("hello is a pair");
        body.get("os_pid").and_then(Term::as_int).expect("os_pid")
    }

    /// The directory where the rendezvous was.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Our end of the pair.
    pub fn pair(&self) -> &OwnedFd {
        self.pair.as_ref().expect("the pair is open")
    }

    /// Writes bytes to stdin as they are.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        write_all(stdin, bytes).expect("stdin is read");
    }

    /// Writes bytes if they are read within a moment; for a program that
    /// may stop reading because we do. Half of them may have been written
    /// when it says no, so that nothing can be sent any more after that.
    pub fn send_if_read(&mut self, mut bytes: &[u8]) -> bool {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        while !bytes.is_empty() {
            let moment = Duration::from_secs(2);
            if wait_for([(stdin.as_fd(), PollFlags::POLLOUT)], moment).is_none() {
                return false;
            }
            match stdin.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("writing stdin: {error}"),
            }
        }
        true
    }

    /// Writes one frame around `body`.
    pub fn send_frame(&mut self, body: &[u8]) {
        self.send_bytes(&framed(body));
    }

    /// Writes a request with an id of the test's choice.
    pub fn send(&mut self, id: impl Into<i128>, command: Term) {
        self.send_frame(&tuple([int(id), command]).encode());
    }

    /// Writes a request with a fresh id and returns the id.
    pub fn request(&mut self, command: Term) -> u64 {
        self.last_id += 1;
        self.send(self.last_id, command);
        self.last_id
    }

    /// Sends a descriptor under a key.
    pub fn send_descriptor(&self, key: impl Into<i128>, descriptor: impl AsFd) {
        self.send_on_pair(&int(key).encode(), &[descriptor.as_fd()]);
    }

    /// Sends a message on the pair as it is, and waits for room.
    pub fn send_on_pair(&self, bytes: &[u8], descriptors: &[BorrowedFd]) {
        send(self.pair(), bytes, descriptors);
    }

    /// What comes next on either channel; `None` when stdout has ended.
    pub fn next_or_end(&mut self) -> Option<Reply> {
        let stdout = self.stdout.as_mut().expect("stdout is open");
        if let Some(pair) = &self.pair {
            let events = [(stdout.as_fd(), PollFlags::POLLIN), (pair.as_fd(), PollFlags::POLLIN)];
            let [_, on_pair] = wait_for(events, WAIT).expect("a reply in time");
            if let Some((bytes, fds)) = on_pair.then(|| receive(pair)).flatten() {
                return Some(Reply::Pair(decode(&bytes), fds));
            }
        }
        read_frame(stdout).map(|bytes| Reply::Stdout(decode(&bytes)))
    }

    /// What comes next on either channel.
    pub fn next(&mut self) -> Reply {
        self.next_or_end().expect("a reply, not the end of stdout")
    }

    /// What comes next on stdout, whatever waits on the pair.
    pub fn next_on_stdout(&mut self) -> Term {
        let stdout = self.stdout.as_mut().expect("stdout is open");
        decode(&read_frame(stdout).expect("a reply, not the end of stdout"))
    }

    /// One request and its reply.
    pub fn ask(&mut self, command: Term) -> Reply {
        let id = self.request(command);
        let reply = self.next();
        assert_eq!(reply.id(), Some(id.into()), "the id of {reply:?}");
        reply
    }

    /// One frame and what is said to it.
    pub fn ask_frame(&mut self, body: &[u8]) -> Reply {
        self.send_frame(body);
        self.next()
    }

    /// One request that must work.
    pub fn open(&mut self, command: Term) -> OwnedFd {
        self.ask(command).opened()
    }

    /// The map that `info` answers.
    pub fn info(&mut self) -> Term {
        self.ask(atom("info")).info()
    }

    /// One of the counts that `info` keeps.
    pub fn count_of(&mut self, key: &str) -> i128 {
        let info = self.info();
        let count = info.get("requests").and_then(|r| r.get(key)).and_then(Term::as_int);
        count.unwrap_or_else(|| panic!("requests has {key}: {info:?}"))
    }

    /// A number that `info` answers.
    pub fn info_int(&mut self, key: &str) -> i128 {
        let info = self.info();
        info.get(key).and_then(Term::as_int).unwrap_or_else(|| panic!("no {key}: {info:?}"))
    }

    /// How many descriptors the program holds.
    pub fn descriptors(&self) -> usize {
        read_dir(format!("/proc/{}/fd", self.pid())).expect("its descriptors").count()
    }

    /// Waits until the program holds no more descriptors than it did before.
    pub fn holds_again(&self, before: usize) {
        eventually(|| self.descriptors(), |now| *now <= before);
    }

    /// The most memory that the program has held so far, in bytes.
    pub fn peak_memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = line.and_then(|line| line.split_whitespace().next());
        kibibytes.expect("VmHWM").parse::<usize>().expect("a number") * 1024
    }

    /// How many bytes wait on our end of the pair.
    pub fn waiting_on_pair(&self) -> u64 {
        rustix::io::ioctl_fionread(self.pair()).expect("FIONREAD")
    }

    /// Whether something that we have sent on the pair was not received yet: `SIOCOUTQ`, `unix(7)`.
    pub fn waiting_to_be_received(&self) -> bool {
        let mut waiting: nix::libc::c_int = 0;
        // SAFETY: the request writes one int.
        let result = unsafe {
            nix::libc::ioctl(self.pair().as_raw_fd(), nix::libc::TIOCOUTQ, &raw mut waiting)
        };
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
        waiting > 0
    }

    /// Whether there is something to read on stdout right now.
    pub fn has_stdout(&self) -> bool {
        let stdout = self.stdout.as_ref().expect("stdout is open");
        wait_for([(stdout.as_fd(), PollFlags::POLLIN)], Duration::ZERO).is_some()
    }

    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    pub fn close_stdout(&mut self) {
        self.stdout = None;
    }

    pub fn close_pair(&mut self) {
        self.pair = None;
    }

    pub fn wait_exit(&mut self) -> ExitStatus {
        wait_exit(&mut self.child)
    }

    /// Ends stdin, reads whatever still comes, and waits for the end.
    pub fn finish(mut self) -> Remains {
        self.close_stdin();
        let mut replies = Vec::new();
        while let Some(reply) = self.next_or_end() {
            replies.push(reply);
        }
        if let Some(pair) = self.pair.take() {
            while let Some((bytes, fds)) = receive(&pair) {
                replies.push(Reply::Pair(decode(&bytes), fds));
            }
        }
        Remains { status: self.wait_exit(), replies }
    }

    /// The end of a test: all has been answered once, nothing more comes,
    /// and the program is content.
    pub fn end(self) {
        let remains = self.finish();
        assert!(remains.replies.is_empty(), "replies to nothing: {:?}", remains.replies);
        assert_eq!(remains.status.code(), Some(0), "{}", remains.status);
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn decode(bytes: &[u8]) -> Term {
    Term::decode(bytes).unwrap_or_else(|error| panic!("{error} in {bytes:?}"))
}

/// `body` behind its length.
pub fn framed(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("a 32-bit length");
    [length.to_be_bytes().as_slice(), body].concat()
}
