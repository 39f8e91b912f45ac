//! The program under test, and requests to it.

// Each test program uses a part of it.
#![allow(dead_code)]

use eetf::{Atom, Binary, FixInteger, Map, Term, Tuple};
use linx_netlink_client::{Channel, Client, Message, Start};
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::os::fd::OwnedFd;
use std::time::Duration;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_linx-netlink-port");

/// More than any answer takes, on however slow a machine.
const WAIT: Duration = Duration::from_secs(30);

/// A running program.
pub struct Port {
    pub client: Client,
    os_pid: i32,
}

/// The program with no launcher and no arguments but the rendezvous.
pub fn program() -> Start {
    Start { timeout: WAIT, ..Start::new(PROGRAM) }
}

/// The program with arguments.
pub fn program_with(arguments: &[&str]) -> Start {
    Start { arguments: words(arguments), ..program() }
}

pub fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

impl Port {
    pub fn start(start: &Start) -> Port {
        let client = start.start().expect("the program starts");
        let os_pid = match client.hello() {
            Term::Tuple(hello) => integer(&entries(&hello.elements[1])["os_pid"]),
            other => panic!("no hello: {other}"),
        };
        Port { client, os_pid }
    }

    pub fn os_pid(&self) -> i32 {
        self.os_pid
    }

    /// A file of the process in /proc.
    pub fn proc(&self, name: &str) -> Vec<u8> {
        let path = format!("/proc/{}/{name}", self.os_pid);
        fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The value of a line in /proc/PID/status.
    pub fn status(&self, key: &str) -> String {
        let status = String::from_utf8(self.proc("status")).expect("text");
        let value = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        value.unwrap_or_else(|| panic!("no {key} in {status}")).trim().to_owned()
    }

    pub fn ask(&mut self, command: Term) -> Message {
        self.client.send(&Tuple::from(vec![number(1), command]).into()).expect("a request is sent");
        self.client.receive(WAIT).expect("an answer")
    }

    /// Opens a socket; the failure has its stage and its error number.
    pub fn open(&mut self, netns: Term, protocol: i32) -> Result<OwnedFd, (String, i32)> {
        self.open_with(netns, protocol, &[])
    }

    pub fn open_with(
        &mut self,
        netns: Term,
        protocol: i32,
        options: &[(&str, Term)],
    ) -> Result<OwnedFd, (String, i32)> {
        self.open_what(netns, number(protocol), options)
    }

    /// Opens anything, with options.
    pub fn open_what(
        &mut self,
        netns: Term,
        what: Term,
        options: &[(&str, Term)],
    ) -> Result<OwnedFd, (String, i32)> {
        let options = options.iter().map(|(key, value)| (atom(key), value.clone()));
        let options = Map::from(options.collect::<HashMap<_, _>>()).into();
        let mut message = self.ask(tuple([atom("open_in_netns"), netns, what, options]));
        match (message.channel, message.descriptors.pop()) {
            (Channel::Pair, Some(opened)) => Ok(opened),
            _ => Err(failure(&message)),
        }
    }

    /// What `info` says.
    pub fn info(&mut self) -> HashMap<String, Term> {
        match &reply(&self.ask(atom("info"))) {
            Term::Tuple(ok) => entries(&ok.elements[1]),
            other => panic!("no info: {other}"),
        }
    }
}

/// The second element of `{Id, Reply}`.
fn reply(message: &Message) -> Term {
    match message.term().expect("a term") {
        Term::Tuple(reply) => reply.elements[1].clone(),
        other => panic!("no reply: {other}"),
    }
}

/// Stage and error number of `{Id, {error, {Stage, Errno}}}`.
fn failure(message: &Message) -> (String, i32) {
    if let Term::Tuple(error) = reply(message)
        && let Term::Tuple(failure) = &error.elements[1]
    {
        let stage = failure.elements[0].to_string().replace('\'', "");
        return (stage, integer(&failure.elements[1]));
    }
    panic!("no failure: {:?}", message.term());
}

/// A failure of a stage with an error number.
pub fn fails<T>(stage: &str, errno: nix::errno::Errno) -> Result<T, (String, i32)> {
    Err((stage.to_owned(), errno as i32))
}

pub fn entries(map: &Term) -> HashMap<String, Term> {
    match map {
        Term::Map(map) => {
            let name = |key: &Term| key.to_string().replace('\'', "");
            map.map.iter().map(|(key, value)| (name(key), value.clone())).collect()
        }
        other => panic!("no map: {other}"),
    }
}

fn integer(term: &Term) -> i32 {
    match term {
        Term::FixInteger(integer) => integer.value,
        other => panic!("no integer: {other}"),
    }
}

pub fn atom(name: &str) -> Term {
    Atom::from(name).into()
}

pub fn number(value: i32) -> Term {
    FixInteger::from(value).into()
}

pub fn tuple<const N: usize>(elements: [Term; N]) -> Term {
    Tuple::from(Vec::from(elements)).into()
}

pub fn path(path: impl AsRef<[u8]>) -> Term {
    Binary::from(path.as_ref().to_vec()).into()
}

/// `{Domain, Type, Protocol}`.
pub fn what(domain: i32, kind: i32, protocol: i32) -> Term {
    tuple([number(domain), number(kind), number(protocol)])
}

/// `{new, user}`.
pub fn new_for_user() -> Term {
    tuple([atom("new"), atom("user")])
}

/// `{fd, Key}`.
pub fn sent(key: i32) -> Term {
    tuple([atom("fd"), number(key)])
}

pub fn pid(pid: u32) -> Term {
    tuple([atom("pid"), number(pid.try_into().expect("a process id"))])
}
