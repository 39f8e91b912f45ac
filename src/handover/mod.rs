//! Meets the client at the rendezvous, and passes descriptors to it, and from it, over the pair.
//!
//! No policy here: what is handed over, and to whom, was decided before, and what is received means nothing yet.

mod pair;
mod rendezvous;
mod resume;

pub use pair::{Message, Pair};
pub use rendezvous::{Rendezvous, RendezvousError};
