//! What tests put around the program: directories, namespaces, mounts. Everything goes away when it
//! is dropped, also after a failed test.

// Each test program uses a part of it.
#![allow(dead_code)]

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::socket::getsockopt;
use nix::{getsockopt_impl, libc, sockopt_impl};
use std::ffi::OsStr;
use std::fs::{DirBuilder, File, remove_dir_all};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::{env, process, thread};

const ROOT_NEEDED: &str = "these tests need root, to make namespaces and mounts";

/// An ordinary user, whom no machine knows.
pub const USER: u32 = 65_501;

/// A directory of the test's own that everybody may look into.
#[derive(Debug)]
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Directory {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("linx-port-test-{}-{}", process::id(), COUNT.fetch_add(1, Relaxed));
        let path = env::temp_dir().join(name);
        DirBuilder::new().mode(0o755).create(&path).expect("a directory for the test");
        Directory(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = remove_dir_all(&self.0);
    }
}

/// Runs a command, which must succeed.
pub fn run(program: &str, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) {
    let status = Command::new(program).args(arguments).status();
    let status = status.unwrap_or_else(|error| panic!("{program} cannot be run: {error}"));
    assert!(status.success(), "{program}: {status}");
}

/// Runs `work` in a thread of its own and hands on its result or its panic.
pub fn in_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(work).join()).unwrap_or_else(|panic| resume_unwind(panic))
}

/// A network namespace, kept by a process in it. The process ends when its stdin is closed, so also
/// when the test is killed.
#[derive(Debug)]
pub struct Namespace {
    keeper: Child,
    /// What [`cookie`] says of a socket that was opened inside.
    pub cookie: u64,
}

impl Namespace {
    /// No one has to wait for anything: the process is inside from its first instruction.
    pub fn new() -> Namespace {
        in_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect(ROOT_NEEDED);
            let cookie = cookie_here();
            let mut cat = Command::new("cat");
            let keeper = cat.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("cat");
            Namespace { keeper, cookie }
        })
    }

    /// A namespace as a container has it: of another user, and below a user namespace of its own.
    pub fn of_a_container() -> Namespace {
        let mut keeper = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .args(["unshare", "--user", "--map-root-user", "--net"])
            .args(["sh", "-c", "echo inside; exec cat >/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("setpriv starts");
        let mut inside = [0; 6];
        keeper.stdout.take().expect("its stdout").read_exact(&mut inside).expect("a namespace");
        let cookie = cookie_of(&format!("/proc/{}/ns/net", keeper.id()));
        Namespace { keeper, cookie }
    }

    pub fn pid(&self) -> u32 {
        self.keeper.id()
    }

    pub fn path(&self) -> String {
        format!("/proc/{}/ns/net", self.pid())
    }

    /// Gives the namespace a name, as `ip netns add` does. Only in [`with_private_mounts`].
    pub fn bind(&self, target: &Path) {
        bind(&self.path(), target);
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

/// Makes a file at `target` that is the one at `source`. Only in [`with_private_mounts`].
pub fn bind(source: &str, target: &Path) {
    File::create(target).expect("a file to mount on");
    let none = None::<&str>;
    mount(Some(source), target, none, MsFlags::MS_BIND, none).expect("a bind mount");
}

/// Runs a test in a thread whose mounts are its own. The programs that it starts see them, and they
/// end with it.
pub fn with_private_mounts<T: Send>(test: impl FnOnce() -> T + Send) -> T {
    in_thread(|| {
        unshare(CloneFlags::CLONE_NEWNS).expect(ROOT_NEEDED);
        let (private, none) = (MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>);
        mount(none, "/", none, private, none).expect(ROOT_NEEDED);
        test()
    })
}

/// The cookie of the namespace behind `path`, by a thread that goes there.
pub fn cookie_of(path: &str) -> u64 {
    cookie_of_netns(&File::open(path).expect("a namespace file"))
}

/// The same of the namespace that a descriptor is.
pub fn cookie_of_netns(netns: &(impl AsFd + Sync)) -> u64 {
    in_thread(|| {
        setns(netns, CloneFlags::CLONE_NEWNET).expect(ROOT_NEEDED);
        cookie_here()
    })
}

/// The cookie of the namespace in which the calling thread is.
pub fn cookie_here() -> u64 {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    let flags = SocketFlags::CLOEXEC;
    cookie(&socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None).expect("a socket"))
}

/// The cookie of the namespace in which a socket is.
pub fn cookie(socket: &impl AsFd) -> u64 {
    getsockopt(socket, NetnsCookie).expect("the cookie of a namespace")
}

sockopt_impl!(NetnsCookie, GetOnly, libc::SOL_SOCKET, libc::SO_NETNS_COOKIE, u64);
