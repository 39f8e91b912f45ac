use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::stat::{Mode, umask};

/// Whatever the process might create is its user's alone.
pub fn set_umask() {
    umask(Mode::S_IRWXG | Mode::S_IRWXO);
}

/// Keeps the other processes of the same user, the client's among them, from tracing this one and
/// from opening its descriptors in /proc: `PR_SET_DUMPABLE(2const)`, `ptrace(2)`.
pub fn forbid_dumping() -> Result<(), Errno> {
    prctl::set_dumpable(false)
}

/// No `execve(2)` gives privileges from here on: `PR_SET_NO_NEW_PRIVS(2const)`.
pub fn forbid_new_privileges() -> Result<(), Errno> {
    prctl::set_no_new_privs()
}
