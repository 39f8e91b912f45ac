//! Starting: the rendezvous, the hello, and what happens without them.

use std::ffi::{OsStr, OsString};
use std::fs::{read_dir, read_link, read_to_string};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use nix::libc;
use nix::poll::PollFlags;
use nix::pty::openpty;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use rustix::net::sockopt::socket_peercred;
use rustix::net::{SocketFlags, SocketType, accept_with, bind, connect, listen};

use crate::client::{Port, framed};
use crate::commands::{ROUTE, open};
use crate::etf::{Term, atom, int, tuple};
use crate::launch::{Launch, PROGRAM, address_of, listen_at, unbound};
use crate::scene::{Directory, Namespace};
use crate::socket;
use crate::wire::{WAIT, process_of, read_frame, receive, wait_exit, wait_for};

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

/// Expects status 2, nothing on stdout, and returns what is on stderr.
fn is_refused(arguments: &[&OsStr]) -> String {
    let output = run(arguments);
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
    assert!(output.stdout.is_empty(), "stdout is for replies: {:?}", output.stdout);
    stderr
}

#[test]
fn wrong_arguments_are_status_2_and_one_line_on_stderr() {
    let wrong: [&[&str]; 6] = [
        &["--rendezvous"],
        &["--rendezvous", "/nowhere/rendezvous", "more"],
        &["--meet", "/nowhere/rendezvous"],
        &["/nowhere/rendezvous"],
        &["more", "--rendezvous", "/nowhere/rendezvous"],
        &["--no-pid"],
    ];
    for arguments in wrong {
        let words: Vec<_> = arguments.iter().map(OsStr::new).collect();
        let stderr = is_refused(&words);
        assert_eq!(stderr.lines().count(), 1, "{arguments:?}: {stderr}");
        assert!(stderr.contains("; see --help"), "{arguments:?}: {stderr}");
    }
}

#[test]
fn a_number_that_is_out_of_range_is_told_the_range() {
    let words = ["--rendezvous", "@x", "--max-in-flight", "5000"].map(OsStr::new);
    let stderr = is_refused(&words);
    assert!(stderr.contains("--max-in-flight takes a number from 1 to 4096, not 5000"), "{stderr}");
}

#[test]
fn started_by_hand_with_no_arguments_it_says_what_it_is() {
    assert!(is_refused(&[]).contains("linx-netlink-repl"));
}

#[test]
fn what_it_says_is_one_printable_line_whatever_the_arguments_are() {
    let noise = OsStr::from_bytes(b"\x1b[2J\xff\xfe\n\xe2\x80\xaeold\x07");
    let long = OsString::from("x".repeat(100_000));
    for argument in [noise, &long] {
        let output = run(&[OsStr::new("--rendezvous"), argument]);
        assert_eq!(output.status.code(), Some(3));
        for stderr in [is_refused(&[argument]), String::from_utf8(output.stderr).expect("text")] {
            let line = stderr.strip_suffix('\n').expect("a line");
            assert!(line.len() < 600, "{} bytes", line.len());
            let hidden = |c: char| c.is_control() || c == '\u{202e}';
            assert!(!line.contains(hidden), "{line:?}");
        }
    }
}

#[test]
fn stdin_may_be_a_terminal() {
    let directory = Directory::new();
    let rendezvous = directory.join("rendezvous");
    let listener = listen_at(rendezvous.as_os_str());
    let terminal = openpty(None, None).expect("a terminal");
    let mut settings = tcgetattr(&terminal.slave).expect("its settings");
    cfmakeraw(&mut settings);
    tcsetattr(&terminal.slave, SetArg::TCSANOW, &settings).expect("frames as they are");
    let mut child = Command::new(PROGRAM)
        .arg("--rendezvous")
        .arg(&rendezvous)
        .stdin(terminal.slave)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let process = process_of(&child);
    let events = [(listener.as_fd(), PollFlags::POLLIN), (process.as_fd(), PollFlags::POLLIN)];
    assert_eq!(wait_for(events, WAIT).map(|[arrived, _]| arrived), Some(true));
    let connection = accept_with(&listener, SocketFlags::CLOEXEC).expect("accept");
    let _hello = receive(&connection).expect("a hello");
    let request = framed(&tuple([int(7), atom("info")]).encode());
    nix::unistd::write(&terminal.master, &request).expect("a request");
    let stdout = child.stdout.as_mut().expect("a piped stdout");
    let reply = Term::decode(&read_frame(stdout).expect("a reply")).expect("a term");
    assert_eq!(reply.tuple_of::<2>().and_then(|[id, _]| id.as_int()), Some(7));
    drop(terminal.master);
    assert_eq!(wait_exit(&mut child).code(), Some(0));
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
