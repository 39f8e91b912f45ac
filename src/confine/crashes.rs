//! A crash that is told as what it is.

#![allow(unsafe_code)]

use nix::errno::Errno;
use nix::sys::signal::{SigHandler, Signal, signal};

/// Lets the process end by `SIGSEGV` and `SIGBUS` at once, whoever had a handler for them, or ignored them.
///
/// The standard library's handler takes itself off with `sigaction(2)` and comes back, for the same to happen
/// again. The filter of system calls would kill the process for it, and `SIGSYS` would be all that anybody hears.
///
/// ```standalone_crate
/// use linx_netlink_port::confine::die_of_crashes;
/// use std::os::unix::process::ExitStatusExt;
/// use std::process::Command;
///
/// if std::env::args().count() == 1 {
///     let again = Command::new(std::env::current_exe()?).arg("crashing").status()?;
///     assert_eq!(again.signal(), Some(nix::libc::SIGSEGV));
/// } else {
///     die_of_crashes()?;
///     let _ = Command::new("sh").args(["-c", "kill -SEGV $PPID"]).status();
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn die_of_crashes() -> Result<(), Errno> {
    for crash in [Signal::SIGSEGV, Signal::SIGBUS] {
        // SAFETY: no handler of this program's is set, and nothing relies on the one that was there.
        unsafe { signal(crash, SigHandler::SigDfl) }?;
    }
    Ok(())
}
