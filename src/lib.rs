//! The rooms of the port program, in the way that a request goes through them.
//!
//! | room | what happens there |
//! | --- | --- |
//! | [`cli`] | the command line, and what is said to a person who starts the program by hand |
//! | [`confine`] | before the first thread: the process gives up what it does not need |
//! | [`handover`] | meets the client at the rendezvous; later sends descriptors over the pair |
//! | [`serve`] | reads frames, gives each request a thread, writes replies, ends |
//! | [`wire`] | bytes to requests, replies to bytes |
//! | [`netns`] | finds or makes, checks and enters a network namespace |
//! | [`socket`] | opens a socket and sets it up |
//! | [`rootless`] | where the program may not enter or make one: the same through a child process |
//!
//! `serve` uses `wire`, `netns`, `socket`, `rootless` and `handover`, and reports what `confine` did;
//! `rootless` uses `netns` and `socket`; `confine` knows the constants of `netns` that it allows, and what
//! `socket` opens within a policy.
//! Beyond that they know of each other only the vocabulary of `wire`, which knows nobody.

#![deny(unsafe_code, unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]
#![deny(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used)]
#![warn(missing_debug_implementations, missing_docs)]

pub mod cli;
pub mod confine;
pub mod handover;
pub mod netns;
pub mod rootless;
pub mod serve;
pub mod socket;
pub mod wire;
