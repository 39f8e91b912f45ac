//! Measures the port program through a client without a BEAM: `wire PROGRAM PATH...`.
//!
//! Reads commands from stdin, and answers each with a line of numbers:
//!
//! - `one COUNT`: nanoseconds of each of COUNT requests for one socket, over the namespaces in turn;
//! - `many COUNT SIZE`: of each of COUNT requests for SIZE sockets in one namespace, in turn;
//! - `spread COUNT SIZE`: the same, with the sockets over the namespaces in turn;
//! - `start COUNT`: from the start of the program to its first socket;
//! - `memory COUNT`: KiB that the program holds after COUNT requests, and held at most;
//! - `idle MILLISECONDS`: nanoseconds of processor time that the program takes in this time;
//! - `descriptors`: how many this process and the program have open.

#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]

use eetf::{Atom, Binary, FixInteger, List, Term, Tuple};
use linx_netlink_client::{Client, Message, Start};
use nix::libc;
use std::error::Error;
use std::io::{Write, stdin, stdout};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};
use std::{env, fs, io, thread};

type Outcome<T> = Result<T, Box<dyn Error>>;

const PATIENCE: Duration = Duration::from_secs(10);
/// By then the program has done what is left to do when a request has been answered.
const SETTLED: Duration = Duration::from_millis(200);

struct Bench {
    program: String,
    homes: Vec<Home>,
    turn: usize,
    client: Client,
}

/// A namespace, and how to tell that a socket is in it.
struct Home {
    path: String,
    cookie: u64,
}

fn main() -> Outcome<()> {
    let mut arguments = env::args().skip(1);
    let program = arguments.next().ok_or("usage: wire PROGRAM PATH...")?;
    let mut bench =
        Bench { client: Start::new(&program).start()?, program, homes: Vec::new(), turn: 0 };
    bench.homes = arguments.map(|path| bench.home(path)).collect::<Outcome<_>>()?;
    for line in stdin().lines() {
        let words = bench.answer(&line?)?.iter().map(u64::to_string).collect::<Vec<_>>();
        writeln!(stdout(), "{}", words.join(" "))?;
    }
    Ok(())
}

impl Bench {
    fn answer(&mut self, line: &str) -> Outcome<Vec<u64>> {
        let mut words = line.split(' ');
        let command = words.next().unwrap_or_default();
        let numbers = words.map(str::parse).collect::<Result<Vec<usize>, _>>()?;
        match (command, &numbers[..]) {
            ("one", &[count]) => (0..count).map(|_| self.open_one()).collect(),
            ("many", &[count, size]) => (0..count).map(|_| self.open_many(size, 0)).collect(),
            ("spread", &[count, size]) => (0..count).map(|_| self.open_many(size, 1)).collect(),
            ("start", &[count]) => (0..count).map(|_| self.start()).collect(),
            ("memory", &[count]) => self.memory(count),
            ("idle", &[milliseconds]) => self.idle(Duration::from_millis(milliseconds as u64)),
            ("descriptors", []) => self.descriptors(),
            _ => Err(format!("no command: {line}").into()),
        }
    }

    fn process(&self) -> String {
        self.client.os_pid().to_string()
    }

    /// What is there is taken for right: who tells whether these are the right namespaces is the
    /// one who compares.
    fn home(&mut self, path: String) -> Outcome<Home> {
        let answer = ask(&mut self.client, &open_request(&path))?;
        let [socket] = &answer.descriptors[..] else {
            return Err(format!("{path}: {:?}", answer.term()?).into());
        };
        Ok(Home { cookie: cookie(socket)?, path })
    }

    fn next_home(&mut self) -> usize {
        self.turn = (self.turn + 1) % self.homes.len();
        self.turn
    }

    fn open_one(&mut self) -> Outcome<u64> {
        let home = self.next_home();
        let request = open_request(&self.homes[home].path);
        let (taken, answer) = timed(|| ask(&mut self.client, &request))?;
        self.check(&answer.descriptors, 1, home, 0)?;
        Ok(taken)
    }

    /// Sockets of which each is `step` namespaces on from the one before.
    fn open_many(&mut self, size: usize, step: usize) -> Outcome<u64> {
        let home = self.next_home();
        let at = |entry: usize| (home + entry * step) % self.homes.len();
        let paths = (0..size).map(|entry| self.homes[at(entry)].path.as_str());
        let request = open_many_request(paths);
        let (taken, answer) = timed(|| ask(&mut self.client, &request))?;
        self.check(&answer.descriptors, size, home, step)?;
        Ok(taken)
    }

