//! How long a thread may run before others have their turn: `sched_setattr(2)`.
//!
//! A client's thread that waits for an answer may be looking for it, on the processor on which a thread of
//! the program was woken to serve it. One whose slice is shorter than that of the one that runs mostly gets
//! the processor at once (Linux 6.12). It gets no more of it than others for that.

#![allow(unsafe_code)]

use nix::libc::{SCHED_OTHER, SYS_sched_getattr, SYS_sched_setattr, sched_attr, syscall};
use std::mem::{MaybeUninit, size_of};
use std::thread::yield_now;

/// In nanoseconds: less than what others have, 700,000 times a number that grows with that of the processors;
/// and more than it takes to serve a request after a pause.
const SHORT: u64 = 500_000;
/// More than what others have, and no more than a thread that has answered may be held up by them.
const LONG: u64 = 5_000_000;

/// The slices of the threads of the program, where the kernel lets it choose them: how they are scheduled
/// otherwise.
#[derive(Clone, Copy)]
pub struct Slice(Option<sched_attr>);

impl std::fmt::Debug for Slice {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Slice").field(&self.0.is_some()).finish()
    }
}

impl Slice {
    /// Gives the calling thread a short slice, and with it all that it starts from now on. Where the program was
    /// started with another policy than the usual one, that is left alone.
    pub fn short() -> Slice {
        let usual = attributes().filter(|it| it.sched_policy == SCHED_OTHER as u32);
        // An older kernel says yes and does nothing.
        let is_short = || attributes().is_some_and(|it| it.sched_runtime == SHORT);
        Slice(usual.filter(|it| set(it, SHORT) && is_short()))
    }

    /// Whoever waits for this processor runs before the calling thread goes on.
    pub fn give_way(self) {
        if let Some(attributes) = &self.0 {
            set(attributes, LONG);
        }
        yield_now();
    }
}

/// How the calling thread is scheduled.
fn attributes() -> Option<sched_attr> {
    let mut attributes = MaybeUninit::<sched_attr>::zeroed();
    let size = size_of::<sched_attr>();
    // SAFETY: the kernel writes no more than `size` bytes, which is what there is room for. All of them may
    // be anything, so that those which it leaves alone are zero.
    unsafe {
        let told = syscall(SYS_sched_getattr, 0, attributes.as_mut_ptr(), size, 0);
        (told == 0).then(|| attributes.assume_init())
    }
}

/// Gives the calling thread a slice of so many nanoseconds. Returns whether it has it.
fn set(attributes: &sched_attr, slice: u64) -> bool {
    let attributes = sched_attr { sched_runtime: slice, ..*attributes };
    // SAFETY: the kernel only reads, as many bytes as the first of them says.
    unsafe { syscall(SYS_sched_setattr, 0, &raw const attributes, 0) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::spawn;

    /// Of the calling thread; 0 where the kernel knows of none.
    fn slice() -> u64 {
        attributes().expect("sched_getattr(2)").sched_runtime
    }

    #[test]
    fn a_thread_that_is_started_later_has_a_short_slice_until_it_gives_way() {
        let slices = spawn(|| {
            let usual = slice();
            let short = Slice::short();
            let of_another = spawn(move || {
                let first = slice();
                short.give_way();
                (first, slice())
            });
            (usual, slice(), of_another.join().expect("a thread"))
        });
        let (usual, own, of_another) = slices.join().expect("a thread");
        // Before Linux 6.12 they can be asked for, and are not given.
        if usual == 0 {
            assert_eq!((own, of_another), (0, (0, 0)));
        } else {
            assert!(SHORT < usual);
            assert_eq!((own, of_another), (SHORT, (SHORT, LONG)));
        }
    }
}
