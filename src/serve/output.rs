use crate::confine::{Held, end};
use crate::wire::Reply;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::io::{Errno, write};
use std::io::stdout;
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};

/// Writes replies to stdout, one frame at a time, and without the program's capabilities: stdout is
/// what the client handed over.
#[derive(Debug)]
pub struct Output {
    turn: Mutex<()>,
    held: Held,
}

impl Output {
    pub fn new(held: Held) -> Self {
        Output { turn: Mutex::new(()), held }
    }

    /// Writes one frame; waits while the client does not read. Ends the program if the client has
    /// closed its end, since nobody is left to work for.
    pub fn send(&self, reply: &Reply<'_>) {
        let reply = reply.encode();
        // No reply is much longer than a request may be.
        let header = (reply.len() as u32).to_be_bytes();
        let frame = [&header[..], &reply].concat();
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.held.lay_down_for(|| write_all(&frame)).is_err() {
            end(1);
        }
    }
}

fn write_all(mut rest: &[u8]) {
    while !rest.is_empty() {
        match write(stdout(), rest) {
            Ok(count) => rest = &rest[count..],
            Err(Errno::INTR) => {}
            // Whoever started the program made it so.
            Err(Errno::AGAIN) => wait_for_room(),
            Err(_) => end(0),
        }
    }
}

fn wait_for_room() {
    let stdout = stdout();
    // An error here is one of the next write, too.
    let _ = poll(&mut [PollFd::new(stdout.as_fd(), PollFlags::POLLOUT)], PollTimeout::NONE);
}
