use super::check::check;
use super::{NetnsFile, lookup, process};
use crate::wire::{Failure, Netns, Stage};
use nix::errno::Errno;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The kernel's `PATH_MAX`, which counts the NUL byte at the end.
const PATH_MAX: usize = 4096;

/// Finds namespaces, those that policy allows.
#[derive(Debug)]
pub struct Finder {
    /// Where the namespaces are that may be asked for, without a slash at the end; anywhere if
    /// there are none.
    directories: Vec<Vec<u8>>,
    /// Whether a process may be named, by its id or by a path through procfs.
    processes: bool,
}

impl Finder {
    /// `directories` are absolute paths, and the only ones in which namespaces are found, by their
    /// names; with none, they are found anywhere. `processes` says whether a process may be named.
    ///
    /// ```
    /// use linx_netlink_port::netns::Finder;
    /// use linx_netlink_port::wire::Netns;
    ///
    /// let finder = Finder::new(&["/run/netns".into()], false);
    /// let failure = finder.find(&Netns::Path(b"/proc/self/ns/net".into())).unwrap_err();
    /// assert_eq!(failure.to_string(), "open: Permission denied");
    /// ```
    pub fn new(directories: &[PathBuf], processes: bool) -> Finder {
        let directories = directories.iter().map(|it| without_slashes(it)).collect();
        Finder { directories, processes }
    }

    /// Opens the namespace that `netns` names.
    ///
    /// Opening a FIFO or a device has effects, and can hang. So the file is found without opening
    /// it (`O_PATH`), must be on nsfs, and only then is opened for reading.
    ///
    /// Fails at the stage `open` as `open(2)` does; with `EACCES` for what policy forbids too,
    /// `EINVAL` for a path with a NUL byte, `ENAMETOOLONG` for one of 4096 bytes or more, `ESRCH` if
    /// there is no such process in the program's own pid namespace. Fails at the stage `setns` with `EINVAL` for a file that is no
    /// network namespace.
    ///
    /// ```
    /// use linx_netlink_port::netns::Finder;
    /// use linx_netlink_port::wire::Netns;
    ///
    /// let finder = Finder::new(&[], true);
    /// assert!(finder.find(&Netns::Path(b"/proc/self/ns/net".into())).is_ok());
    /// let failure = finder.find(&Netns::Path(b"/dev/null".into())).unwrap_err();
    /// assert_eq!(failure.to_string(), "setns: Invalid argument");
    /// ```
    pub fn find(&self, netns: &Netns) -> Result<NetnsFile, Failure> {
        match netns {
            Netns::Path(path) => {
                let found = self.find_path(path).map_err(Stage::Open.fails()).and_then(check);
                found.map_err(|failure| self.told(path, failure))
            }
            Netns::Pid(_) if !self.processes || !self.directories.is_empty() => {
                Err(Stage::Open.fails()(Errno::EACCES))
            }
            Netns::Pid(pid) => process::find(*pid),
        }
    }

    fn find_path(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        if path.len() >= PATH_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        if path.contains(&0) {
            return Err(Errno::EINVAL);
        }
        if !self.directories.is_empty() {
            lookup::in_directory(self.split(path).ok_or(Errno::EACCES)?)
        } else if !self.processes {
            lookup::outside_procfs(path)
        } else {
            lookup::anywhere(path)
        }
    }

    /// What the client is told of a failure. Through a magic link of procfs the program may get into
    /// directories that the client may not enter: so he isn't told which of the files there are.
    fn told(&self, path: &[u8], failure: Failure) -> Failure {
        let tells_of_a_file = match failure.stage {
            Stage::Open => match failure.errno {
                Errno::EACCES | Errno::ENOTDIR | Errno::ELOOP => true,
                // Of a name, which is looked at where its directory is there; not of the path.
                Errno::ENAMETOOLONG => path.len() < PATH_MAX,
                _ => false,
            },
            _ => failure.errno == Errno::EINVAL,
        };
        let anywhere = self.directories.is_empty() && self.processes;
        if tells_of_a_file && anywhere && lookup::through_magic_link(path) {
            Stage::Open.fails()(Errno::ENOENT)
        } else {
            failure
        }
    }

    /// Splits `path` into one of the directories and a name, byte by byte: what is spelled in
    /// another way is not in it.
    fn split<'a>(&'a self, path: &'a [u8]) -> Option<lookup::InDirectory<'a>> {
        self.directories.iter().find_map(|directory| {
            let name = path.strip_prefix(&directory[..])?.strip_prefix(b"/")?;
            lookup::InDirectory::new(directory, name)
        })
    }
}

fn without_slashes(path: &Path) -> Vec<u8> {
    let path = path.as_os_str().as_bytes();
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    path[..end].to_vec()
}
