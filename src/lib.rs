//! placeholder
#[cfg(feature = "repl")]
pub mod repl;
