use std::num::NonZero;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

/// How soon after an answer a request follows at once. A thread that sleeps takes some 50 of these to wake up.
const AT_ONCE: Duration = Duration::from_micros(150);

/// How many have to follow each other so before the next is looked for.
const ENOUGH: u32 = 4;

/// How long the next is looked for: somewhat longer than a client takes between two calls.
const PATIENCE: Duration = Duration::from_micros(50);

/// How requests come: one after the other at once, or now and then.
///
/// To be woken takes longer than to serve a request. So where requests follow each other at once, a thread
/// looks for the next one, for a moment, before it sleeps. That is nothing for a machine with one processor,
/// which the client needs.
#[derive(Debug)]
pub struct Pace {
    started: Instant,
    has_processors: bool,
    /// When the last answer was sent, in nanoseconds since the start.
    answered: AtomicU64,
    /// How many requests have followed each other at once.
    row: AtomicU32,
}

impl Pace {
    /// Ask before the first thread is started, and anything restricted.
    pub fn new() -> Pace {
        Pace {
            started: Instant::now(),
            has_processors: available_parallelism().map_or(1, NonZero::get) > 1,
            answered: AtomicU64::new(0),
            row: AtomicU32::new(0),
        }
    }

    /// A request has come.
    pub fn request(&self) {
        self.request_after(self.now().saturating_sub(self.answered()));
    }

    fn request_after(&self, since_answer: Duration) {
        if self.has_processors && since_answer < AT_ONCE {
            self.row.fetch_add(1, Relaxed);
        } else {
            self.row.store(0, Relaxed);
        }
    }

    /// One has been answered.
    pub fn answer(&self) {
        let now = self.now().as_nanos().try_into().unwrap_or(u64::MAX);
        self.answered.store(now, Relaxed);
    }

    /// Whether the next request is to be looked for.
    pub fn is_fast(&self) -> bool {
        self.row.load(Relaxed) >= ENOUGH
    }

    /// Looks for something until there is something, or it has been looked for long enough.
    pub fn look<T>(&self, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(found) = look() {
                return Some(found);
            }
            std::hint::spin_loop();
        }
        self.row.store(0, Relaxed);
        None
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn answered(&self) -> Duration {
        Duration::from_nanos(self.answered.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(has_processors: bool) -> Pace {
        Pace { has_processors, ..Pace::new() }
    }

    fn requests_at_once(pace: &Pace) {
        for _ in 0..ENOUGH {
            pace.request_after(Duration::ZERO);
        }
    }

    #[test]
    fn the_next_is_looked_for_when_several_have_followed_each_other_at_once() {
        let pace = pace(true);
        assert!(!pace.is_fast());
        requests_at_once(&pace);
        assert!(pace.is_fast());
        pace.request_after(AT_ONCE);
        assert!(!pace.is_fast());
    }

    #[test]
    fn one_that_is_looked_for_in_vain_ends_it() {
        let pace = pace(true);
        requests_at_once(&pace);
        assert_eq!(pace.look(|| Some(1)), Some(1));
        assert!(pace.is_fast());
        assert_eq!(pace.look(|| None::<u8>), None);
        assert!(!pace.is_fast());
    }

    #[test]
    fn with_one_processor_nothing_is_looked_for() {
        let pace = pace(false);
        requests_at_once(&pace);
        assert!(!pace.is_fast());
    }
}