    fn check(&self, sockets: &[OwnedFd], size: usize, home: usize, step: usize) -> Outcome<()> {
        if sockets.len() != size {
            return Err(format!("{} sockets instead of {size}", sockets.len()).into());
        }
        for (entry, socket) in sockets.iter().enumerate() {
            let home = &self.homes[(home + entry * step) % self.homes.len()];
            if cookie(socket)? != home.cookie {
                return Err(format!("a socket for {} landed elsewhere", home.path).into());
            }
        }
        Ok(())
    }

    fn start(&self) -> Outcome<u64> {
        let request = open_request(&self.homes[0].path);
        let (taken, (mut client, answer)) = timed(|| {
            let mut client = Start::new(&self.program).start()?;
            let answer = ask(&mut client, &request)?;
            Ok((client, answer))
        })?;
        self.check(&answer.descriptors, 1, 0, 0)?;
        client.finish()?;
        Ok(taken)
    }

    fn memory(&mut self, count: usize) -> Outcome<Vec<u64>> {
        for _ in 0..count {
            self.open_one()?;
        }
        let status = fs::read_to_string(format!("/proc/{}/status", self.process()))?;
        ["VmRSS:", "VmHWM:"].map(|field| kilobytes(&status, field)).into_iter().collect()
    }

    fn descriptors(&self) -> Outcome<Vec<u64>> {
        thread::sleep(SETTLED);
        ["self", &self.process()].map(descriptors).into_iter().collect()
    }

    fn idle(&self, time: Duration) -> Outcome<Vec<u64>> {
        thread::sleep(SETTLED);
        let before = processor_time(&self.process())?;
        thread::sleep(time);
        Ok(vec![processor_time(&self.process())? - before])
    }
}

/// The kernel's number for the network namespace of a socket.
fn cookie(socket: &OwnedFd) -> io::Result<u64> {
    let mut cookie = 0_u64;
    let mut size = size_of_val(&cookie) as libc::socklen_t;
    // SAFETY: the kernel writes at most `size` bytes to `cookie`, and the size; both outlive the
    // call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut size,
        )
    };
    if result == 0 { Ok(cookie) } else { Err(io::Error::last_os_error()) }
}

fn timed<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<(u64, T)> {
    let start = Instant::now();
    let result = work()?;
    Ok((start.elapsed().as_nanos().try_into()?, result))
}

fn ask(client: &mut Client, request: &[u8]) -> Outcome<Message> {
    client.send_frame(request)?;
    Ok(client.receive(PATIENCE)?)
}

fn open_request(path: &str) -> Vec<u8> {
    request(vec![Atom::from("open_in_netns").into(), binary(path), FixInteger::from(0).into()])
}

fn open_many_request<'a>(paths: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let entry = |path| Tuple::from(vec![binary(path), FixInteger::from(0).into()]).into();
    let entries = paths.map(entry).collect::<Vec<Term>>();
    request(vec![Atom::from("open_many").into(), List::from(entries).into()])
}

/// The bytes of a request. One at a time is in flight, so one id is enough.
fn request(command: Vec<Term>) -> Vec<u8> {
    let request = Tuple::from(vec![FixInteger::from(1).into(), Tuple::from(command).into()]);
    let mut bytes = Vec::new();
    // Writing to memory cannot fail.
    let _ = Term::from(request).encode(&mut bytes);
    bytes
}

fn binary(text: &str) -> Term {
    Binary::from(text.as_bytes().to_vec()).into()
}

fn descriptors(process: &str) -> Outcome<u64> {
    Ok(fs::read_dir(Path::new("/proc").join(process).join("fd"))?.count().try_into()?)
}

/// A field of `/proc/PID/status`.
fn kilobytes(status: &str, field: &str) -> Outcome<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field)).ok_or(field)?;
    Ok(line.trim_end_matches("kB").trim().parse()?)
}

/// Of all threads that there are: `/proc/PID/task/TID/schedstat`.
fn processor_time(process: &str) -> Outcome<u64> {
    let mut sum = 0;
    for task in fs::read_dir(Path::new("/proc").join(process).join("task"))? {
        let schedstat = fs::read_to_string(task?.path().join("schedstat"))?;
        sum += schedstat.split(' ').next().unwrap_or_default().parse::<u64>()?;
    }
    Ok(sum)
}
