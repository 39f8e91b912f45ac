use super::crew;
use crate::wire::Reply;
use rustix::io::{Errno, write};
use std::io::stdout;
use std::sync::{Mutex, PoisonError};

/// Writes replies to stdout, one frame at a time.
#[derive(Debug)]
pub struct Output(Mutex<()>);

impl Output {
    pub fn new() -> Self {
        Output(Mutex::new(()))
    }

    /// Writes one frame; waits while the client does not read. Ends the program if the client has
    /// closed its end, since nobody is left to work for.
    pub fn send(&self, reply: &Reply<'_>) {
        let reply = reply.encode();
        // The longest reply, 253 failures, is far below 2^32 bytes.
        let header = (reply.len() as u32).to_be_bytes();
        let frame = [&header[..], &reply].concat();
        let _turn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rest = &frame[..];
        while !rest.is_empty() {
            match write(stdout(), rest) {
                Ok(count) => rest = &rest[count..],
                Err(Errno::INTR) => {}
                Err(_) => crew::end(0),
            }
        }
    }
}
