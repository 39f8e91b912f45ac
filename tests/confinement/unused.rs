//! Rules that nothing uses would only be of use to an attacker.

use crate::port::{Port, atom, new_for_user, number, path, pid, program, what, words};
use crate::scene::{Directory, Namespace, USER, run};
use eetf::{List, Term};
use linx_netlink_client::Start;
use linx_netlink_port::confine::Scope;
use linx_netlink_port::confine::seccomp::{Needed, Rule, rules};
use linx_netlink_port::wire::{Form, OPTIONS, SocketOption};
use nix::libc;
use std::fs::read_to_string;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

/// A system call that was made under the filter.
#[derive(Debug)]
struct Made {
    name: String,
    arguments: Vec<u64>,
}

/// What the program calls from the hello on, while `exercise` keeps it busy.
fn traced(launcher: &[&str], program: &Start, exercise: impl FnOnce(&mut Port)) -> Vec<Made> {
    let directory = Directory::new();
    let trace = directory.join("trace");
    // A pipe, whose end says that strace has written all.
    run("mkfifo", [&trace]);
    let written = thread::spawn({
        let trace = trace.clone();
        move || read_to_string(trace).expect("what strace writes")
    });
    let trace = trace.to_str().expect("UTF-8");
    // The program is this process's child, and strace somebody else's.
    let strace = ["strace", "--daemonize", "--follow-forks", "--raw=all", "--output", trace];
    let launcher = words(&[&strace[..], launcher].concat());
    let mut port = Port::start(&Start { launcher, ..program.clone() });
    exercise(&mut port);
    let status = port.client.finish().expect("the end of the program");
    assert!(status.success(), "{status}");
    made(&written.join().expect("a trace"))
}

/// The calls after the last seccomp(2).
fn made(trace: &str) -> Vec<Made> {
    let lines: Vec<_> = trace.lines().collect();
    let confined = lines.iter().rposition(|line| line.contains(" seccomp(")).expect("a filter");
    lines[confined + 1..].iter().filter_map(|line| parse(line)).collect()
}

/// Reads `PID name(0x1, 0x2) = 0x0`, or the same cut off by ` <unfinished ...>`.
fn parse(line: &str) -> Option<Made> {
    let (name, rest) = line.split_once(' ')?.1.trim_start().split_once('(')?;
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return None;
    }
    let arguments = rest.split([')', '<']).next()?.split(',').map(str::trim);
    let arguments = arguments.filter_map(|it| match it.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => it.parse().ok(),
    });
    Some(Made { name: name.to_owned(), arguments: arguments.collect() })
}

/// Whether this architecture has the call at all.
fn is_there(rule: &Rule) -> bool {
    if cfg!(target_arch = "x86_64") { rule.call.x86_64 } else { rule.call.aarch64 }.is_some()
}

fn is_used(rule: &Rule, made: &[Made]) -> bool {
    made.iter().any(|made| {
        let argument = |index: u8| made.arguments.get(usize::from(index));
        made.name == rule.call.name
            && rule.checks.iter().all(|it| argument(it.argument).is_some_and(|&a| it.passes(a)))
    })
}

/// A value for an option that the kernel takes in any namespace.
fn value(option: &SocketOption) -> Term {
    match option.form {
        Form::Flag(_) | Form::FlagOfDomain { .. } => atom("true"),
        Form::Number(_) | Form::Groups | Form::Backlog => number(1),
        Form::Buffer { .. } => number(4096),
        Form::Interface(_) => path("lo"),
        Form::Memberships(_) => List::from(vec![number(5)]).into(),
        // Anything that is free.
        Form::Address => path([&(libc::AF_INET as u16).to_ne_bytes()[..], &[0; 14]].concat()),
    }
}

/// Every option that sockets of `domain` have, but these.
fn options(domain: i32, but: &[&str]) -> Vec<(&'static str, Term)> {
    let domain = u16::try_from(domain).expect("a domain");
    let theirs = OPTIONS.iter().filter(|it| it.of.has(domain) && !but.contains(&it.name));
    theirs.map(|option| (option.name, value(option))).collect()
}

/// Everything that the wire offers, to a program with all privileges.
fn by_root(port: &mut Port) {
    let namespace = Namespace::new();
    port.info();
    let there = || path(namespace.path());
    assert!(port.open_with(there(), 0, &options(libc::AF_NETLINK, &[])).is_ok());
    let (inet, inet6) = (what(libc::AF_INET, 1, 0), what(libc::AF_INET6, 1, 0));
    assert!(port.open_what(there(), inet, &options(libc::AF_INET, &["v6only"])).is_ok());
    assert!(port.open_what(there(), inet6, &options(libc::AF_INET6, &["bind", "listen"])).is_ok());
    for netns in [atom("new"), new_for_user()] {
        assert!(port.open_what(netns, atom("netns"), &[]).is_ok());
    }
    assert!(port.open(path("/etc/passwd"), 0).is_err());
    // Enough for threads to use up the room for stacks that are kept, and locks to be waited for.
    for _ in 0..100 {
        assert!(port.open(pid(namespace.pid()), 0).is_ok());
    }
    // Larger and larger frames, for memory to be given back and asked for.
    for size in [1, 200_000, 1_000_000, 10, 1_000_000] {
        port.client.send_frame(&vec![0; size]).expect("a frame is sent");
        let answer = port.client.receive(std::time::Duration::from_secs(30)).expect("an answer");
        assert!(answer.term().expect("a term").to_string().contains("bad_version"));
    }
}

/// Policy, which looks up names by itself.
fn with_policy(port: &mut Port) {
    let directory = Directory::new();
    symlink("/etc/passwd", directory.join("link")).expect("a link");
    assert!(port.open(path(directory.join("link").to_str().expect("UTF-8")), 0).is_err());
}

/// A program without the capability for sockets, which falls back.
fn without_net_admin(port: &mut Port) {
    let options = [("rcvbuf", number(4096)), ("sndbuf", number(4096))];
    assert!(port.open_with(path("/proc/self/ns/net"), 0, &options).is_ok());
}

/// A program without any privilege, and a namespace that its user made.
fn rootless(copy: &Path) -> Vec<Made> {
    let user = USER.to_string();
    let as_user = ["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups"];
    let mut keeper = Command::new(as_user[0])
        .args(&as_user[1..])
        .args(["unshare", "--user", "--map-root-user", "--net", "sh", "-c", "echo; exec cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("setpriv");
    let mut ready = [0];
    keeper.stdout.as_mut().expect("its stdout").read_exact(&mut ready).expect("a namespace");
    let made = traced(&as_user, &Start { executable: copy.into(), ..program() }, |port| {
        assert!(port.open(pid(keeper.id()), 0).is_ok());
    });
    drop(keeper.stdin.take());
    keeper.wait().expect("the end of cat");
    made
}

#[test]
fn every_rule_is_used() {
    let directory = Directory::new();
    let copy = directory.join("program");
    run("cp", [program().executable.as_path(), &copy]);
    let arguments = words(&["--no-pid"]);
    let made = [
        traced(&[], &program(), by_root),
        traced(&[], &Start { arguments, ..program() }, with_policy),
        traced(&["setpriv", "--bounding-set=-net_admin"], &program(), without_net_admin),
        rootless(&copy),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>();
    let unused: Vec<_> = rules(&Scope::default())
        .into_iter()
        .filter(|rule| rule.needed == Needed::Everywhere && is_there(rule) && !is_used(rule, &made))
        .collect();
    assert!(unused.is_empty(), "{unused:#?}");
}
