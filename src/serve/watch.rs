use super::Server;
use super::leave::read_to_the_end;
use super::received::State;
use super::thread::start_small;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// When the client is gone, requests that are still in the pipe get this many milliseconds, so
/// that the end of file can be read behind them.
const LAST_READS: u8 = 50;

/// How many threads close at the same time what the client sent. Each may be held up by one descriptor.
const MOST_CLOSERS: usize = 8;

/// How many may wait to be closed before no more are received.
const MOST_WAITING: usize = 64;

/// After so many milliseconds it is looked whether those that wait to be closed still do.
const PATIENCE: u8 = 100;

/// Ends the program when the client has closed stdin, [`LAST_READS`] later, and receives meanwhile what the
/// client sends over the pair. A thread does nothing but this, since every other may be stuck in a write to
/// the client, and would then never come to read the end of file.
pub fn watch(server: &'static Server) {
    let mut state = State::Open;
    loop {
        let waiting = server.closers.close_waiting(server);
        let listens = state == State::Open && waiting < MOST_WAITING;
        let timeout = if waiting > 0 { PollTimeout::from(PATIENCE) } else { PollTimeout::NONE };
        match wait(server, listens, timeout) {
            Ok(Event::End) => break,
            Ok(Event::Message) => {
                let mut to_close = Vec::new();
                state = server.received.receive_all(&server.pair, &mut to_close);
                server.closers.close(server, to_close);
            }
            Ok(Event::None) | Err(Errno::EINTR) => {}
            // Then the end of file must do, until another watches.
            Err(_) => return server.watching.store(false, Release),
        }
    }
    // Nothing to wait for but time.
    let _ = poll(&mut [], LAST_READS);
    read_to_the_end(server)
}

enum Event {
    /// The client has closed stdin.
    End,
    /// There is something on the pair.
    Message,
    None,
}

fn wait(server: &Server, listens: bool, timeout: PollTimeout) -> Result<Event, Errno> {
    let stdin = io::stdin();
    // No event is asked for; that all writers are gone is told nevertheless.
    let mut polled = [
        PollFd::new(stdin.as_fd(), PollFlags::empty()),
        PollFd::new(server.pair.as_fd(), PollFlags::POLLIN),
    ];
    let count = if listens { 2 } else { 1 };
    poll(&mut polled[..count], timeout)?;
    let happened = |one: &PollFd<'_>| one.any() != Some(false);
    Ok(match &polled {
        [stdin, _] if happened(stdin) => Event::End,
        [_, pair] if listens && happened(pair) => Event::Message,
        _ => Event::None,
    })
}

/// Closes what the client sent, in threads that may be held up by it.
#[derive(Debug, Default)]
pub struct Closers {
    waiting: Mutex<Vec<OwnedFd>>,
    count: AtomicUsize,
}

impl Closers {
    /// Closes descriptors, sooner or later.
    pub fn close(&self, server: &'static Server, mut descriptors: Vec<OwnedFd>) {
        if !descriptors.is_empty() {
            self.lock().append(&mut descriptors);
            self.close_waiting(server);
        }
    }

    /// Starts one more thread if any wait, and says how many do.
    fn close_waiting(&self, server: &'static Server) -> usize {
        let waiting = self.lock().len();
        let one_more = |count| (count < MOST_CLOSERS).then_some(count + 1);
        if waiting > 0
            && self.count.fetch_update(AcqRel, Acquire, one_more).is_ok()
            && start_small(|| server.closers.close_all()).is_err()
        {
            self.count.fetch_sub(1, AcqRel);
        }
        waiting
    }

    fn close_all(&self) {
        loop {
            let next = self.lock().pop();
            match next {
                // Not under the lock.
                Some(next) => drop(next),
                None => break,
            }
        }
        self.count.fetch_sub(1, AcqRel);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<OwnedFd>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
