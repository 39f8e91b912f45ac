//! Which kinds of descriptors are opened, and which namespaces: `--family`, `--no-new`, `--no-netns`, `--no-fd`.

use crate::port::{Port, atom, fails, new_for_user, number, path, program_with, sent, what};
use crate::scene::{Directory, Namespace};
use eetf::Term;
use nix::errno::Errno;
use nix::libc;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

const OWN: &str = "/proc/self/ns/net";

fn udp() -> Term {
    what(libc::AF_INET, libc::SOCK_DGRAM, 0)
}

fn packet() -> Term {
    what(libc::AF_PACKET, libc::SOCK_RAW, 0)
}

/// Asks for something and forgets what comes.
fn ask(port: &mut Port, netns: Term, what: Term) -> Result<(), (String, i32)> {
    port.open_what(netns, what, &[]).map(drop)
}

/// How many descriptors the program has.
fn descriptors(port: &Port) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", port.os_pid())).expect("its descriptors").count()
}

fn holds_again(port: &Port, before: usize) {
    let limit = Instant::now() + Duration::from_secs(30);
    while descriptors(port) > before {
        assert!(Instant::now() < limit, "{} descriptors, and not {before}", descriptors(port));
    }
}

#[test]
fn sockets_of_other_families_are_refused_before_anything_is_looked_up() {
    for inet in ["inet", "AF_INET", "2"] {
        let mut port = Port::start(&program_with(&["--family", inet, "--family", "netlink"]));
        for allowed in [udp(), what(libc::AF_INET, libc::SOCK_RAW, 1), number(0), number(16)] {
            assert_eq!(ask(&mut port, path(OWN), allowed), Ok(()));
        }
        for refused in [packet(), what(10, 1, 0), what(1, 1, 0), what(0, 1, 0), what(65_535, 1, 0)]
        {
            for netns in [path(OWN), path("/nowhere"), atom("new"), sent(1)] {
                let outcome = ask(&mut port, netns, refused.clone());
                assert_eq!(outcome, fails("socket", Errno::EACCES), "{refused}");
            }
        }
        assert_eq!(ask(&mut port, path("/nowhere"), udp()), fails("open", Errno::ENOENT));
        // A packet socket by its old name is none of AF_INET.
        let old = what(libc::AF_INET, 10, 3);
        assert_eq!(ask(&mut port, path(OWN), old), fails("socket", Errno::EACCES));
        // It is no socket.
        assert_eq!(ask(&mut port, path(OWN), atom("netns")), Ok(()));
    }
}

#[test]
fn netlink_is_a_family_like_any_other() {
    let mut port = Port::start(&program_with(&["--family", "packet"]));
    assert_eq!(ask(&mut port, path(OWN), packet()), Ok(()));
    for refused in [number(0), what(16, 3, 0), what(16, 2, 4711)] {
        assert_eq!(ask(&mut port, path(OWN), refused), fails("socket", Errno::EACCES));
    }
}

#[test]
fn protocols_are_those_of_netlink_and_leave_other_families_alone() {
    let mut port = Port::start(&program_with(&["--protocol", "0"]));
    for allowed in [number(0), what(16, 2, 0), udp(), packet()] {
        assert_eq!(ask(&mut port, path(OWN), allowed), Ok(()));
    }
    for refused in [number(16), what(16, 2, 16), what(16, 3, 12)] {
        assert_eq!(ask(&mut port, path(OWN), refused), fails("socket", Errno::EACCES));
    }
}

#[test]
fn no_namespace_is_made_where_none_may_be() {
    let mut port = Port::start(&program_with(&["--no-new"]));
    for netns in [atom("new"), new_for_user()] {
        for one in [number(0), atom("netns"), udp()] {
            let outcome = ask(&mut port, netns.clone(), one);
            assert_eq!(outcome, fails("unshare", Errno::EACCES));
        }
    }
    assert_eq!(ask(&mut port, path(OWN), atom("netns")), Ok(()));
}

#[test]
fn without_user_namespaces_only_the_programs_own_has_new_ones() {
    let mut port = Port::start(&program_with(&["--no-userns"]));
    assert_eq!(ask(&mut port, new_for_user(), number(0)), fails("unshare", Errno::EACCES));
    assert_eq!(ask(&mut port, atom("new"), number(0)), Ok(()));
    assert_eq!(ask(&mut port, atom("new"), atom("netns")), Ok(()));
}

#[test]
fn the_namespace_itself_is_not_handed_over_where_it_may_not_be() {
    let mut port = Port::start(&program_with(&["--no-netns"]));
    for netns in [path(OWN), path("/nowhere"), atom("new"), new_for_user(), sent(1)] {
        let outcome = ask(&mut port, netns, atom("netns"));
        assert_eq!(outcome, fails("open", Errno::EACCES));
    }
    for netns in [path(OWN), atom("new"), new_for_user()] {
        assert_eq!(ask(&mut port, netns, number(0)), Ok(()));
    }
}

/// Sends the namespace of the test's own.
fn send(port: &Port, key: u64) {
    let own = OwnedFd::from(File::open(OWN).expect("a namespace file"));
    port.client.send_descriptor(key, own.as_fd()).expect("it is sent");
}

#[test]
fn descriptors_are_closed_where_none_may_be_sent() {
    let mut port = Port::start(&program_with(&["--no-fd"]));
    port.info();
    let before = descriptors(&port);
    for key in 0..300 {
        send(&port, key);
    }
    holds_again(&port, before);
    for one in [number(0), atom("netns")] {
        send(&port, 7);
        assert_eq!(ask(&mut port, sent(7), one), fails("open", Errno::EACCES));
    }
    holds_again(&port, before);
    assert_eq!(ask(&mut port, atom("new"), atom("netns")), Ok(()));
}

#[test]
fn where_only_names_are_opened_nothing_comes_in_another_way() {
    let (directory, namespace) = (Directory::new(), Namespace::new());
    let only = directory.path().to_str().expect("UTF-8");
    let mut port = Port::start(&program_with(&["--netns-dir", only]));
    port.info();
    let before = descriptors(&port);
    send(&port, 7);
    assert_eq!(ask(&mut port, sent(7), number(0)), fails("open", Errno::EACCES));
    for netns in [atom("new"), new_for_user()] {
        assert_eq!(ask(&mut port, netns, number(0)), fails("unshare", Errno::EACCES));
    }
    let elsewhere = path(namespace.path());
    for one in [udp(), atom("netns")] {
        assert_eq!(ask(&mut port, elsewhere.clone(), one), fails("open", Errno::EACCES));
    }
    holds_again(&port, before);
}

#[test]
fn an_entry_that_policy_refuses_uses_up_what_was_sent_for_it() {
    let mut port = Port::start(&program_with(&["--family", "netlink"]));
    port.info();
    let before = descriptors(&port);
    send(&port, 7);
    assert_eq!(ask(&mut port, sent(7), udp()), fails("socket", Errno::EACCES));
    assert_eq!(ask(&mut port, sent(7), number(0)), fails("open", Errno::EBADF));
    holds_again(&port, before);
}
