//! What a process inherits from whoever starts it.

use crate::port::{PROGRAM, Port, path, program, words};
use crate::probe::without;
use crate::scene::{Directory, Namespace, cookie};
use linx_netlink_client::Start;
use nix::errno::Errno;
use nix::libc;
use std::fs::read_link;
use std::os::unix::fs::symlink;
use std::process::Command;

/// The program behind a piece of shell.
fn behind(script: &str) -> Port {
    let script = format!("{script}\nexec \"$@\"");
    Port::start(&Start { launcher: words(&["sh", "-c", &script, "sh"]), ..program() })
}

/// The number and the target of every descriptor.
fn descriptors(port: &Port) -> Vec<(i32, String)> {
    let directory = format!("/proc/{}/fd", port.os_pid());
    let mut descriptors: Vec<_> = std::fs::read_dir(directory)
        .expect("its descriptors")
        .filter_map(|entry| {
            let entry = entry.expect("an entry");
            let number = entry.file_name().to_str()?.parse().ok()?;
            Some((number, read_link(entry.path()).ok()?.to_string_lossy().into_owned()))
        })
        .collect();
    descriptors.sort();
    descriptors
}

#[test]
fn the_environment_is_gone_and_nothing_of_it_is_left_in_memory() {
    let port = behind("export SECRET=abcdefgh RUST_BACKTRACE=full LD_LIBRARY_PATH=/nowhere");
    let left: Vec<u8> = port.proc("environ").into_iter().filter(|byte| *byte != 0).collect();
    assert_eq!(String::from_utf8_lossy(&left), "");
}

#[test]
fn inherited_descriptors_are_closed_also_those_past_the_limit() {
    let mut port = behind(
        "exec 3</etc/passwd 4>/dev/null 9</etc/group\n\
         command -v bash >/dev/null && exec bash -c 'exec 150</etc/hosts; ulimit -Sn 64\n\
         exec \"$@\"' bash \"$@\"\n exit 1",
    );
    let foreign: Vec<_> = descriptors(&port)
        .into_iter()
        .filter(|(_, target)| target.starts_with("/etc") || target == "/dev/null")
        .collect();
    assert_eq!(foreign, []);
    assert!(port.open(path("/proc/self/ns/net"), 0).is_ok());
}

#[test]
fn standard_streams_that_were_closed_are_not_taken_by_others() {
    // Somebody who writes a message to descriptor 2 must not write into a socket.
    let port = behind("exec 2>&-");
    let descriptors = descriptors(&port);
    assert_eq!(
        descriptors.iter().find(|(number, _)| *number == 2).map(|(_, target)| &target[..]),
        Some("/dev/null")
    );
    assert!(descriptors.iter().all(|(number, it)| *number > 2 || !it.starts_with("socket:")));
}

#[test]
fn without_any_standard_stream_it_ends_like_any_other_program() {
    let script = "exec \"$@\" <&- >&- 2>&-";
    let mut program = Command::new("sh");
    program.args(["-c", script, "sh", PROGRAM, "--rendezvous", "@nobody-listens-here"]);
    assert_eq!(program.status().expect("sh").code(), Some(3));
}

#[test]
fn a_kernel_without_close_range_closes_one_by_one() {
    let open = "exec 3</etc/passwd 9</etc/group";
    let launcher = without(libc::SYS_close_range, Errno::ENOSYS);
    let launcher = words(&["sh", "-c", &format!("{open}\nexec \"$@\""), "sh"])
        .into_iter()
        .chain(launcher)
        .collect();
    let mut port = Port::start(&Start { launcher, ..program() });
    assert!(descriptors(&port).iter().all(|(_, target)| !target.starts_with("/etc")));
    assert!(port.open(path("/proc/self/ns/net"), 0).is_ok());
}

#[test]
fn no_core_is_dumped_and_files_would_be_its_own() {
    let port = behind("umask 0; ulimit -c unlimited 2>/dev/null || true");
    assert_eq!(port.status("Umask"), "0077");
    let limits = String::from_utf8(port.proc("limits")).expect("text");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a line");
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"]);
}

#[test]
fn the_working_directory_is_kept_for_relative_paths() {
    let (directory, namespace) = (Directory::new(), Namespace::new());
    symlink(namespace.path(), directory.join("blue")).expect("a link");
    let mut port = behind(&format!("cd {}", directory.path().display()));
    let socket = port.open(path("blue"), 0).expect("a socket");
    assert_eq!(cookie(&socket), namespace.cookie);
}
