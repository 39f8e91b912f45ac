use crate::children::{children, descriptors, eventually};
use crate::scene::cookie;
use crate::{TIMEOUT, ask, atom, failed, integer, start, tuple};
use eetf::Term;
use linx_netlink_client::{Channel, Client};
use nix::libc::{EACCES, ENOSPC};
use std::collections::BTreeSet;

fn new() -> Term {
    atom("new")
}

fn new_for_user() -> Term {
    tuple(vec![atom("new"), atom("user")])
}

fn open(netns: Term, what: Term) -> Term {
    tuple(vec![integer(1), tuple(vec![atom("open_in_netns"), netns, what])])
}

fn counted(client: &mut Client) -> String {
    client.send(&tuple(vec![integer(2), atom("info")])).expect("it is sent");
    client.receive_on(Channel::Stdout, TIMEOUT).expect("an answer").term().expect("it").to_string()
}

#[test]
fn without_privilege_a_new_one_is_the_users() {
    let mut client = start(&[]);
    let mut cookies = BTreeSet::new();
    for netns in [new(), new_for_user(), new()] {
        let socket = ask(&mut client, &open(netns, integer(0))).expect("a socket");
        assert!(cookies.insert(cookie(&socket)));
    }
    assert!(counted(&mut client).contains("'userns'=>3"), "{}", counted(&mut client));
}

#[test]
fn where_no_user_namespaces_are_made_it_is_refused() {
    let mut client = start(&["--no-userns"]);
    for netns in [new(), new_for_user()] {
        let answer = ask(&mut client, &open(netns, integer(0)));
        assert_eq!(answer.map(drop), Err(failed(1, "unshare", EACCES)));
    }
}

#[test]
fn nothing_is_left_of_a_thousand_but_their_owner() {
    let mut client = start(&[]);
    ask(&mut client, &open(new(), integer(0))).expect("a socket");
    let before = descriptors(client.os_pid());
    let mut made = 0;
    while made < 1_000 {
        match ask(&mut client, &open(new(), atom("netns"))) {
            Ok(_) => made += 1,
            // The kernel has not yet taken down as many as it lets the user have.
            Err(answer) => assert_eq!(answer, failed(1, "unshare", ENOSPC)),
        }
    }
    assert_eq!(children(client.os_pid()), []);
    eventually("the descriptors are those of before", || descriptors(client.os_pid()) <= before);
}
