//! What stdin, stdout and stderr may be.
//!
//! The client chooses them, and the program has privileges that the client may not have. The kernel
//! asks who *writes* to a netlink socket, or to a file of its own such as those in /proc. So a reply,
//! or a mere message, that the program writes to what it was handed would be written with the
//! program's rights.

use nix::libc::{S_IFCHR, S_IFIFO, S_IFMT, S_IFREG, S_IFSOCK, major, minor};
use nix::sys::statfs::{
    CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, DEBUGFS_MAGIC, FsType, PROC_SUPER_MAGIC,
    SECURITYFS_MAGIC, SYSFS_MAGIC, TRACEFS_MAGIC, fstatfs,
};
use rustix::fs::fstat;
use rustix::net::AddressFamily;
use rustix::net::sockopt::socket_domain;
use std::io::{IsTerminal, stderr, stdin, stdout};
use std::os::fd::{AsFd, BorrowedFd};

/// The file systems whose files are the kernel's: to write there is to tell the kernel something.
const KERNEL_FILE_SYSTEMS: [FsType; 7] = [
    PROC_SUPER_MAGIC,
    SYSFS_MAGIC,
    CGROUP_SUPER_MAGIC,
    CGROUP2_SUPER_MAGIC,
    DEBUGFS_MAGIC,
    TRACEFS_MAGIC,
    SECURITYFS_MAGIC,
];

/// The numbers of /dev/null: `null(4)`.
const NULL_DEVICE: (u32, u32) = (1, 3);

/// Whether the program may read from its stdin, and write to its stdout and stderr: each of them is
/// a pipe, a plain file, a terminal, the null device or a unix socket. Ask before anything is
/// written.
///
/// ```standalone_crate
/// use linx_netlink_port::confine::standard_streams_are_harmless;
/// use std::os::fd::OwnedFd;
/// use std::process::Command;
///
/// if std::env::args().count() == 1 {
///     let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
///     let mut again = Command::new(std::env::current_exe()?);
///     assert!(again.arg("again").stderr(OwnedFd::from(socket)).status()?.success());
/// } else {
///     assert!(!standard_streams_are_harmless());
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn standard_streams_are_harmless() -> bool {
    is_harmless(stdin().as_fd()) && is_harmless(stdout().as_fd()) && is_harmless(stderr().as_fd())
}

/// What cannot be looked at is not harmless.
fn is_harmless(stream: BorrowedFd<'_>) -> bool {
    let Ok(file) = fstat(stream) else { return false };
    match file.st_mode & S_IFMT {
        S_IFIFO => true,
        S_IFREG => fstatfs(stream)
            .is_ok_and(|system| !KERNEL_FILE_SYSTEMS.contains(&system.filesystem_type())),
        S_IFCHR => {
            (major(file.st_rdev), minor(file.st_rdev)) == NULL_DEVICE || stream.is_terminal()
        }
        S_IFSOCK => socket_domain(stream).is_ok_and(|domain| domain == AddressFamily::UNIX),
        _ => false,
    }
}
