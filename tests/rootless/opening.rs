use crate::container::{Container, with_file_of};
use crate::scene::cookie;
use crate::{STRANGER, USER, ask, atom, failed, integer, open, path, pid, start, tuple};
use eetf::List;
use nix::libc;
use std::os::fd::AsRawFd;

#[test]
fn an_ordinary_user_opens_sockets_in_namespaces_of_his_own() {
    let container = Container::new();
    let mut client = start(&[]);
    for netns in [pid(&container), path(&container.path())] {
        let socket = ask(&mut client, &open(netns, 1)).expect("a socket");
        assert_eq!(cookie(&socket), container.cookie());
        // SAFETY: it only asks for a flag of a descriptor that is open.
        let flags = unsafe { libc::fcntl(socket.as_raw_fd(), libc::F_GETFD) };
        assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
    }
}

#[test]
fn a_namespace_in_a_nested_user_namespace_is_reached_too() {
    let container = Container::nested();
    let socket = ask(&mut start(&[]), &open(pid(&container), 1)).expect("a socket");
    assert_eq!(cookie(&socket), container.cookie());
}

#[test]
fn a_user_namespace_that_maps_nobody_yet_is_no_obstacle() {
    let container = Container::unmapped();
    let socket = ask(&mut start(&[]), &open(pid(&container), 1)).expect("a socket");
    assert_eq!(cookie(&socket), container.cookie());
}

#[test]
fn another_users_namespace_is_refused_as_ever() {
    let container = Container::of(STRANGER);
    let refusal = ask(&mut start(&[]), &open(pid(&container), 1)).map(drop);
    // The process of another user may not even be looked at.
    assert_eq!(refusal, Err(failed(1, "open", libc::EACCES)));
}

#[test]
fn a_namespace_file_is_of_use_to_its_owner_alone_also_when_its_processes_are_gone() {
    for (user, expected) in [(USER, Ok(())), (STRANGER, Err(failed(1, "setns", libc::EPERM)))] {
        let mut container = Container::of(user);
        let cookie_inside = container.cookie();
        with_file_of(&container.path(), |file| {
            container.end();
            let outcome = ask(&mut start(&[]), &open(path(file), 1));
            let outcome = outcome.map(|socket| assert_eq!(cookie(&socket), cookie_inside));
            assert_eq!(outcome, expected);
        });
    }
}

#[test]
fn the_hosts_namespace_is_refused_as_ever() {
    let refusal = ask(&mut start(&[]), &open(path("/proc/self/ns/net"), 1)).map(drop);
    assert_eq!(refusal, Err(failed(1, "setns", libc::EPERM)));
}

#[test]
fn a_namespace_whose_process_has_ended_is_not_there() {
    let mut container = Container::new();
    let mut client = start(&[]);
    container.end();
    let refusal = ask(&mut client, &open(pid(&container), 1)).map(drop);
    assert_eq!(refusal, Err(failed(1, "open", libc::ESRCH)));
}

#[test]
fn without_user_namespaces_there_is_no_child() {
    let container = Container::new();
    let refusal = ask(&mut start(&["--no-userns"]), &open(pid(&container), 1)).map(drop);
    assert_eq!(refusal, Err(failed(1, "setns", libc::EPERM)));
}

#[test]
fn what_fails_in_the_child_has_its_own_stage() {
    let container = Container::new();
    let request =
        tuple(vec![integer(1), tuple(vec![atom("open_in_netns"), pid(&container), integer(99)])]);
    let refusal = ask(&mut start(&[]), &request).map(drop);
    assert_eq!(refusal, Err(failed(1, "socket", libc::EPROTONOSUPPORT)));
}

#[test]
fn many_sockets_of_one_request_may_lie_in_several_user_namespaces() {
    let containers = [Container::new(), Container::new()];
    let entries = [0, 1, 1, 0].map(|it: usize| tuple(vec![pid(&containers[it]), integer(0)]));
    let many = tuple(vec![atom("open_many"), List::from(entries.to_vec()).into()]);
    let mut client = start(&[]);
    client.send(&tuple(vec![integer(1), many])).expect("a request is sent");
    let message = client.receive(crate::TIMEOUT).expect("an answer");
    let landed: Vec<u64> = message.descriptors.iter().map(cookie).collect();
    assert_eq!(landed, [0, 1, 1, 0].map(|it: usize| containers[it].cookie()));
}

#[test]
fn requests_that_went_through_a_child_are_counted_apart() {
    let container = Container::new();
    let mut client = start(&[]);
    ask(&mut client, &open(pid(&container), 1)).expect("a socket");
    let info = ask(&mut client, &tuple(vec![integer(1), atom("info")])).map(drop);
    let info = info.expect_err("info comes on stdout").to_string();
    assert!(info.contains("'userns'=>1"), "{info}");
}
