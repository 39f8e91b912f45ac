//! Libraries that are there before `main`, with threads of their own.

use crate::crashes::end;
use crate::port::{PROGRAM, Port, atom, number, path, program, tuple, words};
use crate::probe::without;
use crate::scene::{Directory, run, with_private_mounts};
use eetf::Map;
use linx_netlink_client::Start;
use nix::errno::Errno;
use nix::libc;
use std::collections::HashMap;
use std::fs::{read_dir, read_to_string, write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Output};

const SENTENCE: &str =
    "linx-netlink-port: a library has started a thread in it before its own start";

/// What has glibc do in each thread, or with each block, what it doesn't do otherwise: in whichever version.
const TUNABLES: &str = "GLIBC_TUNABLES=glibc.mem.decorate_maps=1:glibc.pthread.stack_hugetlb=0:\
                        glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4096:glibc.malloc.perturb=1";

/// The library, with more options for the compiler.
fn library(directory: &Directory, options: &[&str]) -> PathBuf {
    let library = directory.join("preloaded.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/confinement/preloaded.c");
    let output = library.to_str().expect("UTF-8");
    run("cc", [&["-shared", "-fPIC", "-pthread", "-o", output, source], options].concat());
    library
}

/// Does `test` where every program is started with the library.
fn preloaded_everywhere<T: Send>(options: &[&str], test: impl FnOnce() -> T + Send) -> T {
    with_private_mounts(|| {
        let directory = Directory::new();
        let list = library(&directory, options).into_os_string().into_string().expect("UTF-8");
        let etc = directory.join("etc");
        run("cp", ["--archive".as_ref(), "/etc".as_ref(), etc.as_os_str()]);
        run("mount", ["--bind".as_ref(), etc.as_os_str(), "/etc".as_ref()]);
        write("/etc/ld.so.preload", list).expect("a file in a copy of /etc");
        let outcome = test();
        run("umount", ["--lazy", "/etc"]);
        outcome
    })
}

fn explained(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8(output.stderr.clone()).expect("UTF-8");
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

#[test]
fn what_came_by_the_environment_is_gone() {
    let directory = Directory::new();
    let preload = format!("LD_PRELOAD={}", library(&directory, &["-DTHREAD"]).display());
    let tunables = "GLIBC_TUNABLES=glibc.malloc.check=3";
    // It is really loaded: what says so is a program of the same kind.
    let maps = Command::new("env").args([&preload, "cat", "/proc/self/maps"]).output();
    let maps = String::from_utf8(maps.expect("env").stdout).expect("UTF-8");
    assert!(maps.contains("preloaded.so"), "{maps}");

    let launcher = words(&["env", &preload, tunables]);
    let mut port = Port::start(&Start { launcher, ..program() });
    let maps = String::from_utf8(port.proc("maps")).expect("UTF-8");
    assert!(!maps.contains("preloaded.so"), "{maps}");
    assert!(port.proc("environ").iter().all(|byte| *byte == 0));
    assert!(port.open(path("/proc/self/ns/net"), 0).is_ok());
    for task in read_dir(format!("/proc/{}/task", port.os_pid())).expect("its threads") {
        // One may end between the listing and this.
        let Ok(status) = read_to_string(task.expect("a thread").path().join("status")) else {
            continue;
        };
        assert!(
            status.contains("Seccomp:\t2\n") && status.contains("NoNewPrivs:\t1\n"),
            "{status}"
        );
    }
}

#[test]
fn with_threads_that_come_by_other_ways_it_does_not_start() {
    let output = preloaded_everywhere(&["-DTHREAD"], || {
        Command::new(PROGRAM).arg("--version").output().expect("the program")
    });
    let text = explained(&output);
    assert!(text.starts_with(SENTENCE) && text.contains("/etc/ld.so.preload"), "{text}");
    assert!(output.stdout.is_empty());
}

#[test]
fn threads_are_seen_where_a_sandbox_refuses_the_call_that_tells() {
    let launcher = without(libc::SYS_unshare, Errno::EPERM);
    let mut port = Port::start(&Start { launcher: launcher.clone(), ..program() });
    assert!(port.open(path("/proc/self/ns/net"), 0).is_ok());
    let output = preloaded_everywhere(&["-DTHREAD"], || {
        let [sh, rest @ ..] = &launcher[..] else { panic!("a launcher") };
        Command::new(sh).args(rest).args([PROGRAM, "--version"]).output().expect("the program")
    });
    assert!(explained(&output).starts_with(SENTENCE));
}

#[test]
fn a_fault_in_a_library_is_told_as_one() {
    let mut port = preloaded_everywhere(&["-DFAULT"], || Port::start(&program()));
    let (netns, options) =
        (path("/proc/self/ns/net"), Map::from(HashMap::from([(atom("groups"), number(1))])).into());
    let open = tuple([atom("open_in_netns"), netns, number(0), options]);
    port.client.send(&tuple([number(1), open])).expect("a request is sent");
    assert_eq!(end(&mut port).signal(), Some(libc::SIGSEGV));
}

#[test]
fn what_tunables_have_the_c_library_do_ends_nothing_where_it_cannot_start_again() {
    let no_proc = "mount -t tmpfs none /proc; exec \"$@\"";
    let launcher = ["unshare", "--mount", "sh", "-c", no_proc, "sh", "env", TUNABLES];
    let mut port = Port::start(&Start { launcher: words(&launcher), ..program() });
    for _ in 0..20 {
        assert!(port.open(atom("new"), 0).is_ok());
    }
}

#[test]
fn a_library_that_sets_a_variable_each_time_does_not_make_it_start_for_ever() {
    let mut port = preloaded_everywhere(&[], || Port::start(&program()));
    assert!(port.open(path("/proc/self/ns/net"), 0).is_ok());
}

#[test]
fn its_arguments_and_its_names_stay() {
    let launcher = words(&["bash", "-c", "exec -a 'another name' \"$@\"", "bash"]);
    let arguments = words(&["--protocol", "0"]);
    let port = Port::start(&Start { launcher, arguments, ..program() });
    let line = String::from_utf8(port.proc("cmdline")).expect("UTF-8");
    let line: Vec<_> = line.split_terminator('\0').collect();
    assert_eq!(
        (line[0], line[1], &line[3..]),
        ("another name", "--rendezvous", &["--protocol", "0"][..])
    );
    assert_eq!(port.proc("comm"), b"linx-netlink-po\n");
}

#[test]
fn where_the_loader_is_its_executable_it_goes_on_and_empties_the_environment_itself() {
    let program_headers =
        "readelf --program-headers \"$0\" | sed -n 's/.*interpreter: \\(.*\\)]/\\1/p'";
    let loader = Command::new("sh").args(["-c", program_headers, PROGRAM]).output();
    let loader = String::from_utf8(loader.expect("sh").stdout).expect("UTF-8");
    // Of this one the C library may have made a copy, and what it was is then out of reach.
    let launcher = words(&["env", "--unset=GLIBC_TUNABLES", "SECRET=abcdefgh", loader.trim()]);
    let mut port = Port::start(&Start { launcher, ..program() });
    let left: Vec<u8> = port.proc("environ").into_iter().filter(|byte| *byte != 0).collect();
    assert_eq!(String::from_utf8_lossy(&left), "");
    assert!(port.open(path("/proc/self/ns/net"), 0).is_ok());
}
