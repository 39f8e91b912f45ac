//! The program as an ordinary user, with capabilities on its file and without.

use crate::change::bring_loopback_up;
use crate::port::{PROGRAM, Port, atom, fails, new_for_user, path, pid, program, what, words};
use crate::scene::{Directory, Namespace, USER, cookie, run, with_private_mounts};
use linx_netlink_client::Start;
use nix::errno::Errno;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const CAPABILITIES: &str = "cap_sys_admin,cap_net_admin,cap_sys_ptrace=ep";

/// A copy of the program that the user's group may execute and nobody may change.
fn installed(directory: &Directory) -> PathBuf {
    let copy = directory.join("linx-netlink-port");
    let group = USER.to_string();
    run("install", ["--mode=0750", "--group", &group, PROGRAM, copy.to_str().expect("UTF-8")]);
    copy
}

fn with_capabilities(directory: &Directory) -> PathBuf {
    let copy = installed(directory);
    run("setcap", [Path::new(CAPABILITIES), &copy]);
    copy
}

fn as_user(executable: &Path, arguments: &[&str]) -> Port {
    as_user_with(&[], executable, arguments)
}

/// With more options for `setpriv`.
fn as_user_with(options: &[&str], executable: &Path, arguments: &[&str]) -> Port {
    let user = USER.to_string();
    let setpriv = ["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups"];
    let launcher = words(&[&setpriv[..], options].concat());
    let (executable, arguments) = (executable.to_owned(), words(arguments));
    Port::start(&Start { launcher, executable, arguments, ..program() })
}

/// Whether a command of the same user succeeds.
fn user_can(command: &[&str]) -> bool {
    let user = USER.to_string();
    let mut setpriv = Command::new("setpriv");
    setpriv.args(["--reuid", &user, "--regid", &user, "--clear-groups"]).args(command);
    setpriv.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("setpriv").success()
}

#[test]
fn with_file_capabilities_it_serves_an_ordinary_user() {
    let (directory, namespace) = (Directory::new(), Namespace::new());
    let mut port = as_user(&with_capabilities(&directory), &[]);
    assert_eq!(port.status("CapEff"), format!("{:016x}", (1 << 12) | (1 << 19) | (1_u64 << 21)));
    assert!(port.status("Uid").starts_with(&USER.to_string()));
    for netns in [path(namespace.path()), pid(namespace.pid())] {
        let socket = port.open(netns, 0).expect("a socket");
        assert_eq!(cookie(&socket), namespace.cookie);
    }
    // Its own, which /proc shows it although it can't be dumped.
    assert!(port.open(path("/proc/self/ns/net"), 0).is_ok());
    assert!(port.open(path("/proc/thread-self/ns/net"), 0).is_ok());
}

#[test]
fn with_file_capabilities_nobody_can_write_over_its_sockets_unless_its_caller_could() {
    let (directory, namespace) = (Directory::new(), Namespace::new());
    let executable = with_capabilities(&directory);
    // He might hand the socket to any program that sends for him with its own rights, as root here.
    for (options, outcome) in [
        (&[][..], Err(Errno::EPERM)),
        (&["--inh-caps=+net_broadcast"], Err(Errno::EPERM)),
        (&["--inh-caps=+net_admin"], Ok(())),
    ] {
        let mut port = as_user_with(options, &executable, &[]);
        let socket = port.open(path(namespace.path()), 0).expect("a socket");
        assert_eq!(bring_loopback_up(&socket), outcome, "{options:?}");
    }
    let mut port = as_user_with(&["--inh-caps=+net_admin"], &executable, &["--read-only"]);
    let socket = port.open(path(namespace.path()), 0).expect("a socket");
    assert_eq!(bring_loopback_up(&socket), Err(Errno::EPERM));
}

#[test]
fn with_file_capabilities_other_sockets_are_opened_as_far_as_those_go() {
    let (directory, namespace) = (Directory::new(), Namespace::new());
    let there = || path(namespace.path());
    let port_80 = || path([&2_u16.to_ne_bytes()[..], &80_u16.to_be_bytes(), &[0; 12]].concat());
    let (tcp, raw) = (|| what(2, 1, 0), || what(2, 3, 1));
    let executable = with_capabilities(&directory);
    let mut port = as_user(&executable, &[]);
    for netns in [there(), atom("new"), new_for_user()] {
        assert!(port.open_what(netns, tcp(), &[]).is_ok());
    }
    assert_eq!(port.open_what(there(), raw(), &[]).map(drop), fails("socket", Errno::EPERM));
    let bound = port.open_what(there(), tcp(), &[("bind", port_80())]).map(drop);
    assert_eq!(bound, fails("bind", Errno::EACCES));
    drop(port);
    let more = CAPABILITIES.replace("=ep", ",cap_net_raw,cap_net_bind_service=ep");
    run("setcap", [Path::new(&more), &executable]);
    let mut port = as_user(&executable, &[]);
    assert!(port.open_what(there(), raw(), &[]).is_ok());
    assert!(port.open_what(there(), tcp(), &[("bind", port_80())]).is_ok());
    // What only CAP_NET_ADMIN opens is not opened for him: who has such a socket needs it no more.
    let keys = port.open_what(there(), what(15, 3, 2), &[]).map(drop);
    let unknown = fails("socket", Errno::EAFNOSUPPORT);
    assert!(keys == unknown || keys == fails("socket", Errno::EPERM), "{keys:?}");
}

