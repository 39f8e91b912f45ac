use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the soft limit of open descriptors to the hard one: a request may hold 253 of them.
///
/// Fails with the error number of `getrlimit(2)` or `setrlimit(2)`, but not with `EPERM`, which is
/// for a hard limit above `fs.nr_open`: the soft limit stays as it is then.
///
/// ```standalone_crate
/// use linx_netlink_port::confine::raise_descriptor_limit;
/// use nix::sys::resource::{Resource, getrlimit};
///
/// raise_descriptor_limit()?;
/// let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
/// assert_eq!(soft, hard);
/// # Ok::<(), nix::errno::Errno>(())
/// ```
pub fn raise_descriptor_limit() -> Result<(), Errno> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        // The hard one is above what the system allows by now (fs.nr_open). The soft one must do.
        Err(Errno::EPERM) => Ok(()),
        outcome => outcome,
    }
}

/// Nothing of what the process holds is ever written to a file, `core(5)`.
pub fn forbid_core_dumps() -> Result<(), Errno> {
    setrlimit(Resource::RLIMIT_CORE, 0, 0)
}

/// No thread gets the processor before others by another policy, or by a smaller nice value, `sched(7)`.
pub fn forbid_priorities() -> Result<(), Errno> {
    setrlimit(Resource::RLIMIT_RTPRIO, 0, 0)?;
    setrlimit(Resource::RLIMIT_NICE, 0, 0)
}
