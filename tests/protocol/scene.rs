//! What the tests put around the program: directories, namespaces, mounts.
//! Everything here goes away when it is dropped, also after a failed test.

use std::ffi::CString;
use std::fs::{DirBuilder, File};
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::ptr::null;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use nix::libc;
use nix::sched::{CloneFlags, setns, unshare};

use crate::etf::{Term, atom, binary, int, tuple};
use crate::socket;

const ROOT_NEEDED: &str = "these tests need root (CAP_SYS_ADMIN) to make namespaces and mounts";

/// A directory of the test's own, mode 0700.
pub struct Directory {
    path: PathBuf,
}

impl Directory {
    pub fn new() -> Directory {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("linx-protocol-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        DirBuilder::new().mode(0o700).create(&path).expect("a directory for the test");
        Directory { path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Runs `work` in a thread of its own and hands on its result or its panic.
pub fn in_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(work).join()).unwrap_or_else(|panic| resume_unwind(panic))
}

/// A network namespace kept alive by a process inside it.
pub struct Namespace {
    keeper: Child,
    /// What `SO_NETNS_COOKIE` says of a socket that was opened inside.
    pub cookie: u64,
}

impl Namespace {
    /// A thread steps into a fresh namespace, looks at it from within, and
    /// starts the process that stays there. No one has to wait for anything:
    /// the child is inside from its first instruction. It is a `cat` whose
    /// stdin is ours, so that it ends even when the test is killed.
    pub fn new() -> Namespace {
        in_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect(ROOT_NEEDED);
            let cookie = socket::cookie_here();
            let keeper = Command::new("cat")
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()
                .expect("cat starts");
            Namespace { keeper, cookie }
        })
    }

    /// A namespace as a container has it: of another user, and below a user
    /// namespace of its own.
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

    /// `Netns` as a path.
    pub fn by_path(&self) -> Term {
        binary(self.path())
    }

    /// `Netns` as `{pid, Pid}`.
    pub fn by_pid(&self) -> Term {
        tuple([atom("pid"), int(self.pid())])
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

/// The cookie of the namespace behind `path`, by a thread that goes there.
pub fn cookie_of(path: &str) -> u64 {
    let file = File::open(path).expect("a namespace file");
    in_thread(|| {
        setns(file.as_fd(), CloneFlags::CLONE_NEWNET).expect(ROOT_NEEDED);
        socket::cookie_here()
    })
}

/// Runs a test in a thread whose mounts are its own: what it mounts is seen
/// by the processes that it starts and by nobody else, and ends with them.
pub fn with_private_mounts(test: impl FnOnce() + Send) {
    in_thread(|| {
        unshare(CloneFlags::CLONE_NEWNS).expect(ROOT_NEEDED);
        mount(None, Path::new("/"), None, libc::MS_REC | libc::MS_PRIVATE, None);
        test();
    });
}

/// Puts `source` at `target` too. Only inside `with_private_mounts`.
pub fn bind_mount(source: &Path, target: &Path) {
    mount(Some(source), target, None, libc::MS_BIND, None);
}

/// mount(2), which must succeed.
fn mount(
    source: Option<&Path>,
    target: &Path,
    kind: Option<&str>,
    flags: libc::c_ulong,
    data: Option<&str>,
) {
    let string = |bytes: &[u8]| CString::new(bytes).expect("no NUL byte");
    let source = source.map(|s| string(s.as_os_str().as_bytes()));
    let target = string(target.as_os_str().as_bytes());
    let kind = kind.map(|k| string(k.as_bytes()));
    let data = data.map(|d| string(d.as_bytes()));
    let pointer = |s: &Option<CString>| s.as_ref().map_or(null(), |s| s.as_ptr());
    // SAFETY: every pointer is null or a NUL-terminated string that outlives
    // the call.
    let result = unsafe {
        libc::mount(pointer(&source), target.as_ptr(), pointer(&kind), flags, pointer(&data).cast())
    };
    let error = std::io::Error::last_os_error();
    assert_eq!(result, 0, "mount at {target:?}: {error}");
}

/// A file system that never answers, as a dead file server's would: whoever
/// opens a path in it waits until this is dropped. Only inside
/// `with_private_mounts`.
pub struct StuckMount {
    device: Option<File>,
    directory: Directory,
}

impl StuckMount {
    pub fn new() -> StuckMount {
        let device = File::options()
            .read(true)
            .write(true)
            .open("/dev/fuse")
            .expect("/dev/fuse, for a file system that never answers");
        let directory = Directory::new();
        let options = format!("fd={},rootmode=40000,user_id=0,group_id=0", device.as_raw_fd());
        let source = Some(Path::new("stuck"));
        mount(source, directory.path(), Some("fuse"), 0, Some(&options));
        StuckMount { device: Some(device), directory }
    }

    /// `Netns`: a path that can't be opened and can't be refused.
    pub fn netns(&self) -> Term {
        binary(self.directory.join("netns").as_os_str().as_bytes())
    }
}

impl Drop for StuckMount {
    /// Closing the device makes every waiting call fail. The mount has to go
    /// before the directory does, and without being touched.
    fn drop(&mut self) {
        drop(self.device.take());
        let path = CString::new(self.directory.path().as_os_str().as_bytes());
        let path = path.expect("no NUL byte");
        // SAFETY: the path is a NUL-terminated string that outlives the call.
        unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) };
    }
}
