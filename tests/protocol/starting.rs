//! Starting: the rendezvous, the hello, and what happens without them.

use std::ffi::OsStr;
use std::fs::{read_dir, read_link, read_to_string};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use nix::libc;
use rustix::net::sockopt::socket_peercred;
use rustix::net::{SocketType, bind, connect, listen};

use crate::client::Port;
use crate::commands::{ROUTE, open};
use crate::etf::Term;
use crate::launch::{Launch, PROGRAM, address_of, listen_at, unbound};
use crate::scene::{Directory, Namespace};
use crate::socket;
use crate::wire::{receive, wait_exit};

/// The map of a hello.
fn hello_of(port: &Port) -> &Term {
    match port.hello.tuple_of() {
        Some([name, body @ Term::Map(_)]) if name.is("hello") => body,
        _ => panic!("expected {{hello, Map}}, got {:?}", port.hello),
    }
}

/// Whether the hello lists a capability.
fn announces(port: &Port, capability: &str) -> bool {
    let all = hello_of(port).get("capabilities").and_then(Term::as_list);
    all.expect("a list of capabilities").iter().any(|c| c.is(capability))
}

#[test]
fn the_hello_says_what_the_program_is() {
    let port = Port::start();
    let hello = hello_of(&port);
    assert_eq!(hello.get("protocol"), Some(&Term::Int(1)));
    assert_eq!(hello.get("os_pid"), Some(&Term::Int(port.child.id().into())));
    match hello.get("version") {
        Some(Term::Binary(version)) => {
            let version = std::str::from_utf8(version).expect("text");
            assert!(version.split('.').count() >= 3, "a version, not {version:?}");
        }
        other => panic!("version is a binary, not {other:?}"),
    }
    port.end();
}

#[test]
fn the_hello_lists_the_capabilities_that_the_program_has() {
    let port = Port::start();
    for capability in ["net_admin", "sys_admin", "sys_ptrace"] {
        assert!(announces(&port, capability), "{capability} in {:?}", port.hello);
    }
    port.end();
}

#[test]
fn the_hello_lists_no_capability_that_the_program_lacks() {
    let port = without("net_admin").start();
    assert!(!announces(&port, "net_admin"), "{:?}", port.hello);
    assert!(announces(&port, "sys_admin"), "{:?}", port.hello);
    port.end();
}

/// Starts the program, as root, without some capabilities.
pub fn without(capabilities: &str) -> Launch {
    let dropped: Vec<_> = capabilities.split(' ').map(|c| format!("-{c}")).collect();
    let set = format!("--bounding-set={}", dropped.join(","));
    Launch::new().by(&["setpriv", "--inh-caps=-all", &set])
}

#[test]
fn the_hello_carries_one_end_of_a_seqpacket_pair() {
    let port = Port::start();
    let (domain, kind, _) = socket::kind(port.pair());
    assert_eq!((domain, kind), (libc::AF_UNIX, libc::SOCK_SEQPACKET));
    assert!(rustix::net::getpeername(port.pair()).is_ok(), "it has another end");
    port.end();
}

#[test]
fn the_connection_is_closed_after_the_hello() {
    let arrival = Launch::new().arrive();
    let (hello, fds) = receive(&arrival.connection).expect("a hello");
    assert!(Term::decode(&hello).is_ok());
    assert_eq!(fds.len(), 1);
    assert!(receive(&arrival.connection).is_none(), "nothing follows the hello");
    let mut child = arrival.child;
    drop(child.stdin.take());
    assert_eq!(wait_exit(&mut child).code(), Some(0));
}

#[test]
fn the_peer_is_the_process_that_was_started() {
    let arrival = Launch::new().arrive();
    let peer = socket_peercred(&arrival.connection).expect("SO_PEERCRED");
    assert_eq!(peer.pid.as_raw_nonzero().get().unsigned_abs(), arrival.child.id());
    arrival.greet().end();
}

#[test]
fn a_launcher_may_stand_between() {
    // The shell has more to do afterwards, so it can't execute the program in
    // its own place.
    let arrival = Launch::new().by(&["sh", "-c", "\"$@\"; exit $?", "launcher"]).arrive();
    let peer = socket_peercred(&arrival.connection).expect("SO_PEERCRED");
    let launcher = arrival.child.id();
    let port = arrival.greet();
    assert_eq!(port.pid(), peer.pid.as_raw_nonzero().get().into());
    assert_ne!(port.pid(), launcher.into());
    port.end();
}

#[test]
fn a_client_that_is_not_root_may_have_it_started_as_root() {
    // What sudo makes of it: the directory is the client's alone, and the
    // program is root.
    let port = Launch::new().for_a_client_of(65534).start();
    port.end();
}

#[test]
fn a_rendezvous_may_be_in_the_abstract_namespace() {
    let namespace = Namespace::new();
    let mut port = Launch::new().in_the_abstract().start();
    let fd = port.open(open(namespace.by_path(), ROUTE));
    assert_eq!(socket::cookie(&fd), namespace.cookie);
    port.end();
}

