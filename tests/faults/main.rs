//! Faults that really happen to the real program: nothing is lost when something dies.
//!
//! | module | what goes wrong |
//! | --- | --- |
//! | `admission` | the client is as fast as it may be |
//! | `ending` | the client is killed or closes stdin, in the middle of everything |
//! | `hanging_files` | namespace files hang |
//! | `descriptors` | the program can have no more descriptors |
//! | `threads` | the program can have no more threads |
//! | `unread` | the client stops reading |
//! | `failing` | every system call on the way of a request fails in turn |
//! | `leaks` | nothing: and after many requests, nothing is left |
//!
//! The others are what the tests need: `program` is a running program, seen from the client and
//! from outside; `scene` has what is put around it; `calls` makes its system calls
//! fail, `hanging` makes lookups hang.

mod admission;
mod calls;
mod descriptors;
mod ending;
mod failing;
#[path = "../support/hanging.rs"]
mod hanging;
mod hanging_files;
mod leaks;
mod program;
#[path = "../support/scene.rs"]
mod scene;
mod threads;
mod unread;
