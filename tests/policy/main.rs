//! What a client may ask for, where the command line says so.

mod buffers;
mod directories;
#[path = "../support/port.rs"]
mod port;
mod processes;
mod protocols;
#[path = "../support/scene.rs"]
mod scene;
