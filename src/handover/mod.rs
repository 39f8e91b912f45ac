//! Meets the client at the rendezvous, and passes descriptors to it over the pair.
//!
//! No policy here: what is handed over, and to whom, was decided before.

mod pair;
mod rendezvous;
mod resume;

pub use pair::Pair;
pub use rendezvous::{Rendezvous, RendezvousError};
