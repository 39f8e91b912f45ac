//! Every stage at which a request can fail, and what the error number is.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::libc;
use nix::poll::PollFlags;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use rustix::net::{SocketType, bind};

use crate::client::{Port, Reply};
use crate::commands::{NO_PROTOCOL, ROUTE, entry, open, open_many};
use crate::etf::{Term, atom, binary, int, list, tuple};
use crate::launch::{Launch, address_of, unbound};
use crate::opening::path;
use crate::reply::at;
use crate::scene::{Directory, Namespace};
use crate::socket;
use crate::starting::without;
use crate::tags::string;
use crate::wire::{WAIT, eventually, process_of, wait_for};

/// Opens by `netns` and expects exactly this failure.
fn fails(port: &mut Port, netns: Term, stage: &str, errno: i32) {
    let reply = port.ask(open(netns.clone(), ROUTE));
    assert_eq!(reply.failure(), at(stage, errno), "{netns:?}");
}

#[test]
fn a_path_that_is_not_there_is_an_open_error() {
    let mut port = Port::start();
    let directory = Directory::new();
    fails(&mut port, path(&directory.join("nothing")), "open", libc::ENOENT);
    fails(&mut port, path(&directory.join("nothing/netns")), "open", libc::ENOENT);
    fails(&mut port, binary("nothing"), "open", libc::ENOENT);
    port.end();
}

#[test]
fn a_path_through_a_file_is_an_open_error() {
    let mut port = Port::start();
    let directory = Directory::new();
    File::create(directory.join("file")).expect("a file");
    fails(&mut port, path(&directory.join("file/netns")), "open", libc::ENOTDIR);
    port.end();
}

#[test]
fn a_path_that_goes_in_circles_is_an_open_error() {
    let mut port = Port::start();
    let directory = Directory::new();
    symlink("circle", directory.join("circle")).expect("a link");
    fails(&mut port, path(&directory.join("circle")), "open", libc::ELOOP);
    port.end();
}

#[test]
fn an_empty_path_is_an_open_error() {
    let mut port = Port::start();
    for netns in [binary(""), string(b""), Term::List(Vec::new())] {
        let reply = port.ask(open(netns.clone(), ROUTE));
        // It names nothing, as open(2) has it; one may call it out of range.
        let fine = reply.is_badarg() || reply.failure() == at("open", libc::ENOENT);
        assert!(fine, "{netns:?}: {reply:?}");
    }
    port.end();
}

#[test]
fn a_path_with_a_nul_byte_is_an_open_error() {
    let mut port = Port::start();
    for bytes in [&b"/proc/self/ns/net\0"[..], b"\0", b"/proc/self\0/ns/net"] {
        fails(&mut port, binary(bytes), "open", libc::EINVAL);
        fails(&mut port, string(bytes), "open", libc::EINVAL);
    }
    port.end();
}

#[test]
fn a_path_of_4096_bytes_is_an_open_error() {
    let mut port = Port::start();
    for length in [4096, 4097, 65536, 1_000_000] {
        let name = "/proc/self/ns/net";
        let padded = format!("{}{name}", "/".repeat(length - name.len()));
        fails(&mut port, binary(padded), "open", libc::ENAMETOOLONG);
    }
    port.end();
}

#[test]
fn a_list_of_4096_bytes_is_as_long_as_a_binary() {
    let mut port = Port::start();
    for length in [4096, 5000, 20_000, 60_000] {
        fails(&mut port, string(&vec![b'x'; length]), "open", libc::ENAMETOOLONG);
        let bytes = list(vec![int(b'x'); length]);
        let failure = port.ask(open(bytes, ROUTE)).failure();
        assert_eq!(failure, at("open", libc::ENAMETOOLONG), "a list of {length} integers");
    }
    port.end();
}

#[test]
fn a_component_that_is_too_long_is_an_open_error() {
    let mut port = Port::start();
    fails(&mut port, binary(format!("/{}", "x".repeat(300))), "open", libc::ENAMETOOLONG);
    port.end();
}

#[test]
fn a_process_that_is_not_there_is_an_open_error() {
    let mut port = Port::start();
    // No kernel gives out a number as high as this one.
    let netns = tuple([atom("pid"), int(4_194_305)]);
    assert_eq!(port.ask(open(netns, ROUTE)).failure(), at("open", libc::ESRCH));
    port.end();
}

