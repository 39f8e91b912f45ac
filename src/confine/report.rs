use super::Privileges;
use nix::errno::Errno;
use nix::sys::prctl;

/// What the process has given up, for `info`.
#[derive(Debug)]
pub struct Report {
    /// What [`give_up_privileges`](super::give_up_privileges) left.
    pub privileges: Privileges,
    /// Whether the filter of system calls is there before anything of the client is read.
    pub seccomp: bool,
    /// Whether no `execve(2)` gives privileges any more: `PR_GET_NO_NEW_PRIVS(2const)`.
    pub no_new_privs: bool,
    /// Whether the same user's processes may trace this one: `PR_GET_DUMPABLE(2const)`.
    pub dumpable: bool,
}

impl Report {
    /// What was done, where it can be asked in the words of the kernel. `seccomp` is what the
    /// caller says of the filter, which is installed later.
    ///
    /// Fails with the error number of `prctl(2)`, for which it takes a kernel before 3.5 or a
    /// sandbox around the program.
    ///
    /// ```standalone_crate
    /// use linx_netlink_port::confine::{Report, Scope, give_up_privileges, start_afresh};
    ///
    /// start_afresh()?;
    /// let report = Report::new(give_up_privileges(&Scope::default())?, false)?;
    /// assert!(report.no_new_privs && !report.dumpable && !report.seccomp);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new(privileges: Privileges, seccomp: bool) -> Result<Report, Errno> {
        let no_new_privs = prctl::get_no_new_privs()?;
        let dumpable = prctl::get_dumpable()?;
        Ok(Report { privileges, seccomp, no_new_privs, dumpable })
    }
}
