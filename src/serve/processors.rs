//! On which processors a thread may run: `sched_setaffinity(2)`.
//!
//! A new thread begins on the processor that has least to do in that moment. That may be the one on which a
//! client has just had its answer and asks again, and it has to wait there until the thread has run. So threads
//! begin on the processor of the one that starts them, and may go anywhere when they have begun.

use nix::sched::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use nix::unistd::Pid;

const CALLING_THREAD: Pid = Pid::from_raw(0);

/// The processors that the threads of the program may run on, if there are several, and not more than can be
/// told by a `CpuSet`.
#[derive(Clone, Copy, Debug)]
pub struct Processors(Option<CpuSet>);

impl Processors {
    /// Those of the calling thread.
    pub fn own() -> Processors {
        let all = sched_getaffinity(CALLING_THREAD).ok();
        Processors(all.filter(|all| members(all).nth(1).is_some()))
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

    /// The calling thread may run on all of them.
    pub fn free_caller(self) {
        if let Some(all) = &self.0 {
            // If that is not allowed, neither was it bound.
            let _ = sched_setaffinity(CALLING_THREAD, all);
        }
    }
}

/// The numbers of the processors of a set.
fn members(set: &CpuSet) -> impl Iterator<Item = usize> {
    (0..CpuSet::count()).filter(|number| set.is_set(*number).unwrap_or(false))
}

/// The calling thread stays on the processor that it runs on. It goes on as before if that can't be had.
fn bind_caller() {
    let mut here = CpuSet::new();
    if sched_getcpu().and_then(|number| here.set(number)).is_ok() {
        let _ = sched_setaffinity(CALLING_THREAD, &here);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::spawn;

    /// How many the calling thread may run on.
    fn count() -> usize {
        members(&sched_getaffinity(CALLING_THREAD).expect("sched_getaffinity(2)")).count()
    }

    #[test]
    fn a_thread_begins_on_one_processor_and_may_go_to_all_when_it_is_free() {
        let counts = spawn(|| {
            let all = count();
            let own = Processors::own();
            let started = own.begin_here(|| {
                spawn(move || {
                    let first = count();
                    own.free_caller();
                    (first, count())
                })
            });
            (all, count(), started.join().expect("a thread"))
        });
        let (all, own, started) = counts.join().expect("a thread");
        assert_eq!((own, started), (all, (1, all)));
    }

    #[test]
    fn with_one_processor_nothing_is_bound() {
        let own = spawn(|| {
            bind_caller();
            Processors::own()
        });
        assert!(own.join().expect("a thread").0.is_none());
    }
}
