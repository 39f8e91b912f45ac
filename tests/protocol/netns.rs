//! `Netns` as requests have it, for what stands around the program.

use std::os::unix::ffi::OsStrExt;

use crate::etf::{Term, atom, binary, int, tuple};
use crate::hanging::HangingMount;
use crate::scene::{Directory, Namespace};

impl Namespace {
    /// `Netns` as a path.
    pub fn by_path(&self) -> Term {
        binary(self.path())
    }

    /// `Netns` as `{pid, Pid}`.
    pub fn by_pid(&self) -> Term {
        tuple([atom("pid"), int(self.pid())])
    }
}

/// A file system that never answers, as a dead file server's would: whoever
/// opens a path in it waits until this is dropped. Only inside
/// `with_private_mounts`.
pub struct StuckMount {
    // Dropped in this order: the mount has to go before the directory does.
    mount: HangingMount,
    _directory: Directory,
}

impl StuckMount {
    pub fn new() -> StuckMount {
        let directory = Directory::new();
        let mount = HangingMount::at(directory.path()).expect("a file system that never answers");
        StuckMount { mount, _directory: directory }
    }

    /// `Netns`: a path that can't be opened and can't be refused.
    pub fn netns(&self) -> Term {
        binary(self.mount.path("netns").as_os_str().as_bytes())
    }
}
