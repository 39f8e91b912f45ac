//! What network namespaces there are to open.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::statfs::{NSFS_MAGIC, statfs};

/// Where `ip netns add` keeps its names.
pub const NAMES: &str = "/run/netns";

/// A namespace: its inode, its names under [`NAMES`], and one of its processes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Namespace {
    pub inode: u64,
    pub names: Vec<OsString>,
    /// The process with the lowest pid, and what it is called.
    pub process: Option<(u32, Vec<u8>)>,
}

/// The names under [`NAMES`], in order; none where there is no such directory.
pub fn names() -> Vec<OsString> {
    let mut names: Vec<OsString> = fs::read_dir(NAMES)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    names.sort();
    names
}

/// Every namespace that has a name, or a process that one may look at, by inode.
pub fn namespaces() -> Vec<Namespace> {
    let mut found: BTreeMap<u64, Namespace> = BTreeMap::new();
    for name in names() {
        // A name is a mount; one that is none (or no more) leads nowhere.
        let path = Path::new(NAMES).join(&name);
        let Ok(link) = fs::metadata(&path) else { continue };
        if statfs(&path).is_ok_and(|fs| fs.filesystem_type() == NSFS_MAGIC) {
            found.entry(link.ino()).or_default().names.push(name);
        }
    }
    for pid in pids() {
        let Ok(inode) = fs::metadata(format!("/proc/{pid}/ns/net")).map(|file| file.ino()) else {
            continue;
        };
        let namespace = found.entry(inode).or_default();
        if namespace.process.is_none() {
            let command = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
            namespace.process = Some((pid, command.trim_ascii_end().to_vec()));
        }
    }
    let numbered = |(inode, namespace)| Namespace { inode, ..namespace };
    found.into_iter().map(numbered).collect()
}

/// The processes there are, in order.
fn pids() -> Vec<u32> {
    let mut pids: Vec<u32> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable();
    pids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ones_own_namespace_is_among_them_with_its_first_process() {
        let own = fs::metadata("/proc/thread-self/ns/net").unwrap().ino();
        let all = namespaces();
        let found = all.iter().find(|namespace| namespace.inode == own).unwrap();
        let (pid, _) = found.process.clone().unwrap();
        assert!(pid <= std::process::id());
    }
}
