//! What a client may ask for, where the command line says so.

mod buffers;
#[path = "../support/change.rs"]
mod change;
mod directories;
mod kinds;
#[path = "../support/port.rs"]
mod port;
mod processes;
mod protocols;
mod read_only;
#[path = "../support/scene.rs"]
mod scene;
