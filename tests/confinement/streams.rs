//! What the client may hand to the program as stdin, stdout and stderr.

use crate::port::PROGRAM;
use crate::scene::{Directory, USER, run};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use std::fs::File;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const REFUSED: i32 = 4;
const NOBODY_LISTENS: i32 = 3;

/// The ways in which the program comes to more privileges than its user.
fn deployments(directory: &Directory) -> [Vec<String>; 3] {
    let installed = directory.join("linx-netlink-port");
    run("install", [Path::new("--mode=0755"), Path::new(PROGRAM), &installed]);
    run("setcap", [Path::new("cap_sys_admin,cap_net_admin,cap_sys_ptrace=ep"), &installed]);
    let installed = installed.to_str().expect("UTF-8").to_owned();
    let user = USER.to_string();
    let as_user = ["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups", &installed];
    // Behind a launcher that is root, as sudo is; root itself; an ordinary user.
    let behind_launcher = ["sh", "-c", "exec \"$0\" \"$@\"", PROGRAM];
    [vec![PROGRAM.into()], behind_launcher.map(Into::into).into(), as_user.map(Into::into).into()]
}

/// How the program ends if one of its streams is what `stream` opens.
fn status(deployment: &[String], arguments: &[&str], number: i32, stream: OwnedFd) -> i32 {
    let mut program = Command::new(&deployment[0]);
    program.args(&deployment[1..]).args(arguments);
    program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    match number {
        0 => program.stdin(stream),
        1 => program.stdout(stream),
        _ => program.stderr(stream),
    };
    let output = program.output().expect("the program");
    if output.status.code() == Some(REFUSED) {
        assert_eq!((&output.stdout[..], &output.stderr[..]), (&b""[..], &b""[..]));
    }
    output.status.code().expect("a status")
}

fn netlink() -> OwnedFd {
    socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, None).expect("a socket")
}

#[test]
fn no_stream_is_written_to_that_the_kernel_would_take_for_its_own() {
    let directory = Directory::new();
    let forbidden: [fn() -> OwnedFd; 5] = [
        netlink,
        || UdpSocket::bind("127.0.0.1:0").expect("a socket").into(),
        || TcpListener::bind("127.0.0.1:0").expect("a socket").into(),
        || File::options().write(true).open("/proc/self/comm").expect("a file").into(),
        || File::open("/dev/zero").expect("a device").into(),
    ];
    for deployment in deployments(&directory) {
        for open in forbidden {
            for number in 0..3 {
                // The texts for people are no exception.
                for arguments in [&["--rendezvous", "@nobody-listens-here"][..], &["--help"], &[]] {
                    let status = status(&deployment, arguments, number, open());
                    assert_eq!(status, REFUSED, "{deployment:?} {arguments:?} {number}");
                }
            }
        }
    }
}

#[test]
fn pipes_files_the_null_device_and_unix_sockets_are_what_streams_may_be() {
    let directory = Directory::new();
    let file = directory.join("file");
    File::create(&file).expect("a file");
    let open = |path: PathBuf| File::options().read(true).write(true).open(path).expect("a file");
    let allowed: [&dyn Fn() -> OwnedFd; 4] = [
        &|| nix::unistd::pipe().expect("a pipe").1,
        &|| open(file.clone()).into(),
        &|| open("/dev/null".into()).into(),
        &|| UnixDatagram::pair().expect("a pair").0.into(),
    ];
    for open in allowed {
        for number in 0..3 {
            let arguments = ["--rendezvous", "@nobody-listens-here"];
            assert_eq!(status(&[PROGRAM.into()], &arguments, number, open()), NOBODY_LISTENS);
        }
    }
}

#[test]
fn no_restriction_is_taken_off_by_somebody_who_has_less_privilege() {
    let directory = Directory::new();
    let [root, _, with_file_capabilities] = deployments(&directory);
    let null = || File::open("/dev/null").expect("a device").into();
    for widening in [&["--no-seccomp"][..], &["--max-buffer", "8388609"]] {
        let arguments = [&["--rendezvous", "@nobody-listens-here"], widening].concat();
        assert_eq!(status(&with_file_capabilities, &arguments, 0, null()), 2, "{widening:?}");
        assert_eq!(status(&root, &arguments, 0, null()), NOBODY_LISTENS, "{widening:?}");
    }
}
