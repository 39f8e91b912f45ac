//! Before the first thread is started: limits and privileges.

mod capabilities;
mod limits;

pub use capabilities::keep_used;
pub use limits::raise_descriptor_limit;
