//! Which process `{pid, Pid}` names: the one of the program's own pid namespace, whatever /proc shows.

use crate::port::{Port, fails, pid, program, words};
use crate::probe::{without, without_argument};
use crate::scene::{Directory, Namespace, cookie, run};
use linx_netlink_client::Start;
use linx_netlink_port::netns::PIDFD_GET_NET_NAMESPACE;
use nix::errno::Errno;
use nix::libc;
use std::ffi::OsString;
use std::sync::mpsc::channel;
use std::thread;

/// The process that is in the namespace, by its number in the pid namespace of the program.
const RESIDENT: u32 = 2;

/// The ways to the answer: the kernel gives it; it knows pidfds, but not this request; it knows no pidfds.
fn ways() -> [Vec<OsString>; 3] {
    let request = PIDFD_GET_NET_NAMESPACE as u32;
    [
        Vec::new(),
        without_argument(libc::SYS_ioctl, request, Errno::ENOTTY),
        without(libc::SYS_pidfd_open, Errno::ENOSYS),
    ]
}

fn behind(launcher: Vec<OsString>) -> Port {
    Port::start(&Start { launcher, ..program() })
}

/// The program in a pid namespace of its own, in which the second process is in `namespace`.
fn in_a_pid_namespace(namespace: &Namespace, options: &[&str], way: Vec<OsString>) -> Port {
    let directory = Directory::new();
    let ready = directory.join("ready");
    run("mkfifo", [&ready]);
    let ready = ready.to_str().expect("UTF-8");
    let inside = "nsenter --net=/proc/self/fd/9 sh -c 'echo >\"$0\"; exec sleep 1000' \"$0\" >/dev/null &\n\
        read ready <\"$0\"\n\
        exec \"$@\"";
    let path = namespace.path();
    let outside = ["sh", "-c", "exec 9<\"$0\"; exec \"$@\"", &path];
    let unshare = ["unshare", "--pid", "--fork", "--kill-child"];
    let shell = ["sh", "-c", inside, ready];
    let launcher = words(&[&outside[..], &unshare, options, &shell].concat());
    behind(launcher.into_iter().chain(way).collect())
}

#[test]
fn it_is_the_one_of_the_programs_own_pid_namespace() {
    let namespace = Namespace::new();
    let [asked, shown, _] = ways();
    for way in [asked, shown] {
        let mut port = in_a_pid_namespace(&namespace, &[], way);
        let socket = port.open(pid(RESIDENT), 0).expect("a socket");
        assert_eq!(cookie(&socket), namespace.cookie);
        // /proc shows it, and it has no number where the program is.
        let outer = port.open(pid(std::process::id()), 0).map(drop);
        assert_eq!(outer, fails("open", Errno::ESRCH));
    }
}

#[test]
fn it_is_none_where_nothing_shows_which_one_it_is() {
    let namespace = Namespace::new();
    let [_, _, blind] = ways();
    let mut port = in_a_pid_namespace(&namespace, &[], blind.clone());
    for number in [1, RESIDENT, std::process::id()] {
        assert_eq!(port.open(pid(number), 0).map(drop), fails("open", Errno::ENOENT));
    }
    // With a /proc of its own, that shows it.
    let mut port = in_a_pid_namespace(&namespace, &["--mount-proc"], blind);
    assert_eq!(cookie(&port.open(pid(RESIDENT), 0).expect("a socket")), namespace.cookie);
}

#[test]
fn a_thread_that_leads_no_process_is_none() {
    let ((tell, told), (stop, stopped)) = (channel(), channel::<()>());
    let follower = thread::spawn(move || {
        tell.send(rustix::thread::gettid()).expect("the test listens");
        // Until the test ends.
        let _ = stopped.recv();
    });
    let follower_id = told.recv().expect("its id").as_raw_nonzero().get() as u32;
    let answers = ways().map(|way| behind(way).open(pid(follower_id), 0).map(drop));
    drop(stop);
    follower.join().expect("the thread ends");
    assert_eq!(answers, [0; 3].map(|_| fails("open", Errno::ESRCH)));
}

#[test]
fn a_process_is_found_in_each_way() {
    let namespace = Namespace::new();
    for way in ways() {
        let socket = behind(way).open(pid(namespace.pid()), 0).expect("a socket");
        assert_eq!(cookie(&socket), namespace.cookie);
    }
}
