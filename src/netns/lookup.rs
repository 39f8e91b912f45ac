//! The ways from a path to a file, which is found without being opened (`O_PATH`).
//!
//! Where policy forbids some ways, each name is looked up by itself, in the directory that was
//! found before, and symbolic links are not followed by the kernel. `openat2(2)` could do it in one
//! call, but its flags are in memory, where a filter of system calls cannot see them: allowing it
//! would allow files to be opened for writing.

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat, readlinkat};
use nix::sys::stat::Mode;
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;

/// As many symbolic links as the kernel follows in one path: `path_resolution(7)`.
const MAX_LINKS: usize = 40;

/// Finds `path` as `open(2)` would. That makes a system call of another name with some C libraries.
pub fn anywhere(path: &[u8]) -> Result<OwnedFd, Errno> {
    openat(AT_FDCWD, path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
}

/// A name in a directory, without a way out of it.
#[derive(Clone, Copy, Debug)]
pub struct InDirectory<'a> {
    directory: &'a [u8],
    name: &'a [u8],
}

impl<'a> InDirectory<'a> {
    /// `None` if `name` is not one name of a file.
    pub fn new(directory: &'a [u8], name: &'a [u8]) -> Option<Self> {
        let is_name = !name.contains(&b'/') && !matches!(name, b"" | b"." | b"..");
        is_name.then_some(InDirectory { directory, name })
    }
}

/// Finds a file in a directory; `EACCES` if it is a symbolic link.
///
/// The directory is whoever's who wrote the command line, so its own path may lead anywhere. It is
/// looked up each time, since the first `ip netns add` mounts something over /run/netns.
pub fn in_directory(place: InDirectory<'_>) -> Result<OwnedFd, Errno> {
    let directory = anywhere(&[place.directory, b"/"].concat())?;
    match step(&directory, place.name)? {
        Step::File(file) => Ok(file),
        Step::Link { .. } => Err(Errno::EACCES),
    }
}

/// Finds `path`; `EACCES` if the way goes through procfs, wherever that is mounted and whatever
/// symbolic links lead there.
pub fn outside_procfs(path: &[u8]) -> Result<OwnedFd, Errno> {
    walk(path, &mut |step| if step.is_on_procfs()? { Err(Errno::EACCES) } else { Ok(()) })
}

/// Whether the way goes through a link of procfs that leads to what a process has open, to its
/// directories or its executable. The kernel lets those who may trace the process follow it, into
/// directories that they may not enter otherwise: `proc_pid_cwd(5)`.
pub fn through_magic_link(path: &[u8]) -> bool {
    let mut found = false;
    // As far as it can be walked.
    let _ = walk(path, &mut |step| {
        found = step.is_magic_link()?;
        if found { Err(Errno::EXDEV) } else { Ok(()) }
    });
    found
}

/// Finds `path` name by name, and shows each step to `look`, whose error ends the walk.
fn walk(path: &[u8], look: &mut dyn FnMut(&Step) -> Result<(), Errno>) -> Result<OwnedFd, Errno> {
    if path.is_empty() {
        return Err(Errno::ENOENT);
    }
    let mut at = start(path, look)?;
    // What is still to come, the next name last.
    let mut rest = names(path);
    let mut links = 0;
    while let Some(name) = rest.pop() {
        let step = step(&at, &name)?;
        look(&step)?;
        match step {
            Step::File(file) => at = file,
            Step::Link { target, .. } => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(Errno::ELOOP);
                }
                if target.starts_with(b"/") {
                    at = start(&target, look)?;
                }
                rest.extend(names(&target));
            }
        }
    }
    Ok(at)
}

/// The directory in which the lookup of `path` starts.
fn start(path: &[u8], look: &mut dyn FnMut(&Step) -> Result<(), Errno>) -> Result<OwnedFd, Errno> {
    let directory = Step::File(anywhere(if path.starts_with(b"/") { b"/" } else { b"." })?);
    look(&directory)?;
    match directory {
        Step::File(file) | Step::Link { link: file, .. } => Ok(file),
    }
}

/// The names in `path`, in reverse order.
fn names(path: &[u8]) -> Vec<Vec<u8>> {
    let mut names: Vec<_> = path
        .split(|byte| *byte == b'/')
        .filter(|name| !name.is_empty())
        .map(<[u8]>::to_vec)
        .collect();
    if path.ends_with(b"/") {
        // What has a slash behind it is a directory.
        names.push(b".".to_vec());
    }
    names.reverse();
    names
}

/// What one name leads to.
enum Step {
    File(OwnedFd),
    Link { link: OwnedFd, target: Vec<u8> },
}

impl Step {
    fn is_on_procfs(&self) -> Result<bool, Errno> {
        let (Step::File(file) | Step::Link { link: file, .. }) = self;
        Ok(fstatfs(file)?.filesystem_type() == PROC_SUPER_MAGIC)
    }

    /// By their targets: other links of procfs lead to relative paths, and those in `ns` to namespaces.
    fn is_magic_link(&self) -> Result<bool, Errno> {
        const TARGETS: [&[u8]; 4] = [b"/", b"pipe:", b"socket:", b"anon_inode:"];
        match self {
            Step::Link { target, .. } if TARGETS.iter().any(|it| target.starts_with(it)) => {
                self.is_on_procfs()
            }
            _ => Ok(false),
        }
    }
}

fn step(directory: &OwnedFd, name: &[u8]) -> Result<Step, Errno> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let found = openat(directory, name, flags, Mode::empty())?;
    match readlinkat(&found, c"") {
        Ok(target) => Ok(Step::Link { link: found, target: target.into_vec() }),
        // readlink(2): no symbolic link, the path being empty or not.
        Err(Errno::ENOENT | Errno::EINVAL) => Ok(Step::File(found)),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_in_the_order_in_which_they_are_taken() {
        let taken = |path: &[u8]| {
            let mut names = names(path);
            names.reverse();
            names
                .into_iter()
                .map(|name| String::from_utf8_lossy(&name).into_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(taken(b"/run//netns/blue"), ["run", "netns", "blue"]);
        assert_eq!(taken(b"a/../b/"), ["a", "..", "b", "."]);
        assert_eq!(taken(b"/"), ["."]);
    }

    #[test]
    fn only_one_name_is_in_a_directory() {
        for name in [&b""[..], b".", b"..", b"a/b", b"/a", b"a/", b"../a"] {
            assert!(InDirectory::new(b"/run/netns", name).is_none(), "{name:?}");
        }
        for name in [&b"a"[..], b"...", b" ", b"\xff", b"a..b"] {
            assert!(InDirectory::new(b"/run/netns", name).is_some(), "{name:?}");
        }
    }
}
