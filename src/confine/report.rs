use super::Privileges;
use nix::errno::Errno;
use nix::sys::prctl;

/// What the process has given up, for `info`.
#[derive(Debug)]
pub struct Report {
    pub privileges: Privileges,
    /// Whether the filter of system calls is there before anything of the client is read.
    pub seccomp: bool,
    pub no_new_privs: bool,
    pub dumpable: bool,
}

impl Report {
    /// What was done, where it can be asked in the words of the kernel.
    pub fn new(privileges: Privileges, seccomp: bool) -> Result<Report, Errno> {
        let no_new_privs = prctl::get_no_new_privs()?;
        let dumpable = prctl::get_dumpable()?;
        Ok(Report { privileges, seccomp, no_new_privs, dumpable })
    }
}
