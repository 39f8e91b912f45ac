//! `--read-only`: nothing can be changed over the sockets.

use crate::change::bring_loopback_up;
use crate::port::{Port, atom, fails, new_for_user, number, path, program, program_with, what};
use crate::scene::{Namespace, run};
use eetf::{List, Term};
use nix::errno::Errno;
use nix::libc;
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

#[test]
fn other_sockets_are_opened_and_set_up_without_the_right_to_configure() {
    let namespace = Namespace::new();
    let there = || path(namespace.path());
    let port_80 = path([&2_u16.to_ne_bytes()[..], &80_u16.to_be_bytes(), &[0; 12]].concat());
    let options = [("bind", port_80), ("mark", number(1)), ("rcvbuf", number(4096))];
    let udp = || what(libc::AF_INET, libc::SOCK_DGRAM, 0);
    let raw = what(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP);
    let mut port = Port::start(&program_with(&["--read-only"]));
    assert!(port.open_what(there(), udp(), &options).is_ok());
    assert!(port.open_what(there(), raw, &[]).is_ok());
    // Everybody can change the keys of IPsec through such a socket, whatever he may do himself.
    let keys = || what(libc::AF_KEY, libc::SOCK_RAW, 2);
    let refused = port.open_what(there(), keys(), &[]).map(drop);
    let unknown = fails("socket", Errno::EAFNOSUPPORT);
    assert!(refused == fails("socket", Errno::EPERM) || refused == unknown, "{refused:?}");
    // A kernel that has none says so without the option too.
    let plain = Port::start(&program()).open_what(there(), keys(), &[]).map(drop);
    assert!(plain.is_ok() || refused == unknown, "{plain:?}");
}

#[test]
fn a_namespace_itself_and_new_ones_change_nothing_of_others() {
    let mut port = Port::start(&program_with(&["--read-only"]));
    let socket = port.open_what(atom("new"), number(0), &[]).expect("a socket");
    assert_eq!(bring_loopback_up(&socket), Err(Errno::EPERM));
    assert!(port.open_what(atom("new"), atom("netns"), &[]).is_ok());
    // In one that is the user's he may do everything anyway.
    let socket = port.open_what(new_for_user(), number(0), &[]).expect("a socket");
    assert_eq!(bring_loopback_up(&socket), Ok(()));
}
