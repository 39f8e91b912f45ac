//! The environment, which says things about the client that are none of the program's business,
//! and steers libraries: `GLIBC_TUNABLES`, `LD_*`, `RUST_BACKTRACE`, `ld.so(8)`.

#![allow(unsafe_code)]

use nix::libc::{c_char, clearenv, strlen};
use std::ptr::write_volatile;

unsafe extern "C" {
    /// `environ(7)`. The libc crate knows it for glibc only.
    static mut environ: *const *mut c_char;
}

/// Whether there is nothing in the environment. Ask before a second thread is there.
pub fn is_empty() -> bool {
    // SAFETY: as in `empty`.
    unsafe { environ.is_null() || (*environ).is_null() }
}

/// Empties the environment, and overwrites what it was: clearing alone would leave the client's
/// secrets in memory, and in /proc/self/environ. (What stays there is GLIBC_TUNABLES, of which glibc
/// has made a copy; it has had its effect before `main`.) Call it before a second thread is there.
pub fn empty() {
    // SAFETY: the process has one thread, so that nobody reads or changes `environ` meanwhile. It
    // is null, or an array of strings up to a null pointer (`environ(7)`), which the kernel put
    // into writable memory of this process; one may be a copy that glibc made of GLIBC_TUNABLES.
    // Nobody holds on to one: the standard library copies what it is asked for.
    unsafe {
        let mut entry = environ;
        while !entry.is_null() && !(*entry).is_null() {
            overwrite(*entry);
            entry = entry.add(1);
        }
        clearenv();
    }
}

/// Fills a string with NUL bytes.
///
/// # Safety
///
/// `string` ends with a NUL byte, is writable, and nobody else uses it.
unsafe fn overwrite(string: *mut c_char) {
    // SAFETY: the bytes up to the first NUL belong to the string, as the caller promises.
    unsafe {
        for index in 0..strlen(string) {
            write_volatile(string.add(index), 0);
        }
    }
}
