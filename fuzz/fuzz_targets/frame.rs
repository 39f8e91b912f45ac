//! Any bytes as a frame: they are read or refused, and little is allocated for them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use linx_netlink_port::wire::{Malformed, read_request};

#[path = "../../tests/support/heap.rs"]
mod heap;

#[global_allocator]
static HEAP: heap::Counting = heap::Counting;

fuzz_target!(|frame: &[u8]| {
    let (outcome, peak) = heap::peak_of(|| read_request(frame));
    assert!(peak <= heap::MOST_BEYOND_THE_FRAME + frame.len(), "{peak} bytes were allocated");
    if let Err(Malformed::BadArgument { reason, .. }) = outcome {
        assert!(!reason.is_empty());
    }
});
