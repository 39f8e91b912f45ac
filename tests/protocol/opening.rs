//! `open_in_netns`: where a socket is opened, and what it is.

use std::fs::read_link;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

use nix::libc;

use crate::client::Port;
use crate::commands::{GENERIC, NETFILTER, ROUTE, UEVENT, open, open_with};
use crate::etf::{Term, binary, int, list, map};
use crate::launch::Launch;
use crate::scene::{Directory, Namespace, cookie_of, with_private_mounts};
use crate::socket;
use crate::wire::receive;

/// A path as `Netns`.
pub fn path(path: &Path) -> Term {
    binary(path.as_os_str().as_bytes())
}

#[test]
fn a_socket_is_opened_in_the_namespace_of_the_path() {
    let [first, second] = [Namespace::new(), Namespace::new()];
    assert_ne!(first.cookie, second.cookie);
    let mut port = Port::start();
    for namespace in [&first, &second, &first] {
        let fd = port.open(open(namespace.by_path(), ROUTE));
        assert_eq!(socket::cookie(&fd), namespace.cookie);
    }
    port.end();
}

#[test]
fn a_socket_is_opened_in_the_namespace_of_the_process() {
    let [first, second] = [Namespace::new(), Namespace::new()];
    let mut port = Port::start();
    for namespace in [&first, &second, &first] {
        let fd = port.open(open(namespace.by_pid(), ROUTE));
        assert_eq!(socket::cookie(&fd), namespace.cookie);
    }
    port.end();
}

#[test]
fn a_namespace_may_be_another_users() {
    let container = Namespace::of_a_container();
    let mut port = Port::start();
    let options =
        map([("rcvbuf", int(65536)), ("groups", int(1)), ("memberships", list([int(5)]))]);
    for netns in [container.by_path(), container.by_pid()] {
        let fd = port.open(open_with(netns, ROUTE, options.clone()));
        assert_eq!(socket::cookie(&fd), container.cookie);
        assert_eq!(socket::memberships(&fd), [1, 5]);
    }
    port.end();
}

#[test]
fn a_socket_is_netlink_raw_and_of_the_protocol() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    for protocol in [ROUTE, UEVENT, GENERIC, NETFILTER] {
        let fd = port.open(open(namespace.by_path(), protocol));
        assert_eq!(socket::kind(&fd), (libc::AF_NETLINK, libc::SOCK_RAW, protocol));
    }
    port.end();
}

#[test]
fn a_socket_without_options_is_not_bound() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let fd = port.open(open(namespace.by_path(), ROUTE));
    assert_eq!(socket::bound_to(&fd), (0, 0));
    assert!(socket::memberships(&fd).is_empty());
    port.end();
}

#[test]
fn a_socket_can_be_used_at_once() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let fd = port.open(open(namespace.by_path(), ROUTE));
    // RTM_GETLINK for all links: the answer has the namespace's own loopback.
    let mut request = [0_u8; 32];
    request[0] = 32;
    request[4] = 18;
    request[6..8].copy_from_slice(&0x301_u16.to_ne_bytes());
    let sent = rustix::net::send(&fd, &request, rustix::net::SendFlags::empty());
    assert_eq!(sent, Ok(request.len()));
    let (answer, _) = receive(&fd).expect("links");
    assert!(answer.windows(3).any(|window| window == b"lo\0"));
    port.end();
}

#[test]
fn a_namespace_without_processes_is_reached_by_its_mount() {
    let directory = Directory::new();
    let name = directory.join("blue");
    with_private_mounts(|| {
        let namespace = Namespace::new();
        let cookie = namespace.cookie;
        namespace.bind(&name);
        drop(namespace);
        let mut port = Port::start();
        let fd = port.open(open(path(&name), ROUTE));
        assert_eq!(socket::cookie(&fd), cookie);
        port.end();
    });
}

#[test]
fn a_path_may_lead_through_symbolic_links() {
    let namespace = Namespace::new();
    let directory = Directory::new();
    symlink(namespace.path(), directory.join("one")).expect("a link");
    symlink("one", directory.join("two")).expect("a link");
    let mut port = Port::start();
    let fd = port.open(open(path(&directory.join("two")), ROUTE));
    assert_eq!(socket::cookie(&fd), namespace.cookie);
    port.end();
}

#[test]
fn a_relative_path_begins_at_the_working_directory() {
    let namespace = Namespace::new();
    let directory = Directory::new();
    symlink(namespace.path(), directory.join("blue")).expect("a link");
    let mut port = Launch::new().working_in(directory.path()).start();
    for name in ["blue", "./blue"] {
        let fd = port.open(open(binary(name), ROUTE));
        assert_eq!(socket::cookie(&fd), namespace.cookie);
    }
    port.end();
}

#[test]
fn proc_self_is_the_program_itself_whatever_it_has_opened_before() {
    let namespace = Namespace::new();
    // The program starts in a namespace of its own, unlike the test.
    let mut port = Launch::new().by(&["unshare", "--net"]).start();
    let its_own = cookie_of(&format!("/proc/{}/ns/net", port.pid()));
    assert_ne!(its_own, socket::cookie_here());
    for _ in 0..3 {
        let fd = port.open(open(namespace.by_path(), ROUTE));
        assert_eq!(socket::cookie(&fd), namespace.cookie);
        let fd = port.open(open(binary("/proc/self/ns/net"), ROUTE));
        assert_eq!(socket::cookie(&fd), its_own);
    }
    port.end();
}

#[test]
fn the_program_itself_stays_where_it_is() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let own = format!("/proc/{}/ns/net", port.pid());
    let before = read_link(&own).expect("its namespace");
    for netns in [namespace.by_path(), namespace.by_pid()] {
        port.open(open(netns, ROUTE));
    }
    assert_eq!(read_link(&own).expect("its namespace"), before);
    port.end();
}

#[test]
fn a_path_of_4095_bytes_is_short_enough() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let name = namespace.path();
    let padded = format!("{}{name}", "/".repeat(4095 - name.len()));
    assert_eq!(padded.len(), 4095);
    let fd = port.open(open(binary(padded), ROUTE));
    assert_eq!(socket::cookie(&fd), namespace.cookie);
    port.end();
}

#[test]
fn a_socket_outlives_the_program() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    let fd = port.open(open(namespace.by_path(), ROUTE));
    port.end();
    assert_eq!(socket::cookie(&fd), namespace.cookie);
}
