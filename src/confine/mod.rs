//! Before the first thread is started and the first byte of the client is read, the process gives
//! up what it does not need.
//!
//! The steps, in the order of `main.rs`: [`standard_streams_are_harmless`], before anything is
//! written; [`start_again_without_environment`], and so without what came by it; [`start_afresh`], what a
//! process inherits from whoever starts it; [`raise_descriptor_limit`]; [`give_up_privileges`]; and, when everything that takes
//! more is done, [`restrict_system_calls`].

mod caller;
mod capabilities;
mod crashes;
mod descriptors;
mod ending;
mod environment;
mod limits;
mod panics;
mod process;
mod report;
mod restart;
mod scope;
pub mod seccomp;
mod streams;
mod threads;

pub use caller::{caller_may_configure, is_more_than_caller};
pub use capabilities::{BoundingSet, Held, Privileges, give_up_privileges};
pub use crashes::die_of_crashes;
pub use ending::end;
pub use limits::raise_descriptor_limit;
pub use panics::end_on_panic;
pub use report::Report;
pub use restart::start_again_without_environment;
pub use scope::Scope;
pub use seccomp::install as restrict_system_calls;
pub use streams::standard_streams_are_harmless;

use std::io;

/// Leaves behind what the process inherited: descriptors, environment, file mode mask, core dumps,
/// priorities, being traced, and what was to be done about a crash.
///
/// The working directory is kept: a client's relative paths are resolved in it.
///
/// Fails if the process has more than one thread, before anything is changed: what a preloaded library
/// has started would keep its privileges, and go on to use its descriptors. Fails where there is no
/// `close_range(2)` and /proc/self/fd cannot be read, if a `close(2)` fails
/// (`EIO`), and where a sandbox around the program refuses `setrlimit(2)` or `prctl(2)`.
///
/// ```standalone_crate
/// use linx_netlink_port::confine::start_afresh;
///
/// start_afresh()?;
/// assert_eq!(std::env::vars_os().count(), 0);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn start_afresh() -> io::Result<()> {
    threads::must_be_one()?;
    die_of_crashes()?;
    descriptors::close_inherited()?;
    environment::empty();
    limits::forbid_core_dumps()?;
    limits::forbid_priorities()?;
    process::set_umask();
    process::forbid_dumping()?;
    process::forbid_new_privileges()?;
    Ok(())
}
