//! `--netns-dir`: only names directly inside the directory.

use crate::port::{Port, fails, path, pid, program_with};
use crate::scene::{Directory, Namespace, cookie, run, with_private_mounts};
use nix::errno::Errno;
use std::fs;
use std::os::unix::fs::symlink;

/// A directory with a namespace `blue`, and a program that may open what is in there.
fn with_blue(test: impl FnOnce(&Directory, &Namespace, &mut Port) + Send) {
    with_private_mounts(|| {
        let (directory, namespace) = (Directory::new(), Namespace::new());
        let allowed = directory.join("netns");
        fs::create_dir(&allowed).expect("a directory");
        let blue = allowed.join("blue");
        namespace.bind(&blue);
        let mut port =
            Port::start(&program_with(&["--netns-dir", allowed.to_str().expect("UTF-8")]));
        test(&directory, &namespace, &mut port);
        drop(port);
        run("umount", ["--lazy".as_ref(), blue.as_os_str()]);
    });
}

fn bytes(directory: &Directory, name: &[u8]) -> Vec<u8> {
    let allowed = directory.join("netns");
    [allowed.to_str().expect("UTF-8").as_bytes(), name].concat()
}

#[test]
fn a_name_in_the_directory_is_opened() {
    with_blue(|directory, namespace, port| {
        let socket = port.open(path(bytes(directory, b"/blue")), 0).expect("a socket");
        assert_eq!(cookie(&socket), namespace.cookie);
    });
}

#[test]
fn what_is_not_one_name_in_the_directory_is_refused() {
    with_blue(|directory, namespace, port| {
        fs::create_dir(directory.join("netns/below")).expect("a directory");
        let mut refused: Vec<Vec<u8>> = [
            &b""[..],
            b"/",
            b"//",
            b"/.",
            b"/..",
            b"//blue",
            b"/./blue",
            b"/blue/",
            b"/blue/.",
            b"/../netns/blue",
            b"/below/../blue",
            b"/below/x",
            b"x/blue",
            b"/..//proc/self/ns/net",
        ]
        .iter()
        .map(|name| bytes(directory, name))
        .collect();
        refused.extend([
            b"".to_vec(),
            b"blue".to_vec(),
            b"/proc/self/ns/net".to_vec(),
            namespace.path().into_bytes(),
            [b"/", &bytes(directory, b"/blue")[..]].concat(),
            [b"/.", &bytes(directory, b"/blue")[..]].concat(),
            [b"/proc/self/root", &bytes(directory, b"/blue")[..]].concat(),
        ]);
        for spelled in refused {
            let outcome = port.open(path(&spelled), 0).map(drop);
            assert_eq!(outcome, fails("open", Errno::EACCES), "{}", spelled.escape_ascii());
        }
        assert_eq!(port.open(pid(namespace.pid()), 0).map(drop), fails("open", Errno::EACCES));
    });
}

#[test]
fn a_symbolic_link_in_the_directory_is_refused_wherever_it_leads() {
    with_blue(|directory, namespace, port| {
        let own = String::from("/proc/self/ns/net");
        let targets = [own, namespace.path(), "blue".into(), "..".into(), "/nowhere".into()];
        for (number, target) in targets.iter().enumerate() {
            let name = format!("link{number}");
            symlink(target, directory.join("netns").join(&name)).expect("a link");
            let spelled = bytes(directory, format!("/{name}").as_bytes());
            let outcome = port.open(path(spelled), 0).map(drop);
            assert_eq!(outcome, fails("open", Errno::EACCES), "{target}");
        }
    });
}

#[test]
fn other_failures_are_what_they_are_without_policy() {
    with_blue(|directory, _, port| {
        fs::write(directory.join("netns/file"), "").expect("a file");
        let mut open = |name: &[u8]| port.open(path(bytes(directory, name)), 0).map(drop);
        assert_eq!(open(b"/green"), fails("open", Errno::ENOENT));
        assert_eq!(open(b"/file"), fails("setns", Errno::EINVAL));
        assert_eq!(open(b"/bl\0ue"), fails("open", Errno::EINVAL));
        assert_eq!(open(&[b"/", &[b'a'; 5000][..]].concat()), fails("open", Errno::ENAMETOOLONG));
        assert_eq!(open(&[b"/", &[b'a'; 300][..]].concat()), fails("open", Errno::ENAMETOOLONG));
    });
}

#[test]
fn several_directories_are_allowed_and_slashes_behind_them() {
    with_private_mounts(|| {
        let (one, other, namespace) = (Directory::new(), Directory::new(), Namespace::new());
        for directory in [&one, &other] {
            namespace.bind(&directory.join("blue"));
        }
        let slashes = format!("{}//", other.path().display());
        let mut port = Port::start(&program_with(&[
            "--netns-dir",
            one.path().to_str().expect("UTF-8"),
            "--netns-dir",
            &slashes,
        ]));
        for directory in [&one, &other] {
            let blue = directory.join("blue");
            assert!(port.open(path(blue.to_str().expect("UTF-8")), 0).is_ok());
            run("umount", [blue]);
        }
    });
}

#[test]
fn what_is_mounted_over_the_directory_later_is_seen() {
    // As the first `ip netns add` does it.
    with_blue(|directory, namespace, port| {
        let allowed = directory.join("netns");
        run("mount", ["--bind".as_ref(), allowed.as_os_str(), allowed.as_os_str()]);
        namespace.bind(&allowed.join("green"));
        let outcome = port.open(path(bytes(directory, b"/green")), 0).map(drop);
        run("umount", ["--lazy".as_ref(), allowed.join("green").as_os_str()]);
        run("umount", ["--lazy".as_ref(), allowed.as_os_str()]);
        assert_eq!(outcome, Ok(()));
    });
}
