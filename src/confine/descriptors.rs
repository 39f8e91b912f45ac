//! The descriptors that whoever starts the program left open.

#![allow(unsafe_code)]

use nix::errno::Errno;
use nix::libc;
use nix::unistd::close;
use std::fs::read_dir;
use std::io;
use std::os::fd::RawFd;

/// The first descriptor that is not one of the three standard streams. Those are open: the
/// runtime has put /dev/null in the place of any that was not.
const FIRST: RawFd = 3;

/// Closes every descriptor but the three standard streams. Call it first of all, when none is
/// owned by anything yet.
pub fn close_inherited() -> io::Result<()> {
    // SAFETY: nothing in this process owns a descriptor yet, since this is called first. Closing
    // touches no memory.
    let result = unsafe { libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, 0) };
    match Errno::result(result) {
        Ok(_) => Ok(()),
        // A kernel before 5.9, or a sandbox around us that does not know the call.
        Err(Errno::ENOSYS | Errno::EPERM) => close_listed(),
        Err(errno) => Err(errno.into()),
    }
}

/// Closes what /proc/self/fd lists. Counting up to `RLIMIT_NOFILE` would miss those that were
/// opened before the limit was lowered.
fn close_listed() -> io::Result<()> {
    let mut inherited = Vec::new();
    for entry in read_dir("/proc/self/fd")? {
        inherited.extend(entry?.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok()));
    }
    for descriptor in inherited.into_iter().filter(|descriptor| *descriptor >= FIRST) {
        // Nothing in this process owns a descriptor, see above; the one that listed the directory is
        // closed by now, and closing a number that is not open does nothing.
        match close(descriptor) {
            Ok(()) | Err(Errno::EBADF | Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}
