use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use std::fs::read_dir;
use std::io;

const NOT_ALONE: &str = "a library has started a thread in it before its own start, which cannot be \
    confined: leave the library out (of /etc/ld.so.preload, which ld.so(8) reads for every program), or \
    take a program that is linked statically";

/// Fails if anybody else runs in this process: capabilities, `no_new_privs` and a filter of system
/// calls are each thread's own, so what a library started before `main` would keep all of them.
pub fn must_be_one() -> io::Result<()> {
    let one = match unshare(CloneFlags::CLONE_VM) {
        // unshare(2): it does nothing, and is refused to whoever shares his memory.
        Ok(()) => true,
        Err(Errno::EINVAL) => false,
        // A sandbox around us refuses the call.
        Err(_) => read_dir("/proc/self/task")
            .map_err(|cause| io::Error::other(format!("cannot count its threads: {cause}")))?
            .nth(1)
            .is_none(),
    };
    if one { Ok(()) } else { Err(io::Error::other(NOT_ALONE)) }
}
