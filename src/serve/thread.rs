//! Threads that have a stack and nothing else.
//!
//! The standard library gives each thread a second stack, to report an overflow of the first from.
//! To map, guard and unmap it is a fifth of what a request costs. Without it an overflow is the same
//! end: the guard page of the stack, and a signal that nobody survives.

#![allow(unsafe_code)]

use nix::errno::Errno;
use nix::libc;
use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr;

/// A request needs some kilobytes of stack; decoding nests at most 8 deep.
const STACK_SIZE: usize = 128 * 1024;

/// Starts a thread for one request, or less: [`start`] with a stack that is large enough for that.
///
/// ```
/// use linx_netlink_port::serve::thread::start_small;
/// use std::sync::mpsc::channel;
///
/// let (sender, receiver) = channel();
/// start_small(move || drop(sender.send("done")))?;
/// assert_eq!(receiver.recv(), Ok("done"));
/// # Ok::<(), nix::errno::Errno>(())
/// ```
pub fn start_small(work: impl FnOnce() + Send + 'static) -> Result<(), Errno> {
    start(STACK_SIZE, work)
}

/// The attributes of a detached thread with a small stack.
struct Attributes(libc::pthread_attr_t);

impl Attributes {
    fn new(stack_size: usize) -> Result<Attributes, Errno> {
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: pthread_attr_init fills what it is given, and has done so if it returns 0.
        let mut attributes = Attributes(unsafe {
            check(libc::pthread_attr_init(attributes.as_mut_ptr()))?;
            attributes.assume_init()
        });
        let detached = libc::PTHREAD_CREATE_DETACHED;
        // SAFETY: the attributes have been initialised, and are nobody else's.
        unsafe {
            check(libc::pthread_attr_setdetachstate(&raw mut attributes.0, detached))?;
            check(libc::pthread_attr_setstacksize(&raw mut attributes.0, stack_size))?;
        }
        Ok(attributes)
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: they have been initialised, and are not used again.
        unsafe { libc::pthread_attr_destroy(&raw mut self.0) };
    }
}

/// Starts a thread that does `work` and ends, with a stack of so many bytes: `pthread_create(3)`.
///
/// Fails with `EAGAIN` when no thread can be had, for a limit or for want of memory, and with
/// `EINVAL` for a stack that is smaller than `PTHREAD_STACK_MIN`. `work` is dropped then.
///
/// ```
/// use linx_netlink_port::serve::thread::start;
/// use nix::errno::Errno;
/// use std::sync::mpsc::channel;
///
/// let (sender, receiver) = channel();
/// start(128 * 1024, move || drop(sender.send("done")))?;
/// assert_eq!(receiver.recv(), Ok("done"));
/// assert_eq!(start(1, || ()), Err(Errno::EINVAL));
/// # Ok::<(), Errno>(())
/// ```
pub fn start<F>(stack_size: usize, work: F) -> Result<(), Errno>
where
    F: FnOnce() + Send + 'static,
{
    let attributes = Attributes::new(stack_size)?;
    let mut thread = MaybeUninit::uninit();
    let work = Box::into_raw(Box::new(work));
    // SAFETY: `run` takes a pointer to an F, and `work` is one. It may cross to another thread, and
    // outlive this call, since F is Send and 'static.
    let started = check(unsafe {
        libc::pthread_create(thread.as_mut_ptr(), &raw const attributes.0, run::<F>, work.cast())
    });
    if started.is_err() {
        // SAFETY: no thread was started, so the box is still owned here.
        drop(unsafe { Box::from_raw(work) });
    }
    started
}

/// Where a thread begins: with a pointer from `Box::into_raw` to what it is to do.
extern "C" fn run<F: FnOnce()>(work: *mut c_void) -> *mut c_void {
    // SAFETY: `start` made the pointer, of this type, and gave it to this thread alone.
    let work = unsafe { Box::from_raw(work.cast::<F>()) };
    work();
    ptr::null_mut()
}

/// The functions of pthreads return their error number.
fn check(code: i32) -> Result<(), Errno> {
    if code == 0 { Ok(()) } else { Err(Errno::from_raw(code)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn a_thread_gets_what_it_is_to_work_on() {
        let (sender, receiver) = channel();
        let text = String::from("owned");
        start(128 * 1024, move || sender.send(text).expect("a receiver")).expect("a thread");
        assert_eq!(receiver.recv().as_deref(), Ok("owned"));
    }

    #[test]
    fn what_a_thread_that_was_not_started_would_have_worked_on_is_dropped() {
        let (sender, receiver) = channel::<()>();
        let outcome = start(1, move || drop(sender));
        assert_eq!(outcome, Err(Errno::EINVAL));
        assert!(receiver.recv().is_err());
    }
}