#[test]
fn a_number_that_no_process_can_have_gets_an_error() {
    let mut port = Port::start();
    for pid in [0, -1, 1 << 31, 1 << 32, i64::MAX] {
        let reply = port.ask(open(tuple([atom("pid"), int(pid)]), ROUTE));
        // Out of range, or not to be found.
        let fine = reply.is_badarg() || reply.failure().0 == "open";
        assert!(fine, "{pid}: {reply:?}");
    }
    port.end();
}

#[test]
fn a_process_that_has_ended_gets_an_error() {
    let mut port = Port::start();
    let mut child = Command::new("true").stdin(Stdio::null()).spawn().expect("true starts");
    let process = process_of(&child);
    wait_for([(process.as_fd(), PollFlags::POLLIN)], WAIT).expect("true ends");
    // It has ended and nobody has asked how: its number is still its own.
    let netns = tuple([atom("pid"), int(child.id())]);
    let (stage, _) = port.ask(open(netns, ROUTE)).failure();
    assert!(stage == "open" || stage == "setns", "{stage}");
    child.wait().expect("its status");
    port.end();
}

#[test]
fn a_file_that_is_no_network_namespace_is_a_setns_error() {
    let mut port = Port::start();
    let before = port.descriptors();
    let directory = Directory::new();
    let file = directory.join("file");
    std::fs::write(&file, "not a namespace").expect("a file");
    for other in [
        file.as_path(),
        directory.path(),
        Path::new("/proc/self/ns/mnt"),
        Path::new("/proc/self/ns/user"),
        Path::new("/proc/self/status"),
        Path::new("/proc/self/ns"),
        Path::new("/dev/null"),
    ] {
        fails(&mut port, path(other), "setns", libc::EINVAL);
    }
    port.holds_again(before);
    port.end();
}

#[test]
fn a_fifo_that_nobody_writes_to_does_not_hold_a_request_up() {
    let mut port = Port::start();
    let directory = Directory::new();
    let fifo = directory.join("fifo");
    mkfifo(&fifo, Mode::S_IRWXU).expect("a fifo");
    fails(&mut port, path(&fifo), "setns", libc::EINVAL);
    port.end();
}

#[test]
fn a_unix_socket_is_no_network_namespace_either() {
    let mut port = Port::start();
    let directory = Directory::new();
    let name = directory.join("socket");
    let socket = unbound(SocketType::STREAM);
    bind(&socket, &address_of(name.as_os_str())).expect("bind");
    let failure = port.ask(open(path(&name), ROUTE)).failure();
    // open(2) refuses sockets before anyone can ask what they are.
    let both = [at("setns", libc::EINVAL), at("open", libc::ENXIO)];
    assert!(both.contains(&failure), "{failure:?}");
    port.end();
}

#[test]
fn a_namespace_that_may_not_be_entered_is_a_setns_error() {
    let namespace = Namespace::new();
    let mut port = without("sys_admin").start();
    fails(&mut port, namespace.by_path(), "setns", libc::EPERM);
    port.end();
}

#[test]
fn when_descriptors_run_out_the_entries_that_got_none_say_so() {
    let namespace = Namespace::new();
    let mut port = Launch::new().by(&["prlimit", "--nofile=64:64"]).start();
    let before = port.descriptors();
    let outcomes = port.ask(open_many(vec![entry(namespace.by_path(), ROUTE); 100])).opened_many();
    assert_eq!(outcomes.len(), 100);
    let mut failed = 0;
    for outcome in outcomes {
        match outcome {
            Ok(fd) => assert_eq!(socket::cookie(&fd), namespace.cookie),
            // It may be the file or the socket that is one too many.
            Err((stage, errno)) => {
                assert!(stage == "open" || stage == "socket", "{stage}");
                assert_eq!(errno, libc::EMFILE);
                failed += 1;
            }
        }
    }
    assert!(failed > 0);
    port.holds_again(before);
    let fd = port.open(open(namespace.by_path(), ROUTE));
    assert_eq!(socket::cookie(&fd), namespace.cookie);
    port.end();
}

#[test]
fn a_protocol_that_the_kernel_does_not_know_is_a_socket_error() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let before = port.descriptors();
    for protocol in [NO_PROTOCOL, 256, i32::MAX] {
        let failure = port.ask(open(namespace.by_path(), protocol)).failure();
        assert_eq!(failure, at("socket", libc::EPROTONOSUPPORT));
    }
    for protocol in [-1, i64::from(i32::MIN), 1 << 31, i64::from(u32::MAX)] {
        // 32 bits with a sign or without: each end is one reading's.
        let reply = port.ask(tuple([atom("open_in_netns"), namespace.by_path(), int(protocol)]));
        assert!(reply.is_badarg() || reply.failure().0 == "socket", "{protocol}: {reply:?}");
    }
    port.holds_again(before);
    port.end();
}

