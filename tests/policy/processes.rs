//! `--no-pid`: no process, by whatever name.

use crate::port::{Port, fails, path, pid, program, program_with, words};
use crate::scene::{Directory, Namespace, cookie, run, with_private_mounts};
use linx_netlink_client::Start;
use nix::errno::Errno;
use std::fs;
use std::os::unix::fs::symlink;

fn text(path: &std::path::Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn processes_and_paths_through_procfs_are_refused() {
    let (directory, namespace) = (Directory::new(), Namespace::new());
    let mut port = Port::start(&program_with(&["--no-pid"]));
    symlink(namespace.path(), directory.join("net")).expect("a link");
    symlink("/proc", directory.join("proc")).expect("a link");
    symlink("net", directory.join("relay")).expect("a link");
    let up = "../".repeat(64);
    let refused = [
        namespace.path(),
        "/proc/self/ns/net".into(),
        "/proc/thread-self/ns/net".into(),
        "/proc/self/fd/0".into(),
        "/proc".into(),
        "//proc//self/ns/net".into(),
        "/./proc/self/ns/net".into(),
        "/proc/self/../self/ns/net".into(),
        "/proc/../proc/self/ns/net".into(),
        "/proc/self/root/etc/passwd".into(),
        "/proc/sys/../self/ns/net".into(),
        format!("{up}proc/self/ns/net"),
        "/dev/fd/0".into(),
        "/dev/stdin".into(),
        text(&directory.join("net")).into(),
        text(&directory.join("net/")).into(),
        text(&directory.join("relay")).into(),
        text(&directory.join("proc/self/ns/net")).into(),
    ];
    for spelled in refused {
        let outcome = port.open(path(&spelled), 0).map(drop);
        assert_eq!(outcome, fails("open", Errno::EACCES), "{spelled}");
    }
    assert_eq!(port.open(pid(namespace.pid()), 0).map(drop), fails("open", Errno::EACCES));
}

#[test]
fn procfs_is_refused_wherever_it_is_mounted() {
    with_private_mounts(|| {
        let directory = Directory::new();
        run("mount", ["--bind", "/proc", text(directory.path())]);
        let mut port = Port::start(&program_with(&["--no-pid"]));
        let spelled = format!("{}/self/ns/net", directory.path().display());
        let outcome = port.open(path(spelled), 0).map(drop);
        run("umount", [directory.path()]);
        assert_eq!(outcome, fails("open", Errno::EACCES));
    });
}

#[test]
fn a_working_directory_in_procfs_opens_no_way() {
    let namespace = Namespace::new();
    let script = format!("cd /proc/{}/ns && exec \"$@\"", namespace.pid());
    let launcher = words(&["sh", "-c", &script, "sh"]);
    let mut port = Port::start(&Start { launcher, ..program_with(&["--no-pid"]) });
    for spelled in ["net", "./net", "../ns/net"] {
        assert_eq!(port.open(path(spelled), 0).map(drop), fails("open", Errno::EACCES));
    }
    assert!(program().arguments.is_empty());
}

#[test]
fn names_are_opened_by_way_of_links_and_relative_paths() {
    with_private_mounts(|| {
        let (directory, namespace) = (Directory::new(), Namespace::new());
        let blue = directory.join("blue");
        namespace.bind(&blue);
        fs::create_dir(directory.join("below")).expect("a directory");
        symlink("../blue", directory.join("below/up")).expect("a link");
        symlink(&blue, directory.join("absolute")).expect("a link");
        let script = format!("cd {} && exec \"$@\"", directory.path().display());
        let launcher = words(&["sh", "-c", &script, "sh"]);
        let mut port = Port::start(&Start { launcher, ..program_with(&["--no-pid"]) });
        let whole = text(&blue).to_owned();
        for spelled in [&whole, "blue", "./blue", "below/../blue", "below//up", "absolute"] {
            let socket = port.open(path(spelled), 0).unwrap_or_else(|_| panic!("{spelled}"));
            assert_eq!(cookie(&socket), namespace.cookie);
        }
        drop(port);
        run("umount", [blue]);
    });
}

#[test]
fn what_is_wrong_otherwise_is_told_as_the_kernel_does() {
    let directory = Directory::new();
    symlink("loop", directory.join("loop")).expect("a link");
    fs::write(directory.join("file"), "").expect("a file");
    let mut port = Port::start(&program_with(&["--no-pid"]));
    let mut plain = Port::start(&program());
    let names = ["loop", "green", "file", "file/", "file/x", "file/.", "green/x", "", "bl\0ue"];
    for name in names {
        let spelled = match name {
            "" => String::new(),
            name => format!("{}/{name}", directory.path().display()),
        };
        let expected = plain.open(path(&spelled), 0).map(drop);
        assert_eq!(port.open(path(&spelled), 0).map(drop), expected, "{name:?}");
        assert!(expected.is_err());
    }
}
