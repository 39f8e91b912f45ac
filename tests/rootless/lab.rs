//! A network of an ordinary user's own: two namespaces, a cable between them, addresses, a connection. It is
//! gone with the process that made it.

use crate::container::as_user;
use crate::link::{add_address, add_veth, bring_up};
use crate::scene::{Directory, Namespace, run};
use crate::{USER, ask, atom, integer, tuple};
use eetf::{Binary, Map, Term};
use linx_netlink_client::{Client, Start};
use nix::libc;
use rustix::net::{SocketAddrV4, connect};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write, stdin};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

const NEAR: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
const FAR: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);
const PORT: u16 = 80;

/// The variable that tells the lab where the program is.
const PROGRAM: &str = "LINX_PORT_LAB_PROGRAM";

/// What the lab says when it is there: its own process, the program's, and two of its descriptors.
const READY: &str = "the lab is there:";

/// Asks for a descriptor, which must be had.
fn open(client: &mut Client, netns: Term, what: Term, options: HashMap<Term, Term>) -> OwnedFd {
    let command = vec![atom("open_in_netns"), netns, what, Map::from(options).into()];
    ask(client, &tuple(vec![integer(1), tuple(command)])).expect("a descriptor")
}

/// The same in the namespace that a descriptor is.
fn open_in(client: &mut Client, netns: &OwnedFd, what: Term) -> OwnedFd {
    open_with(client, netns, what, HashMap::new())
}

fn open_with(
    client: &mut Client,
    netns: &OwnedFd,
    what: Term,
    options: HashMap<Term, Term>,
) -> OwnedFd {
    client.send_descriptor(7, netns.as_fd()).expect("the descriptor is sent");
    open(client, tuple(vec![atom("fd"), integer(7)]), what, options)
}

fn tcp() -> Term {
    tuple([libc::AF_INET, libc::SOCK_STREAM, 0].map(integer).to_vec())
}

fn address(address: Ipv4Addr) -> Term {
    let family = (libc::AF_INET as u16).to_ne_bytes();
    let bytes = [&family[..], &PORT.to_be_bytes(), &address.octets(), &[0; 8]].concat();
    Binary::from(bytes).into()
}

/// The lab itself, in a process of its own.
#[test]
#[ignore = "a part of the test below, which starts it as an ordinary user"]
fn process() {
    let status = fs::read_to_string("/proc/self/status").expect("its status");
    for line in ["CapPrm:\t0000000000000000", "CapEff:\t0000000000000000"] {
        assert!(status.contains(line), "{line} is not in {status}");
    }
    let mut client = Start::new(env::var_os(PROGRAM).expect("where")).start().expect("it starts");
    let for_user = || tuple(vec![atom("new"), atom("user")]);
    let mut make = || open(&mut client, for_user(), atom("netns"), HashMap::new());
    let [near, far] = [make(), make()];

    let [at_near, at_far] = [&near, &far].map(|netns| open_in(&mut client, netns, integer(0)));
    add_veth(&at_near, &far).expect("a cable");
    for (socket, its) in [(&at_near, NEAR), (&at_far, FAR)] {
        add_address(socket, its).expect("an address");
        bring_up(socket).expect("the link is up");
    }

    let options = HashMap::from([(atom("bind"), address(FAR)), (atom("listen"), integer(1))]);
    let listener = TcpListener::from(open_with(&mut client, &far, tcp(), options));
    let caller = open_in(&mut client, &near, tcp());
    connect(&caller, &SocketAddrV4::new(FAR, PORT)).expect("a connection");
    let (mut called, peer) = listener.accept().expect("a connection");
    assert_eq!(peer.ip(), NEAR);
    let mut caller = TcpStream::from(caller);
    caller.write_all(b"hello").expect("it is sent");
    let mut words = [0; 5];
    called.read_exact(&mut words).expect("it is received");
    assert_eq!(&words, b"hello");

    let (pid, program) = (std::process::id(), client.os_pid());
    eprintln!("\n{READY} {pid} {program} {} {}", near.as_raw_fd(), far.as_raw_fd());
    // Until it is killed.
    let _ = stdin().read(&mut [0]);
}

/// A lab that runs; killed when this is dropped.
struct Lab {
    process: Child,
    /// Where the user finds the program: cargo may have built it where he may not look.
    _directory: Directory,
    /// What it says of itself.
    numbers: Vec<u32>,
}

impl Lab {
    /// Starts it, and waits for it to be there.
    fn start() -> Lab {
        let user = as_user(USER);
        let directory = Directory::new();
        let program = directory.join("linx-netlink-port");
        fs::copy(env!("CARGO_BIN_EXE_linx-netlink-port"), &program).expect("a copy");
        let process = Command::new(&user[0])
            .env(PROGRAM, program)
            .args(&user[1..])
            .arg(env::current_exe().expect("this program"))
            .args(["--exact", "lab::process", "--ignored", "--nocapture", "--test-threads=1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("setpriv is there");
        let mut lab = Lab { process, _directory: directory, numbers: Vec::new() };
        let mut said = Vec::new();
        let stderr = BufReader::new(lab.process.stderr.take().expect("a pipe"));
        for line in stderr.lines().map_while(Result::ok) {
            if let Some(numbers) = line.strip_prefix(READY) {
                let numbers = numbers.split_whitespace().map(|it| it.parse::<u32>().expect("it"));
                lab.numbers.extend(numbers);
                return lab;
            }
            said.push(line);
        }
        panic!("{}", said.join("\n"));
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Whether an interface of this name is in the namespace.
fn has(namespace: &Namespace, name: &str) -> bool {
    let devices = fs::read_to_string(format!("/proc/{}/net/dev", namespace.pid()));
    devices.expect("the interfaces").contains(&format!("{name}:"))
}

#[test]
fn an_ordinary_user_has_a_network_of_his_own_and_it_is_gone_with_its_process() {
    let witness = Namespace::new();
    let lab = Lab::start();
    let [pid, program, near, far] = lab.numbers[..] else { panic!("{:?}", lab.numbers) };
    // The kernel takes both ends of a cable away when the namespace of one is gone.
    for (name, descriptor) in [("near", near), ("far", far)] {
        let inside = format!("--net=/proc/{pid}/fd/{descriptor}");
        let peer = ["peer", "name", name, "netns", &witness.pid().to_string()].map(str::to_owned);
        let words = [&inside, "ip", "link", "add", "witness", "type", "veth"].map(str::to_owned);
        run("nsenter", [&words[..], &peer[..]].concat());
        assert!(has(&witness, name));
    }
    drop(lab);
    let limit = Instant::now() + Duration::from_secs(60);
    let is_left = || {
        has(&witness, "near")
            || has(&witness, "far")
            || fs::exists(format!("/proc/{program}")).expect("/proc")
    };
    while is_left() {
        assert!(Instant::now() < limit, "something is left");
        std::thread::sleep(Duration::from_millis(5));
    }
}
