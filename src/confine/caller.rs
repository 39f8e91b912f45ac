//! Whether the program may do more than whoever started it.

#![allow(unsafe_code)]

use nix::libc::{AT_SECURE, getauxval};

/// Whether the kernel gave the program privileges that its caller has not, as it does for a file with
/// capabilities: `AT_SECURE` of `getauxval(3)`.
///
/// ```
/// use linx_netlink_port::confine::is_more_than_caller;
///
/// assert!(!is_more_than_caller());
/// ```
pub fn is_more_than_caller() -> bool {
    // SAFETY: the call only reads what the kernel handed over at the start.
    unsafe { getauxval(AT_SECURE) != 0 }
}