#[test]
fn a_pair_whose_other_end_is_gone_is_a_send_error() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    port.info();
    port.close_pair();
    let before = port.descriptors();
    for _ in 0..10 {
        let (stage, _) = port.ask(open(namespace.by_path(), ROUTE)).failure();
        assert_eq!(stage, "send");
    }
    let failures = port.ask(open_many(vec![entry(namespace.by_path(), ROUTE); 3])).failed_many();
    assert!(failures.iter().all(|(stage, _)| stage == "send"), "{failures:?}");
    port.holds_again(before);
    port.end();
}

#[test]
fn a_client_with_too_many_descriptors_under_way_gets_a_send_error() {
    // The kernel counts the descriptors that a user has sent and nobody has
    // received yet against RLIMIT_NOFILE, unless the sender is privileged over
    // the whole machine: so the program is that of a user whom no other test
    // knows, and gets a user namespace, and with it a network of its own.
    let limit = 200;
    let nofile = format!("--nofile={limit}:{limit}");
    let user = ["setpriv", "--reuid=65533", "--regid=65533", "--clear-groups"];
    let namespaces = ["prlimit", &nofile, "unshare", "--user", "--map-root-user", "--net"];
    let launcher = [&user[..], &namespaces].concat();
    let mut port = Launch::new().for_a_client_of(65533).by(&launcher).start();
    let own = || binary("/proc/self/ns/net");
    let batch = || open_many(vec![entry(own(), ROUTE); 150]);
    let before = port.descriptors();
    // The second message may be one too many, the third is.
    for _ in 0..2 {
        // What was sent is closed after that, and counts against the limit until then.
        port.holds_again(before);
        let waiting = port.waiting_on_pair();
        port.request(batch());
        if !arrives_on_pair(&mut port, waiting) {
            assert!(port.next_on_stdout().tuple_of::<2>().is_some());
            break;
        }
    }
    let id = port.request(open(own(), ROUTE));
    let reply = Reply::Stdout(port.next_on_stdout());
    assert_eq!(reply.id(), Some(id.into()));
    assert_eq!(reply.failure(), at("send", libc::ETOOMANYREFS));
    // What has been sent is there, and the service goes on.
    while port.waiting_on_pair() > 0 {
        assert_eq!(port.next().opened_many().len(), 150);
    }
    port.info();
    port.end();
}

/// Whether what comes next comes on the pair, where `waiting` bytes are.
fn arrives_on_pair(port: &mut Port, waiting: u64) -> bool {
    let look = || (port.waiting_on_pair() > waiting, port.has_stdout());
    eventually(look, |(on_pair, on_stdout)| *on_pair || *on_stdout).0
}

/// The words that make the next command another user's.
const AS_NOBODY: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

#[test]
fn a_thread_that_can_not_be_had_is_a_thread_error() {
    // Only a user that isn't root is ever refused one; a user namespace gives
    // it the privilege over a network namespace that it needs.
    let launcher = [&AS_NOBODY[..], &["unshare", "--user", "--map-root-user", "--net"]].concat();
    let mut port = Launch::new().for_a_client_of(65534).by(&launcher).start();
    let own = || binary("/proc/self/ns/net");
    port.open(open(own(), ROUTE));
    limit_threads(&port, 1);
    for _ in 0..20 {
        port.request(open(own(), ROUTE));
    }
    for _ in 0..20 {
        // A program that keeps threads at hand may do without new ones.
        match port.next() {
            reply @ Reply::Stdout(_) => assert_eq!(reply.failure(), at("thread", libc::EAGAIN)),
            reply => drop(reply.opened()),
        }
    }
    limit_threads(&port, 500);
    // It may take threads again, and it does.
    let fd = port.open(open(own(), ROUTE));
    assert_eq!(socket::kind(&fd).0, libc::AF_NETLINK);
    port.end();
}

/// Sets how many processes and threads the program's user may have, as that
/// user: over another's process not even root may have the say.
fn limit_threads(port: &Port, limit: u32) {
    let status = Command::new(AS_NOBODY[0])
        .args(&AS_NOBODY[1..])
        .arg("prlimit")
        .args([format!("--pid={}", port.pid()), format!("--nproc={limit}:")])
        .status();
    assert!(status.expect("prlimit starts").success());
}
