//! On which processors a thread may run: `sched_setaffinity(2)`.
//!
//! A new thread begins on the processor that has least to do in that moment. That may be the one on which a
//! client has just had its answer and asks again, and it has to wait there until the thread has run. So threads
//! begin on the processor of the one that starts them, and may go anywhere when they have begun.

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use nix::unistd::Pid;

const CALLING_THREAD: Pid = Pid::from_raw(0);

/// The processors that the threads of the program may run on, if there are several, and not more than can be
/// told by a `CpuSet`.
///
/// What somebody else has said of a thread later (`taskset -p`) does not hold for those that are started after it.
#[derive(Clone, Copy, Debug)]
pub struct Processors(Option<CpuSet>);

impl Processors {
    /// Those of the calling thread. If these are all that its cpuset has, they will be all of it also when that
    /// has become another one.
    pub fn own() -> Processors {
        let own = sched_getaffinity(CALLING_THREAD).ok();
        let several = own.filter(|own| members(own).nth(1).is_some());
        let kept = Processors(several.and_then(|own| {
            allow(&everything()).ok()?;
            Some(sched_getaffinity(CALLING_THREAD).map_or(own, |all| to_keep_to(own, all)))
        }));
        kept.free_caller();
        kept
    }

    /// What the calling thread starts meanwhile begins on the processor that it runs on itself, and stays there
    /// until it [is free](Processors::free_caller).
    pub fn begin_here<T>(self, start: impl FnOnce() -> T) -> T {
        if self.0.is_some() {
            bind_caller();
        }
        let started = start();
        self.free_caller();
        started
    }

    /// The calling thread may run on all of them; on whatever its cpuset has, if that has none of them any longer.
    pub fn free_caller(self) {
        if let Some(own) = &self.0 {
            // Where neither is allowed, it was not bound either.
            let _ = allow(own).or_else(|_none_of_them| allow(&everything()));
        }
    }
}

/// What to keep to: the thread's own, if somebody has chosen them from those that the cpuset has.
fn to_keep_to(own: CpuSet, all: CpuSet) -> CpuSet {
    if own == all { everything() } else { own }
}

/// As many processors as can be told. The kernel takes those of them that the cpuset of a thread has.
fn everything() -> CpuSet {
    let mut set = CpuSet::new();
    for number in 0..CpuSet::count() {
        // There are no more than these.
        let _ = set.set(number);
    }
    set
}

/// The numbers of the processors of a set.
fn members(set: &CpuSet) -> impl Iterator<Item = usize> {
    (0..CpuSet::count()).filter(|number| set.is_set(*number).unwrap_or(false))
}

/// The calling thread stays on the processor that it runs on. It goes on as before if that can't be had.
fn bind_caller() {
    let mut here = CpuSet::new();
    if sched_getcpu().and_then(|number| here.set(number)).is_ok() {
        let _ = allow(&here);
    }
}

fn allow(processors: &CpuSet) -> Result<(), Errno> {
    sched_setaffinity(CALLING_THREAD, processors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::spawn;

    fn set(numbers: impl IntoIterator<Item = usize>) -> CpuSet {
        let mut set = CpuSet::new();
        for number in numbers {
            set.set(number).expect("the number of a processor");
        }
        set
    }

    /// Those that the calling thread may run on.
    fn allowed() -> Vec<usize> {
        members(&sched_getaffinity(CALLING_THREAD).expect("sched_getaffinity(2)")).collect()
    }

    #[test]
    fn a_thread_begins_on_one_processor_and_may_go_to_all_when_it_is_free() {
        let outcome = spawn(|| {
            let before = allowed();
            let own = Processors::own();
            let started = own.begin_here(|| {
                spawn(move || {
                    let first = allowed();
                    own.free_caller();
                    (first.len(), allowed())
                })
            });
            (before, allowed(), started.join().expect("a thread"))
        });
        let (before, after, started) = outcome.join().expect("a thread");
        assert_eq!((&after, started), (&before, (1, before.clone())));
    }

    #[test]
    fn with_one_processor_nothing_is_bound() {
        let own = spawn(|| {
            bind_caller();
            Processors::own()
        });
        assert!(own.join().expect("a thread").0.is_none());
    }

    #[test]
    fn those_that_somebody_has_chosen_are_kept_to() {
        let (all, chosen) = (set([0, 1, 2, 3]), set([1, 3]));
        assert_eq!(to_keep_to(chosen, all), chosen);
        assert_eq!(to_keep_to(all, all), everything());
    }

    #[test]
    fn where_none_of_them_is_there_any_longer_a_thread_goes_where_it_may() {
        let outcome = spawn(|| {
            allow(&everything()).expect("sched_setaffinity(2)");
            let all = allowed();
            bind_caller();
            Processors(Some(set([CpuSet::count() - 1]))).free_caller();
            (all, allowed())
        });
        let (all, after) = outcome.join().expect("a thread");
        assert_eq!(after, all);
    }
}
