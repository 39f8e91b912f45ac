use crate::wire::MAX_FRAME;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The most bytes of frames whose requests are in flight: what a client may make the program hold.
const MAX_BYTES: usize = 2 * MAX_FRAME;

/// Counts the requests in flight, and refuses those that are too many.
///
/// A client that has its answer finds the place free: a thread that is sending an answer is about
/// to free its own, so the next request waits for it. A thread that the client leaves no room for
/// its answer is not waited for.
#[derive(Debug)]
pub struct Admission {
    limit: usize,
    taken: Mutex<Taken>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct Taken {
    places: usize,
    bytes: usize,
    /// How many of the places are of requests whose answers are being sent.
    answering: usize,
    /// How many threads wait for a place.
    waiting: usize,
}

impl Admission {
    pub fn new(limit: usize) -> Self {
        Admission { limit, taken: Mutex::default(), freed: Condvar::new() }
    }

    /// How many requests may be in flight.
    pub fn limit(&self) -> u64 {
        self.limit as u64
    }

    /// How many requests have been admitted and not yet been answered.
    pub fn in_flight(&self) -> u64 {
        self.lock().places as u64
    }

    /// A place for the request of a frame of this many bytes, or `None` where there is none.
    pub fn admit(&'static self, bytes: usize) -> Option<Place> {
        let is_full = |taken: &Taken| taken.places >= self.limit || taken.bytes + bytes > MAX_BYTES;
        let mut taken = self.lock();
        while is_full(&taken) && taken.answering > 0 {
            taken.waiting += 1;
            taken = self.freed.wait(taken).unwrap_or_else(PoisonError::into_inner);
            taken.waiting -= 1;
        }
        if is_full(&taken) {
            return None;
        }
        taken.places += 1;
        taken.bytes += bytes;
        Some(Place { admission: self, bytes, answering: false })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of a request that is in flight.
#[derive(Debug)]
pub struct Place {
    admission: &'static Admission,
    bytes: usize,
    answering: bool,
}

impl Place {
    /// The work is done, and its outcome is being sent.
    pub fn answer(&mut self) {
        if !self.answering {
            self.answering = true;
            self.admission.lock().answering += 1;
        }
    }

    /// The client has no room for the outcome.
    pub fn stall(&mut self) {
        if self.answering {
            self.answering = false;
            let mut taken = self.admission.lock();
            taken.answering -= 1;
            self.tell(&taken);
        }
    }

    /// Hardly ever does anybody wait, and to tell nobody is a system call, too.
    fn tell(&self, taken: &Taken) {
        if taken.waiting > 0 {
            self.admission.freed.notify_all();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.admission.lock();
        taken.places -= 1;
        taken.bytes -= self.bytes;
        taken.answering -= usize::from(self.answering);
        self.tell(&taken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(limit: usize) -> &'static Admission {
        Box::leak(Box::new(Admission::new(limit)))
    }

    #[test]
    fn a_place_is_free_again_when_its_request_has_been_answered() {
        let admission = admission(1);
        let mut place = admission.admit(10).expect("the first place");
        assert!(admission.admit(10).is_none());
        place.answer();
        place.stall();
        assert!(admission.admit(10).is_none());
        drop(place);
        assert!(admission.admit(10).is_some());
    }

    #[test]
    fn a_request_waits_for_an_answer_that_is_just_being_sent() {
        let admission = admission(1);
        let mut place = admission.admit(10).expect("the first place");
        place.answer();
        let sender = std::thread::spawn(move || drop(place));
        assert!(admission.admit(10).is_some());
        sender.join().expect("the sender ends");
        assert_eq!(admission.in_flight(), 0);
    }

    #[test]
    fn a_request_does_not_wait_for_an_answer_that_the_client_has_no_room_for() {
        let admission = admission(1);
        let mut place = admission.admit(10).expect("the first place");
        place.answer();
        let sender = std::thread::spawn(move || {
            place.stall();
            place
        });
        assert!(admission.admit(10).is_none());
        drop(sender.join().expect("the sender ends"));
    }

    #[test]
    fn large_requests_are_bounded_by_their_bytes() {
        let admission = admission(256);
        let large: Vec<_> = (0..256).map_while(|_| admission.admit(MAX_FRAME)).collect();
        assert_eq!(large.len(), 2);
        drop(large);
        assert!(admission.admit(MAX_FRAME).is_some());
    }
}
