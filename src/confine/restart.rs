//! The program, started once more without its client's environment.

#![allow(unsafe_code)]

use super::environment;
use nix::libc::{AT_EXECFN, c_char, getauxval};
use nix::sys::prctl;
use nix::unistd::execve;
use std::env::args_os;
use std::ffi::{CStr, CString, OsStr};
use std::fs::metadata;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;

/// The program's own file, whatever became of its path. No client can start the program by this name,
/// under which each process finds itself: so it says that the program has started itself.
const ITSELF: &CStr = c"/proc/self/exe";

/// What the kernel would call a process that was started by the program's path.
const NAME: &CStr = c"linx-netlink-port";

/// The environment instead. glibc's malloc shares two arenas among all threads then, and does not read
/// from /sys, in the middle of a request, how many processors there are: that takes a descriptor.
const ENVIRONMENT: [&CStr; 1] = [c"MALLOC_ARENA_MAX=2"];

/// Replaces the process by the same program without its client's environment, unless that is empty, or
/// this was done. What the environment made the loader or a library do before `main` is undone by it:
/// `LD_PRELOAD`, `GLIBC_TUNABLES`, `MALLOC_CONF`. Arguments and privileges are the same: the kernel
/// gives those of the program's file as it did the first time, `execve(2)`.
///
/// Where the program can't be started once more, it goes on. That is so without /proc, and where the
/// loader was started by its own name, `ld.so(8)`.
///
/// ```standalone_crate
/// use linx_netlink_port::confine::start_again_without_environment;
///
/// start_again_without_environment();
/// // Here, it has been started again.
/// assert!(std::env::vars_os().all(|(name, _)| name == "MALLOC_ARENA_MAX"));
/// ```
pub fn start_again_without_environment() {
    if started_as() == ITSELF {
        // Nothing is wrong with a process that has the name of the link.
        let _ = prctl::set_name(NAME);
    } else if !environment::is_empty() && is_one_file(started_as(), ITSELF) {
        let arguments: Result<Vec<_>, _> =
            args_os().map(|it| CString::new(it.into_vec())).collect();
        if let Ok(arguments) = arguments {
            // It comes back if that is refused.
            let _ = execve(ITSELF, &arguments, &ENVIRONMENT);
        }
    }
}

/// The name under which the program was started: `AT_EXECFN` of `getauxval(3)`.
fn started_as() -> &'static CStr {
    // SAFETY: the kernel hands over a string that stays where it is, or there is none and this is null.
    unsafe {
        let name = getauxval(AT_EXECFN) as *const c_char;
        if name.is_null() { c"" } else { CStr::from_ptr(name) }
    }
}

fn is_one_file(one: &CStr, other: &CStr) -> bool {
    let identity = |path: &CStr| {
        let file = metadata(OsStr::from_bytes(path.to_bytes())).ok()?;
        Some((file.dev(), file.ino()))
    };
    identity(one).is_some_and(|file| identity(other) == Some(file))
}
