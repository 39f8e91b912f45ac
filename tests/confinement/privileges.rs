//! What the kernel says of the process, and what the process says of itself.

use crate::port::{Port, atom, entries, number, path, pid, program, program_with, tuple, words};
use crate::scene::Namespace;
use eetf::Term;
use linx_netlink_client::Start;
use rustix::process::{Pid, Signal, kill_process};
use std::time::{Duration, Instant};

const NET_BIND_SERVICE: u64 = 1 << 10;
const NET_BROADCAST: u64 = 1 << 11;
const NET_ADMIN: u64 = 1 << 12;
const NET_RAW: u64 = 1 << 13;
const SYS_PTRACE: u64 = 1 << 19;
const SYS_ADMIN: u64 = 1 << 21;

fn set(port: &Port, name: &str) -> u64 {
    u64::from_str_radix(&port.status(name), 16).expect("a set of capabilities")
}

/// `confinement` in `info`, as text.
fn confinement(port: &mut Port) -> Vec<String> {
    let mut said: Vec<_> = entries(&port.info()["confinement"])
        .into_iter()
        .map(|(key, value)| format!("{key} {value}").replace('\'', ""))
        .collect();
    said.sort();
    said
}

#[test]
fn six_capabilities_are_left_and_no_way_to_more() {
    let port = Port::start(&program());
    let used = NET_BIND_SERVICE | NET_BROADCAST | NET_ADMIN | NET_RAW | SYS_PTRACE | SYS_ADMIN;
    assert_eq!((set(&port, "CapPrm"), set(&port, "CapEff")), (used, used));
    assert_eq!((set(&port, "CapInh"), set(&port, "CapAmb"), set(&port, "CapBnd")), (0, 0, 0));
    assert_eq!(port.status("NoNewPrivs"), "1");
}

/// The effective capabilities of each thread.
fn effective(port: &Port) -> Vec<u64> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", port.os_pid())).expect("its threads");
    tasks
        .filter_map(|task| {
            // One may end between the listing and this.
            let status = std::fs::read_to_string(task.ok()?.path().join("status")).ok()?;
            let set = status.lines().find_map(|line| line.strip_prefix("CapEff:\t"))?;
            u64::from_str_radix(set, 16).ok()
        })
        .collect()
}

#[test]
fn what_the_client_handed_over_is_written_to_without_capabilities() {
    let mut port = Port::start(&program());
    let request = tuple([number(1), tuple([atom("open_in_netns"), path("/nowhere"), number(0)])]);
    // Some more answers than there is room for in a pipe of 64 KiB, which nobody reads.
    for _ in 0..2_600 {
        port.client.send(&request).expect("a request is sent");
    }
    let limit = Instant::now() + Duration::from_secs(30);
    while !effective(&port).contains(&0) {
        assert!(Instant::now() < limit, "no thread writes: {:x?}", effective(&port));
    }
}

#[test]
fn inherited_and_ambient_capabilities_go_too() {
    let launcher = words(&["setpriv", "--inh-caps=+net_raw", "--ambient-caps=+net_raw"]);
    let port = Port::start(&Start { launcher, ..program() });
    assert_eq!((set(&port, "CapInh"), set(&port, "CapAmb")), (0, 0));
}

#[test]
fn ptrace_is_given_up_on_demand() {
    let mut port = Port::start(&program_with(&["--no-ptrace"]));
    assert_eq!(set(&port, "CapEff") & SYS_PTRACE, 0);
    let capabilities = port.info()["capabilities"].to_string().replace('\'', "");
    assert_eq!(capabilities, "[net_admin,net_bind_service,net_broadcast,net_raw,sys_admin]");
}

#[test]
fn capabilities_that_no_permitted_family_can_use_are_given_up() {
    const ALWAYS: u64 = NET_ADMIN | SYS_ADMIN | SYS_PTRACE;
    for (families, left) in [
        (&["netlink"][..], ALWAYS | NET_BROADCAST),
        (&["unix"], ALWAYS),
        (&["packet"], ALWAYS | NET_RAW),
        (&["inet6"], ALWAYS | NET_RAW | NET_BIND_SERVICE),
        (&["vsock", "netlink"], ALWAYS | NET_BIND_SERVICE | NET_BROADCAST),
    ] {
        let arguments: Vec<_> = families.iter().flat_map(|family| ["--family", *family]).collect();
        let port = Port::start(&program_with(&arguments));
        assert_eq!(set(&port, "CapEff"), left, "{families:?}");
        assert_eq!(set(&port, "CapPrm"), left, "{families:?}");
    }
}

#[test]
fn system_calls_are_filtered_in_every_thread() {
    let mut port = Port::start(&program());
    // Asked first: with the hello, no other thread is there yet.
    let said = confinement(&mut port);
    let tasks = std::fs::read_dir(format!("/proc/{}/task", port.os_pid())).expect("its threads");
    let mut threads = 0;
    for task in tasks {
        // A spare may end between the listing and this.
        let path = task.expect("a thread").path().join("status");
        let Ok(status) = std::fs::read_to_string(path) else { continue };
        assert!(status.contains("Seccomp:\t2\n"), "{status}");
        threads += 1;
    }
    assert!(threads > 1);
    assert_eq!(
        said,
        [
            "bounding_set dropped",
            "dumpable false",
            "no_new_privs true",
            "read_only false",
            "seccomp true"
        ]
    );
}

#[test]
fn without_the_filter_it_says_so() {
    let mut port = Port::start(&program_with(&["--no-seccomp"]));
    assert_eq!(port.status("Seccomp"), "0");
    assert_eq!(port.status("NoNewPrivs"), "1");
    assert!(confinement(&mut port).contains(&"seccomp false".to_owned()));
}

#[test]
fn what_could_not_be_dropped_is_reported() {
    let launcher = words(&["setpriv", "--bounding-set=-setpcap"]);
    let mut port = Port::start(&Start { launcher, ..program() });
    assert_ne!(set(&port, "CapBnd"), 0);
    assert!(confinement(&mut port).contains(&"bounding_set kept".to_owned()));
}

#[test]
fn a_process_that_was_stopped_and_continued_goes_on() {
    // The kernel goes on with an interrupted call through restart_syscall(2).
    let namespace = Namespace::new();
    let mut port = Port::start(&program());
    for _ in 0..3 {
        let process = Pid::from_raw(port.os_pid()).expect("a process id");
        kill_process(process, Signal::STOP).expect("SIGSTOP");
        kill_process(process, Signal::CONT).expect("SIGCONT");
        assert!(port.open(pid(namespace.pid()), 0).is_ok());
    }
    assert!(matches!(port.info()["requests"], Term::Map(_)));
    assert!(port.open(path(namespace.path()), 0).is_ok());
}