#[test]
fn without_the_capability_to_trace_it_does_not_see_other_users_processes() {
    let (directory, namespace) = (Directory::new(), Namespace::new());
    let mut port = as_user(&with_capabilities(&directory), &["--no-ptrace"]);
    assert_eq!(port.open(pid(namespace.pid()), 0).map(drop), fails("open", Errno::EACCES));
    assert!(port.open(path("/proc/self/ns/net"), 0).is_ok());
}

#[test]
fn without_capabilities_it_can_no_more_than_its_user() {
    with_private_mounts(|| {
        let (directory, namespace) = (Directory::new(), Namespace::new());
        let mut port = as_user(&installed(&directory), &[]);
        assert_eq!(port.status("CapEff"), "0000000000000000");
        assert_eq!(port.open(path(namespace.path()), 0).map(drop), fails("open", Errno::EACCES));
        // A file that is no namespace is told as one, whatever its permissions.
        assert_eq!(port.open(path("/etc/shadow"), 0).map(drop), fails("setns", Errno::EINVAL));
        let stale = directory.join("stale");
        std::fs::write(&stale, "").expect("a file");
        run("chmod", ["0000", stale.to_str().expect("UTF-8")]);
        let stale = stale.to_str().expect("UTF-8");
        assert_eq!(port.open(path(stale), 0).map(drop), fails("setns", Errno::EINVAL));
        let name = directory.join("blue");
        // Mounted after the program was started, in the mounts that it shares.
        namespace.bind(&name);
        let name = name.to_str().expect("UTF-8");
        assert_eq!(port.open(path(name), 0).map(drop), fails("setns", Errno::EPERM));
        run("umount", [name]);
    });
}

#[test]
fn nothing_is_told_of_files_that_another_users_process_can_reach() {
    let (directory, namespace) = (Directory::new(), Namespace::new());
    let executable = with_capabilities(&directory);
    // A directory that root alone may come to.
    let closed = directory.join("closed");
    let secret = closed.join("secret");
    std::fs::create_dir_all(&secret).expect("a directory");
    run("chmod", ["0700", closed.to_str().expect("UTF-8")]);
    run("chmod", ["0755", secret.to_str().expect("UTF-8")]);
    std::fs::write(secret.join("file"), "").expect("a file");
    std::os::unix::fs::symlink("link", secret.join("link")).expect("a link");
    let mut resident = Command::new("sleep")
        .arg("1000")
        .current_dir(&secret)
        .stdin(Stdio::piped())
        .spawn()
        .expect("a process");
    let mut port = as_user(&executable, &[]);
    let process = format!("/proc/{}", resident.id());
    let long = "x".repeat(256);
    let root = format!("root{}/file", secret.display());
    let answers: Vec<_> = ["cwd/file", "cwd/file/x", "cwd/link/x", "cwd/none", "cwd/none/x"]
        .into_iter()
        .chain([&*format!("cwd/{long}"), &root, "exe"])
        .map(|name| port.open(path(format!("{process}/{name}")), 0).map(drop))
        .collect();
    let by_root = format!("{process}/root/proc/{}/ns/net", namespace.pid());
    let namespace_is_found = port.open(path(by_root), 0).is_ok();
    resident.kill().and_then(|()| resident.wait()).expect("its end");
    assert_eq!(answers, vec![fails("open", Errno::ENOENT); answers.len()]);
    assert!(namespace_is_found);
}

#[test]
fn its_user_can_neither_trace_it_nor_open_its_descriptors() {
    let directory = Directory::new();
    for executable in [installed(&directory), with_capabilities(&directory)] {
        let port = as_user(&executable, &[]);
        for file in ["fd", "environ", "maps", "cwd"] {
            let path = format!("/proc/{}/{file}", port.os_pid());
            assert!(!user_can(&["sh", "-c", &format!("cat {path} || ls {path}/")]), "{path}");
        }
        // Anybody may ask for the status of anybody.
        assert!(user_can(&["cat", &format!("/proc/{}/status", port.os_pid())]));
    }
}

#[test]
fn others_cannot_execute_it() {
    let directory = Directory::new();
    let copy = with_capabilities(&directory);
    let stranger = (USER + 1).to_string();
    // Through a shell: setpriv itself still has capabilities when it executes something.
    let status = Command::new("setpriv")
        .args(["--reuid", &stranger, "--regid", &stranger, "--clear-groups"])
        .args(["sh", "-c", "exec \"$0\""])
        .arg(&copy)
        .stderr(Stdio::null())
        .status();
    assert_eq!(status.expect("setpriv").code(), Some(126));
}
