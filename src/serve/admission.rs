use crate::wire::MAX_FRAME;
use std::sync::atomic::{AtomicUsize, Ordering::AcqRel, Ordering::Acquire};

/// The most bytes of frames whose requests are being worked on: what a client may make the
/// program hold.
const MAX_BYTES: usize = 4 * MAX_FRAME;

/// Counts the requests in flight, and refuses those that are too many.
///
/// A request is first worked on and then handed over. The two are counted apart, so that a client
/// which has its answer finds the place free, while one that does not read its answers still
/// comes to an end of threads.
#[derive(Debug)]
pub struct Admission {
    limit: usize,
    working: AtomicUsize,
    handing_over: AtomicUsize,
    bytes: AtomicUsize,
}

impl Admission {
    pub fn new(limit: usize) -> Self {
        Admission {
            limit,
            working: AtomicUsize::new(0),
            handing_over: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
        }
    }

    /// How many requests may be worked on at a time.
    pub fn limit(&self) -> u64 {
        self.limit as u64
    }

    /// How many requests have been admitted and not yet been answered.
    pub fn in_flight(&self) -> u64 {
        (self.working.load(Acquire) + self.handing_over.load(Acquire)) as u64
    }

    /// A place for the request of a frame of this many bytes, or `None` where there is none.
    ///
    /// Only the thread whose turn it is to read may ask: so the counts can't grow in between.
    pub fn admit(&'static self, bytes: usize) -> Option<Working> {
        let full = self.working.load(Acquire) >= self.limit
            || self.handing_over.load(Acquire) >= self.limit
            || self.bytes.load(Acquire) + bytes > MAX_BYTES;
        if full {
            return None;
        }
        self.working.fetch_add(1, AcqRel);
        self.bytes.fetch_add(bytes, AcqRel);
        Some(Working { admission: self, bytes })
    }
}

/// The place of a request that is being worked on.
#[derive(Debug)]
pub struct Working {
    admission: &'static Admission,
    bytes: usize,
}

impl Working {
    /// The work is done and its outcome goes to the client.
    pub fn hand_over(self) -> HandingOver {
        self.admission.handing_over.fetch_add(1, AcqRel);
        HandingOver { admission: self.admission }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.admission.bytes.fetch_sub(self.bytes, AcqRel);
        self.admission.working.fetch_sub(1, AcqRel);
    }
}

/// The place of a request whose outcome is on its way to the client.
#[derive(Debug)]
pub struct HandingOver {
    admission: &'static Admission,
}

impl Drop for HandingOver {
    fn drop(&mut self) {
        self.admission.handing_over.fetch_sub(1, AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(limit: usize) -> &'static Admission {
        Box::leak(Box::new(Admission::new(limit)))
    }

    #[test]
    fn a_place_is_free_again_when_its_work_is_done() {
        let admission = admission(1);
        let place = admission.admit(10).expect("the first place");
        assert!(admission.admit(10).is_none());
        let answering = place.hand_over();
        assert!(admission.admit(10).is_some(), "the client may have its answer by now");
        assert_eq!(admission.in_flight(), 1);
        drop(answering);
        assert_eq!(admission.in_flight(), 0);
    }

    #[test]
    fn answers_that_nobody_reads_use_up_the_places() {
        let admission = admission(2);
        let unread: Vec<_> =
            (0..2).filter_map(|_| admission.admit(1)).map(Working::hand_over).collect();
        assert_eq!(unread.len(), 2);
        assert!(admission.admit(1).is_none());
    }

    #[test]
    fn large_requests_are_bounded_by_their_bytes() {
        let admission = admission(256);
        let large: Vec<_> = (0..256).map_while(|_| admission.admit(MAX_FRAME)).collect();
        assert_eq!(large.len(), 4);
        drop(large);
        assert!(admission.admit(MAX_FRAME).is_some());
    }
}
