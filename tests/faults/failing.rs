//! Every system call on the way of a request fails in turn: the right stage and error number come
//! back, nothing is left, and the program goes on.

use crate::calls::{Call, Faults, start_watched};
use crate::program::{
    Program, Rest, atom, error, info, integer, list, open, open_many, open_new, open_pid,
    open_with, request,
};
use crate::scene::{Namespace, cookie};
use eetf::Term;
use linx_netlink_port::netns::PIDFD_GET_NET_NAMESPACE;
use nix::errno::Errno;
use nix::libc::{self, c_long};
use std::path::Path;

/// A program whose calls of these kinds are watched.
fn start(calls: &[c_long]) -> (Program, Faults, Rest) {
    let (mut program, faults) = start_watched(calls, &[]);
    let rest = program.rest();
    (program, faults, rest)
}

/// Makes a call fail, again and again: each request comes to this outcome, and then works again.
fn fails(
    number: c_long,
    which: impl Fn(Call) -> bool + Send + 'static,
    errno: Errno,
    request: &Term,
    told: &str,
) {
    let (mut program, faults, rest) = start(&[number]);
    faults.set(move |call| (call.number == number && which(call)).then_some(errno));
    for _ in 0..64 {
        assert_eq!(program.outcome(request), told, "call {number}, {errno}");
    }
    assert!(faults.failed() >= 64, "the call {number} is not on the way");
    rest.returns();
    faults.clear();
    let namespace = Namespace::new();
    assert_eq!(cookie(&program.ask(&open(&namespace.path())).socket()), namespace.cookie);
}

fn always(_: Call) -> bool {
    true
}

fn is_path_only(call: Call) -> bool {
    call.arguments[2] & libc::O_PATH as u64 != 0
}

fn is_for_a_process(call: Call) -> bool {
    call.arguments[1] == PIDFD_GET_NET_NAMESPACE as u64
}

fn is_option(option: i32) -> impl Fn(Call) -> bool {
    move |call| call.arguments[2] == option as u64
}

#[test]
fn finding_the_file_fails_at_open() {
    let namespace = Namespace::new();
    let request = open(&namespace.path());
    for errno in [Errno::ENFILE, Errno::EACCES, Errno::ESTALE, Errno::EINTR] {
        fails(libc::SYS_openat, is_path_only, errno, &request, &error("open", errno));
    }
}

#[test]
fn looking_at_its_file_system_fails_at_open() {
    let namespace = Namespace::new();
    let request = open(&namespace.path());
    fails(libc::SYS_fstatfs, always, Errno::EIO, &request, &error("open", Errno::EIO));
}

#[test]
fn opening_it_for_reading_fails_at_open() {
    let namespace = Namespace::new();
    let request = open(&namespace.path());
    for errno in [Errno::EMFILE, Errno::EPERM] {
        fails(libc::SYS_openat, |call| !is_path_only(call), errno, &request, &error("open", errno));
    }
}

#[test]
fn asking_for_its_kind_fails_at_setns() {
    let namespace = Namespace::new();
    let request = open(&namespace.path());
    fails(libc::SYS_ioctl, always, Errno::EPERM, &request, &error("setns", Errno::EPERM));
    // This is how the kernel says that it is none.
    fails(libc::SYS_ioctl, always, Errno::ENOTTY, &request, &error("setns", Errno::EINVAL));
}

#[test]
fn finding_a_process_fails_at_open() {
    let request = open_pid(std::process::id());
    let number = libc::SYS_pidfd_open;
    for errno in [Errno::EMFILE, Errno::ESRCH, Errno::ENOMEM] {
        fails(number, always, errno, &request, &error("open", errno));
    }
    // It works without.
    for errno in [Errno::ENOSYS, Errno::EPERM] {
        fails(number, always, errno, &request, "ok");
    }
    let number = libc::SYS_ioctl;
    for errno in [Errno::EACCES, Errno::ESRCH, Errno::EMFILE] {
        fails(number, is_for_a_process, errno, &request, &error("open", errno));
    }
    for errno in [Errno::ENOTTY, Errno::EPERM] {
        fails(number, is_for_a_process, errno, &request, "ok");
    }
}

#[test]
fn entering_fails_at_setns() {
    let namespace = Namespace::new();
    let request = open(&namespace.path());
    for errno in [Errno::EPERM, Errno::ENOMEM] {
        fails(libc::SYS_setns, always, errno, &request, &error("setns", errno));
    }
}

#[test]
fn opening_the_socket_fails_at_socket() {
    let namespace = Namespace::new();
    let request = open(&namespace.path());
    for errno in [Errno::ENFILE, Errno::ENOBUFS, Errno::EPROTONOSUPPORT] {
        fails(libc::SYS_socket, always, errno, &request, &error("socket", errno));
    }
}

#[test]
fn setting_each_option_fails_at_setsockopt() {
    let namespace = Namespace::new();
    let path = namespace.path();
    let told = error("setsockopt", Errno::ENOPROTOOPT);
    let on = || atom("true");
    let options = [
        ("ext_ack", on(), libc::NETLINK_EXT_ACK),
        ("cap_ack", on(), libc::NETLINK_CAP_ACK),
        ("strict_check", on(), libc::NETLINK_GET_STRICT_CHK),
        ("no_enobufs", on(), libc::NETLINK_NO_ENOBUFS),
        ("listen_all_nsid", on(), libc::NETLINK_LISTEN_ALL_NSID),
        ("memberships", list([integer(1)].into_iter()), libc::NETLINK_ADD_MEMBERSHIP),
        ("rcvbuf", integer(65536), libc::SO_RCVBUFFORCE),
        ("sndbuf", integer(65536), libc::SO_SNDBUFFORCE),
    ];
    for (key, value, option) in options {
        let request = open_with(&path, vec![(key, value)]);
        let which = is_option(option);
        fails(libc::SYS_setsockopt, which, Errno::ENOPROTOOPT, &request, &told);
    }
}

