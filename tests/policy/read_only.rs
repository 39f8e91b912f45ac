//! `--read-only`: nothing can be changed over the sockets.

use crate::change::bring_loopback_up;
use crate::port::{Port, atom, number, path, program, program_with};
use crate::scene::{Namespace, run};
use eetf::{List, Term};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, setsockopt, sockopt::ReceiveTimeout};
use nix::sys::time::{TimeVal, TimeValLike};
use std::os::fd::AsRawFd;

#[test]
fn not_even_root_can_change_anything_over_a_socket() {
    let namespace = Namespace::new();
    let mut port = Port::start(&program_with(&["--read-only"]));
    let socket = port.open(path(namespace.path()), 0).expect("a socket");
    assert_eq!(bring_loopback_up(&socket), Err(Errno::EPERM));
    assert_eq!(bring_loopback_up(&socket), Err(Errno::EPERM));
}

#[test]
fn without_the_option_the_sender_decides() {
    let namespace = Namespace::new();
    let mut port = Port::start(&program());
    let socket = port.open(path(namespace.path()), 0).expect("a socket");
    assert_eq!(bring_loopback_up(&socket), Ok(()));
}

#[test]
fn what_takes_privilege_to_set_up_is_set_up_nevertheless() {
    const NETFILTER: i32 = 12;
    let namespace = Namespace::new();
    let mut port = Port::start(&program_with(&["--read-only"]));
    for option in ["rcvbuf", "groups"] {
        let options = [(option, number(1 << 6))];
        assert!(port.open_with(path(namespace.path()), NETFILTER, &options).is_ok(), "{option}");
    }
}

#[test]
fn events_of_other_namespaces_are_heard() {
    let (here, there) = (Namespace::new(), Namespace::new());
    let inside = |namespace: &Namespace, words: &[&str]| {
        let pid = namespace.pid().to_string();
        run("nsenter", [&["--target", &pid, "--net"], words].concat());
    };
    // With an end there, that namespace has a number here.
    let netns = there.pid().to_string();
    let peer = ["type", "veth", "peer", "name", "there", "netns", &netns];
    inside(&here, &[&["ip", "link", "add", "here"], &peer[..]].concat());
    let mut port = Port::start(&program_with(&["--read-only"]));
    let groups: Term = List::from(vec![number(1)]).into();
    let options = [("listen_all_nsid", atom("true")), ("memberships", groups)];
    let socket = port.open_with(path(here.path()), 0, &options).expect("a socket");
    inside(&there, &["ip", "link", "set", "lo", "up"]);
    setsockopt(&socket, ReceiveTimeout, &TimeVal::seconds(30)).expect("a socket option");
    let mut event = [0; 4096];
    recv(socket.as_raw_fd(), &mut event, MsgFlags::empty()).expect("an event");
    // The index of loopback, behind the header of the message and the first words of the body.
    assert_eq!(event[20..24], 1_u32.to_ne_bytes());
}
