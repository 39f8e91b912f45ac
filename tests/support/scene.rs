//! What tests put around the program: directories, namespaces, mounts. Everything goes away when it
//! is dropped, also after a failed test.

// Each test program uses a part of it.
#![allow(dead_code)]

use nix::libc;
use nix::sched::{CloneFlags, unshare};
use std::ffi::OsStr;
use std::fs::{DirBuilder, remove_dir_all};
use std::mem::size_of_val;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
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

fn in_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(work).join()).unwrap_or_else(|panic| resume_unwind(panic))
}

/// A network namespace, kept by a process in it. The process ends when its stdin is closed, so also
/// when the test is killed.
pub struct Namespace {
    keeper: Child,
    pub cookie: u64,
}

impl Namespace {
    pub fn new() -> Namespace {
        in_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect(ROOT_NEEDED);
            let cookie = cookie_here();
            let mut cat = Command::new("cat");
            let keeper = cat.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("cat");
            Namespace { keeper, cookie }
        })
    }

    pub fn pid(&self) -> u32 {
        self.keeper.id()
    }

    pub fn path(&self) -> String {
        format!("/proc/{}/ns/net", self.pid())
    }

    /// Gives the namespace a name, as `ip netns add` does. Only in [`with_private_mounts`].
    pub fn bind(&self, target: &Path) {
        std::fs::write(target, "").expect("a file to mount on");
        run("mount", [OsStr::new("--bind"), self.path().as_ref(), target.as_ref()]);
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

/// Runs a test in a thread whose mounts are its own. The programs that it starts see them, and they
/// end with it.
pub fn with_private_mounts<T: Send>(test: impl FnOnce() -> T + Send) -> T {
    in_thread(|| {
        unshare(CloneFlags::CLONE_NEWNS).expect(ROOT_NEEDED);
        run("mount", ["--make-rprivate", "/"]);
        test()
    })
}

/// The cookie of the namespace in which the calling thread is.
pub fn cookie_here() -> u64 {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    let flags = SocketFlags::CLOEXEC;
    cookie(&socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None).expect("a socket"))
}

/// The cookie of the namespace in which a socket is.
pub fn cookie(socket: &OwnedFd) -> u64 {
    const SO_NETNS_COOKIE: libc::c_int = 71;
    let mut cookie = 0_u64;
    let mut length = size_of_val(&cookie) as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to `cookie`, and the length.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    cookie
}