#[test]
fn the_program_keeps_its_sockets_from_the_programs_it_might_execute() {
    let port = Port::start();
    let process = format!("/proc/{}", port.pid());
    let mut sockets = 0;
    for entry in read_dir(format!("{process}/fd")).expect("its descriptors") {
        let name = entry.expect("an entry").file_name();
        let name = name.to_str().expect("a number");
        let target = read_link(format!("{process}/fd/{name}")).expect("a descriptor's target");
        if !target.as_os_str().as_bytes().starts_with(b"socket:") || name == "2" {
            continue;
        }
        sockets += 1;
        let info = read_to_string(format!("{process}/fdinfo/{name}")).expect("fdinfo");
        let flags = info.lines().find_map(|l| l.strip_prefix("flags:")).expect("flags");
        let flags = i32::from_str_radix(flags.trim(), 8).expect("an octal number");
        assert_ne!(flags & libc::O_CLOEXEC, 0, "descriptor {name}: {info}");
    }
    assert!(sockets >= 1, "at least its own end of the pair");
    port.end();
}

#[test]
fn what_a_client_receives_is_close_on_exec_when_it_asks() {
    // The receiver has the say with MSG_CMSG_CLOEXEC, which `receive` passes.
    let namespace = Namespace::new();
    let mut port = Port::start();
    let fd = port.open(open(namespace.by_path(), ROUTE));
    assert!(socket::is_close_on_exec(&fd));
    assert!(socket::is_close_on_exec(port.pair()));
    port.end();
}

/// Runs the program with these arguments to its end, stdin being empty.
fn run(arguments: &[&OsStr]) -> Output {
    let mut child = Command::new(PROGRAM)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // Held open, so that the end of stdin isn't what ends the program.
    let stdin = child.stdin.take();
    wait_exit(&mut child);
    drop(stdin);
    child.wait_with_output().expect("its output")
}

#[test]
fn wrong_arguments_are_status_2_and_usage_on_stderr() {
    let wrong: [&[&str]; 6] = [
        &[],
        &["--rendezvous"],
        &["--rendezvous", "/nowhere/rendezvous", "more"],
        &["--meet", "/nowhere/rendezvous"],
        &["/nowhere/rendezvous"],
        &["more", "--rendezvous", "/nowhere/rendezvous"],
    ];
    for arguments in wrong {
        let words: Vec<_> = arguments.iter().map(OsStr::new).collect();
        let output = run(&words);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains("--rendezvous"), "usage for {arguments:?}: {stderr:?}");
        assert!(output.stdout.is_empty(), "stdout is for replies: {:?}", output.stdout);
    }
}

/// Expects status 3 with nothing on stdout.
fn is_out_of_reach(rendezvous: &Path) {
    let output = run(&[OsStr::new("--rendezvous"), rendezvous.as_os_str()]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{rendezvous:?}: {stderr}");
    assert!(output.stdout.is_empty(), "stdout is for replies: {:?}", output.stdout);
}

#[test]
fn a_rendezvous_that_does_not_exist_is_status_3() {
    let directory = Directory::new();
    is_out_of_reach(&directory.join("nobody"));
}

#[test]
fn an_abstract_rendezvous_that_does_not_exist_is_status_3() {
    let directory = Directory::new();
    let name = format!("@{}", directory.path().display());
    is_out_of_reach(Path::new(&name));
}

#[test]
fn a_rendezvous_that_is_no_socket_is_status_3() {
    let directory = Directory::new();
    let path = directory.join("file");
    std::fs::write(&path, "").expect("a file");
    is_out_of_reach(&path);
}

#[test]
fn a_rendezvous_of_another_socket_type_is_status_3() {
    let directory = Directory::new();
    let path = directory.join("stream");
    let socket = unbound(SocketType::STREAM);
    bind(&socket, &address_of(path.as_os_str())).expect("bind");
    listen(&socket, 1).expect("listen");
    is_out_of_reach(&path);
}

#[test]
fn a_rendezvous_whose_queue_stays_full_is_status_3() {
    let directory = Directory::new();
    let path = directory.join("busy");
    let listener = listen_at(path.as_os_str());
    let _queue = fill_queue(&path);
    is_out_of_reach(&path);
    drop(listener);
}

/// Connects to a listener until its queue takes no more.
fn fill_queue(path: &Path) -> Vec<OwnedFd> {
    let mut queue = Vec::new();
    loop {
        let socket = unbound(SocketType::SEQPACKET);
        rustix::io::ioctl_fionbio(socket.as_fd(), true).expect("a non-blocking socket");
        match connect(&socket, &address_of(path.as_os_str())) {
            Ok(()) => queue.push(socket),
            Err(rustix::io::Errno::AGAIN) => return queue,
            Err(error) => panic!("connect: {error}"),
        }
    }
}

#[test]
fn a_client_that_gives_up_before_it_accepts_is_not_outlived() {
    let directory = Directory::new();
    let path = directory.join("busy");
    let listener = listen_at(path.as_os_str());
    let queue = fill_queue(&path);
    let mut child = Command::new(PROGRAM)
        .arg("--rendezvous")
        .arg(&path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop((child.stdin.take(), child.stdout.take()));
    // Both are right: stdin has ended, and the rendezvous is out of reach.
    let status = wait_exit(&mut child);
    assert!(matches!(status.code(), Some(0 | 3)), "{status}");
    drop((queue, listener));
}

#[test]
fn the_rendezvous_is_needed_no_longer_once_the_hello_is_there() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    assert!(!port.directory().join("rendezvous").exists(), "greet has removed it");
    let fd = port.open(open(namespace.by_path(), ROUTE));
    assert_eq!(socket::cookie(&fd), namespace.cookie);
    port.end();
}
