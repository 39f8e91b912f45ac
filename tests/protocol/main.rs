//! Does the program keep the promises of docs/PROTOCOL.md?
//!
//! Written from that page alone, as any client is: the tests share nothing
//! with the program but the wire. They need root, since they make namespaces
//! and mounts; without it they fail and say so.

mod client;
mod commands;
mod etf;
#[allow(dead_code, reason = "others use the rest")]
#[path = "../support/hanging.rs"]
mod hanging;
mod launch;
mod netns;
mod reply;
#[path = "../support/scene.rs"]
mod scene;
mod socket;
mod wire;

mod ending;
mod errors;
mod framing;
mod info;
mod load;
mod made;
mod many;
mod opening;
mod options;
mod sent;
mod stages;
mod starting;
mod table;
mod tags;
mod what;
