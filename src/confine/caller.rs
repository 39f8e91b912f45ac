//! Whether the program may do more than whoever started it.

#![allow(unsafe_code)]

use nix::errno::Errno;
use nix::libc::{AT_SECURE, getauxval};
use rustix::thread::{CapabilitySet, capabilities};

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

/// Whether the caller could configure a network himself: the program has no more privileges than he
/// has, or he has passed `CAP_NET_ADMIN` on in his inheritable set, into which nobody can put what he
/// has not. Ask before the sets are emptied.
///
/// Fails with the error number of `capget(2)`, for which it takes a sandbox around the program.
///
/// ```
/// use linx_netlink_port::confine::caller_may_configure;
///
/// assert_eq!(caller_may_configure(), Ok(true));
/// ```
pub fn caller_may_configure() -> Result<bool, Errno> {
    if !is_more_than_caller() {
        return Ok(true);
    }
    let sets = capabilities(None).map_err(|errno| Errno::from_raw(errno.raw_os_error()))?;
    Ok(sets.inheritable.contains(CapabilitySet::NET_ADMIN))
}
