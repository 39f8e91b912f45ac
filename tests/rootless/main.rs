//! Network namespaces that belong to a user's own user namespaces: no process here but the test
//! itself has any privilege.

mod children;
mod container;
mod lab;
mod link;
mod made;
mod opening;
#[path = "../support/scene.rs"]
mod scene;

use container::Container;
use eetf::{Atom, Binary, FixInteger, Term, Tuple};
use linx_netlink_client::{Channel, Client, Message, Start};
use scene::USER;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// Another user than [`USER`].
const STRANGER: u32 = 65_502;

const TIMEOUT: Duration = Duration::from_secs(30);

/// A port program that runs as `USER`, with no capability at all.
fn start(arguments: &[&str]) -> Client {
    let mut start = Start::new(env!("CARGO_BIN_EXE_linx-netlink-port"));
    start.launcher = container::as_user(USER).into_iter().map(Into::into).collect();
    start.arguments = arguments.iter().map(Into::into).collect();
    start.start().expect("these tests need root, to become an ordinary user")
}

fn atom(name: &str) -> Term {
    Atom::from(name).into()
}

fn integer(value: i32) -> Term {
    FixInteger::from(value).into()
}

fn tuple(elements: Vec<Term>) -> Term {
    Tuple::from(elements).into()
}

fn pid(container: &Container) -> Term {
    tuple(vec![atom("pid"), integer(container.pid())])
}

fn path(path: &str) -> Term {
    Binary::from(path.as_bytes().to_vec()).into()
}

fn open(netns: Term, id: i32) -> Term {
    tuple(vec![integer(id), tuple(vec![atom("open_in_netns"), netns, integer(0)])])
}

/// The answer to one request: a socket, or the program's word for why not.
fn ask(client: &mut Client, request: &Term) -> Result<OwnedFd, Term> {
    client.send(request).expect("a request is sent");
    outcome(client.receive(TIMEOUT).expect("an answer"))
}

fn outcome(mut message: Message) -> Result<OwnedFd, Term> {
    match message.channel {
        Channel::Pair => Ok(message.descriptors.pop().expect("a descriptor")),
        Channel::Stdout => Err(message.term().expect("a term")),
    }
}

fn failed(id: i32, stage: &str, errno: i32) -> Term {
    let failure = tuple(vec![atom(stage), integer(errno)]);
    tuple(vec![integer(id), tuple(vec![atom("error"), failure])])
}