#[test]
fn a_buffer_that_may_not_be_forced_is_asked_for() {
    let path = Namespace::new();
    let request =
        open_with(&path.path(), vec![("rcvbuf", integer(65536)), ("sndbuf", integer(65536))]);
    let forced =
        |call: Call| is_option(libc::SO_RCVBUFFORCE)(call) || is_option(libc::SO_SNDBUFFORCE)(call);
    fails(libc::SYS_setsockopt, forced, Errno::EPERM, &request, "ok");
    let told = error("setsockopt", Errno::EPERM);
    fails(libc::SYS_setsockopt, always, Errno::EPERM, &request, &told);
}

#[test]
fn binding_fails_at_bind() {
    let namespace = Namespace::new();
    let request = open_with(&namespace.path(), vec![("groups", integer(0))]);
    for errno in [Errno::EADDRINUSE, Errno::EPERM] {
        fails(libc::SYS_bind, always, errno, &request, &error("bind", errno));
    }
}

#[test]
fn handing_over_fails_at_send() {
    let namespace = Namespace::new();
    let path = namespace.path();
    for errno in [Errno::ETOOMANYREFS, Errno::ENOBUFS] {
        fails(libc::SYS_sendmsg, always, errno, &open(&path), &error("send", errno));
    }
    // What failed before keeps its own reason.
    let many = open_many([&*path, "/dev/null", &*path]);
    let told = "{error,[{send,105},{setns,22},{send,105}]}";
    fails(libc::SYS_sendmsg, always, Errno::ENOBUFS, &many, told);
}

#[test]
fn making_a_namespace_fails_at_unshare() {
    for what in [integer(0), atom("netns")] {
        for errno in [Errno::EUSERS, Errno::ENOSPC, Errno::ENOMEM] {
            for for_user in [false, true] {
                let request = open_new(for_user, what.clone());
                fails(libc::SYS_unshare, always, errno, &request, &error("unshare", errno));
            }
        }
    }
}

#[test]
fn what_the_program_may_not_make_for_itself_it_makes_for_the_user() {
    let (mut program, faults, _) = start(&[libc::SYS_unshare]);
    let is_user = |call: Call| call.arguments[0] == libc::CLONE_NEWUSER as u64;
    faults.set(move |call| is_user(call).then_some(Errno::EPERM));
    let told = error("unshare", Errno::EPERM);
    assert_eq!(program.outcome(&open_new(true, atom("netns"))), told);
    assert_eq!(program.outcome(&open_new(false, atom("netns"))), "ok");
    // In the child it is refused too.
    faults.set(move |call| (!is_user(call)).then_some(Errno::EPERM));
    assert_eq!(program.outcome(&open_new(false, atom("netns"))), told);
    let mut calls = 0;
    faults.set(move |_| {
        calls += 1;
        (calls == 1).then_some(Errno::EPERM)
    });
    assert_eq!(program.outcome(&open_new(false, atom("netns"))), "ok");
}

#[test]
fn opening_the_new_namespace_fails_at_open() {
    for errno in [Errno::EMFILE, Errno::ENOENT] {
        let request = open_new(false, atom("netns"));
        fails(libc::SYS_openat, |call| !is_path_only(call), errno, &request, &error("open", errno));
    }
}

#[test]
fn one_of_many_sockets_fails_alone() {
    let namespace = Namespace::new();
    let path = namespace.path();
    let (mut program, faults, rest) = start(&[libc::SYS_socket]);
    let mut calls = 0;
    faults.set(move |_| {
        calls += 1;
        (calls == 2).then_some(Errno::ENOBUFS)
    });
    let answer = program.ask(&open_many([&*path; 3]));
    assert_eq!(answer.outcome, "{ok,[ok,{error,{socket,105}},ok]}");
    assert_eq!(answer.sockets.iter().map(cookie).collect::<Vec<_>>(), [namespace.cookie; 2]);
    rest.returns();
}

#[test]
fn an_interrupted_call_is_made_again() {
    let namespace = Namespace::new();
    let (read, write, sendmsg) = (libc::SYS_preadv2, libc::SYS_write, libc::SYS_sendmsg);
    for number in [read, write, sendmsg] {
        let (mut program, faults, rest) = start(&[number]);
        let mut calls = 0;
        faults.set(move |_| {
            calls += 1;
            (calls % 4 != 0).then_some(Errno::EINTR)
        });
        for _ in 0..100 {
            assert!(program.outcome(&info()).starts_with("{ok,"));
            drop(program.ask(&open(&namespace.path())).socket());
            let told = program.outcome(&open(Path::new("/dev/null")));
            assert_eq!(told, error("setns", Errno::EINVAL));
        }
        assert!(faults.failed() >= 100, "the call {number} is not on the way");
        faults.clear();
        rest.returns();
    }
}

#[test]
fn a_stdin_or_stdout_that_fails_is_a_client_that_is_gone() {
    for (number, descriptor, status) in [(libc::SYS_preadv2, 0, 1), (libc::SYS_write, 1, 0)] {
        let (mut program, faults, _) = start(&[number]);
        faults.set(move |call| (call.arguments[0] == descriptor).then_some(Errno::EIO));
        // A read is under way, and the next fails. By then, the program may have ended.
        program.send(&info());
        let _ = program.client.send(&request(1, &info()));
        assert_eq!(program.wait_end().code(), Some(status));
    }
}
