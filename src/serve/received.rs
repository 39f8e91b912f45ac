use crate::handover::Pair;
use crate::wire::read_key;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

/// The most descriptors that are kept for the client.
const MOST: usize = 64;

/// So many are closed by who receives them, whoever has to wait for it.
const MANY: usize = 1024;

/// The most messages that are read at once: more than wait in a buffer of any usual size.
const MOST_MESSAGES: usize = 65_536;

/// The descriptors that the client has sent, by their keys, until an entry names them.
///
/// As a rule, none is closed here: to close what a client sent may take as long as he likes.
#[derive(Debug)]
pub struct Received {
    /// Whether any are kept.
    allowed: bool,
    /// The oldest first.
    kept: Mutex<VecDeque<(u64, OwnedFd)>>,
}

/// What has become of the pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// There may be more, now or later.
    Open,
    /// The client sends nothing any more.
    Ended,
}

impl Received {
    pub fn new(allowed: bool) -> Received {
        Received { allowed, kept: Mutex::default() }
    }

    /// Takes what has come under `key`. Whoever names it has sent it before, so what waits is received
    /// first; of what is to be closed, some is by that, rather than that the table of descriptors fills up.
    pub fn take(&self, pair: &Pair, key: u64, to_close: &mut Vec<OwnedFd>) -> Option<OwnedFd> {
        loop {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            self.receive(pair, &mut kept, to_close, MANY);
            let found = take(&mut kept, key);
            if found.is_some() || to_close.len() < MANY {
                return found;
            }
            // Not under the lock.
            drop(kept);
            to_close.clear();
        }
    }

    /// Receives what waits, and stops early when there is much to close.
    pub fn receive_all(&self, pair: &Pair, to_close: &mut Vec<OwnedFd>) -> State {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        self.receive(pair, &mut kept, to_close, MOST)
    }

    fn receive(
        &self,
        pair: &Pair,
        kept: &mut VecDeque<(u64, OwnedFd)>,
        to_close: &mut Vec<OwnedFd>,
        most_to_close: usize,
    ) -> State {
        for _ in 0..MOST_MESSAGES {
            if to_close.len() >= most_to_close {
                break;
            }
            let mut message = match pair.receive() {
                Ok(Some(message)) => message,
                Ok(None) => return State::Ended,
                // For want of memory too: it waits on.
                Err(_) => break,
            };
            match (read_key(&message.bytes), message.descriptors.pop()) {
                (Some(key), Some(one))
                    if self.allowed && message.is_whole && message.descriptors.is_empty() =>
                {
                    to_close.extend(take(kept, key));
                    kept.push_back((key, one));
                    if kept.len() > MOST {
                        to_close.extend(kept.pop_front().map(|(_, oldest)| oldest));
                    }
                }
                (_, last) => to_close.extend(message.descriptors.into_iter().chain(last)),
            }
        }
        State::Open
    }
}

fn take(kept: &mut VecDeque<(u64, OwnedFd)>, key: u64) -> Option<OwnedFd> {
    let index = kept.iter().position(|(other, _)| *other == key)?;
    kept.remove(index).map(|(_, descriptor)| descriptor)
}
