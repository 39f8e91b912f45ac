//! The REPL: its terms against a real BEAM, its sessions against the real port
//! program, on a real terminal and without one.

mod beam;
#[path = "../../../tests/support/built.rs"]
mod built;
mod descriptors;
mod docs;
mod generate;
mod names;
mod properties;
mod scripts;
mod sessions;
mod support;
mod terminal;
mod watching;
