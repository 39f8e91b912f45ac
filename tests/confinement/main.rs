//! What the process gives up before it reads a byte of its client.

#[path = "../support/change.rs"]
mod change;
mod crashes;
mod inherited;
mod numbers;
#[path = "../support/port.rs"]
mod port;
#[cfg(target_env = "gnu")]
mod preloaded;
mod privileges;
mod probe;
mod processes;
mod rules;
#[path = "../support/scene.rs"]
mod scene;
mod stopped;
mod streams;
mod unused;
mod user;
