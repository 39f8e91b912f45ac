//! Network namespaces, mounts and directories of a test's own.

use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use std::fs::{self, DirBuilder, File};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::{process, thread};

const ROOT_NEEDED: &str = "these tests need root, to make namespaces and mounts";

/// A network namespace that lives as long as this descriptor of it.
#[derive(Debug)]
pub struct Namespace {
    file: File,
    /// What [`cookie`] says of a socket in it.
    pub cookie: u64,
}

impl Namespace {
    pub fn new() -> Namespace {
        in_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect(ROOT_NEEDED);
            let file = File::open("/proc/thread-self/ns/net").expect("the thread's namespace");
            let flags = SockFlag::SOCK_CLOEXEC;
            let protocol = SockProtocol::NetlinkRoute;
            let inside = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol);
            Namespace { file, cookie: cookie(&inside.expect("a socket")) }
        })
    }

    /// Where the program finds it.
    pub fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", process::id(), self.file.as_raw_fd()).into()
    }
}

/// Which namespace a socket is in.
#[allow(unsafe_code)]
pub fn cookie(socket: &OwnedFd) -> u64 {
    let mut cookie = 0_u64;
    let mut length = size_of::<u64>() as libc::socklen_t;
    // SAFETY: the kernel writes `length` bytes to `cookie` at most.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    assert_eq!(result, 0, "the cookie of a namespace: {}", std::io::Error::last_os_error());
    cookie
}

/// A directory of the test's own.
#[derive(Debug)]
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Directory {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("linx-faults-{}-{}", process::id(), COUNT.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        DirBuilder::new().mode(0o700).create(&path).expect("a directory");
        Directory(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Nothing else needs it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs a test in a thread whose mounts are seen by itself and the processes that it starts, and
/// end with them.
pub fn with_private_mounts(test: impl FnOnce() + Send) {
    in_thread(|| {
        unshare(CloneFlags::CLONE_NEWNS).expect(ROOT_NEEDED);
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>).expect(ROOT_NEEDED);
        test();
    });
}

fn in_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(work).join()).unwrap_or_else(|panic| resume_unwind(panic))
}
