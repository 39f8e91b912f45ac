use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{Errno, write};
use std::io::stdin;
use std::os::fd::OwnedFd;

/// Edge-triggered: each time that something arrives, one thread is told.
const ARRIVES: EventFlags = EventFlags::IN.union(EventFlags::ET);

/// What wakes a thread that has nothing to do: input, or another thread.
///
/// Threads wait in the kernel for stdin itself, not for each other (`epoll(7)`). What arrives wakes
/// one of them, and the one that it wakes is the one that serves: nobody has to be woken in its
/// place before it can begin.
#[derive(Debug)]
pub struct Bell {
    epoll: OwnedFd,
    ringing: OwnedFd,
}

impl Bell {
    /// Hangs up a bell, which rings at once if there is input already.
    pub fn new() -> Result<Bell, Errno> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let ringing = eventfd(0, EventfdFlags::CLOEXEC)?;
        epoll::add(&epoll, &ringing, EventData::new_u64(0), ARRIVES)?;
        let bell = Bell { epoll, ringing };
        match epoll::add(&bell.epoll, stdin(), EventData::new_u64(0), ARRIVES) {
            // A plain file or /dev/null, which nobody ever has to wait for.
            Err(Errno::PERM) => bell.ring(),
            outcome => outcome?,
        }
        Ok(bell)
    }

    /// Waits until the bell rings. There may be nothing to read any more by then.
    pub fn wait(&self) {
        let mut events = Vec::with_capacity(1);
        // A signal is a ring for nothing.
        let _ = epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), None);
    }

    /// Does not ring for input while somebody is looking for it himself.
    pub fn hush_for<T>(&self, look: impl FnOnce() -> T) -> T {
        // A plain file has no bell; nobody is woken in vain then.
        let _ = epoll::modify(&self.epoll, stdin(), EventData::new_u64(0), EventFlags::ET);
        let found = look();
        // It rings if there is input by now.
        let _ = epoll::modify(&self.epoll, stdin(), EventData::new_u64(0), ARRIVES);
        found
    }

    /// Wakes one thread, or the next one that waits.
    pub fn ring(&self) {
        // Nobody reads the counter: each write is a ring. It is full after 2^64-2 of them.
        let _ = write(&self.ringing, &1_u64.to_ne_bytes());
    }
}
