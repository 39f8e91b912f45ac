use super::{NetnsFile, lookup, nsfs};
use crate::wire::{Failure, Netns, Stage};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use nix::sys::statfs::{NSFS_MAGIC, fstatfs};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
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
    /// there is no such process. Fails at the stage `setns` with `EINVAL` for a file that is no
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
            Netns::Pid(pid) => find_pid(*pid),
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

/// A file that was found becomes one that is known to be a network namespace.
fn check(found: OwnedFd) -> Result<NetnsFile, Failure> {
    let no_namespace = || Stage::Setns.fails()(Errno::EINVAL);
    let file_system = fstatfs(&found).map_err(Stage::Open.fails())?;
    if file_system.filesystem_type() != NSFS_MAGIC {
        // Whatever its permissions: a name of `ip netns` that is not mounted has none at all.
        return Err(no_namespace());
    }
    let path = format!("/proc/self/fd/{}", found.as_raw_fd());
    let file = openat(AT_FDCWD, path.as_str(), OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(Stage::Open.fails())?;
    match nsfs::is_network_namespace(&file) {
        Ok(true) => Ok(NetnsFile(file)),
        Ok(false) | Err(Errno::ENOTTY) => Err(no_namespace()),
        Err(errno) => Err(Stage::Setns.fails()(errno)),
    }
}

/// Opens the namespace of a process, and of no other that got its id in the meantime.
fn find_pid(pid: i32) -> Result<NetnsFile, Failure> {
    let no_process = || Stage::Open.fails()(Errno::ESRCH);
    let path = format!("/proc/{pid}/ns/net");
    let pidfd = match Pid::from_raw(pid).map(|pid| pidfd_open(pid, PidfdFlags::empty())) {
        None => return Err(no_process()),
        Some(Ok(pidfd)) => Some(pidfd),
        // A kernel before 5.3 has no pidfds; a sandbox around us may refuse them.
        Some(Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM)) => None,
        Some(Err(errno)) => return Err(Stage::Open.fails()(errno)),
    };
    let found = lookup::anywhere(path.as_bytes()).map_err(|errno| match errno {
        Errno::ENOENT => no_process(),
        _ => Stage::Open.fails()(errno),
    })?;
    let file = check(found)?;
    match pidfd {
        Some(pidfd) if has_ended(&pidfd)? => Err(no_process()),
        // The process lives, so its id was its own when the file was opened.
        _ => Ok(file),
    }
}

/// Whether the process of a pidfd has ended: `pidfd_open(2)`, "Polling".
fn has_ended(pidfd: &OwnedFd) -> Result<bool, Failure> {
    let mut ended = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
    let ready = poll(&mut ended, PollTimeout::ZERO).map_err(Stage::Open.fails())?;
    Ok(ready > 0)
}
