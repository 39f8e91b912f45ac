//! The REPL: tries the port program by hand, over its real wire.
pub mod etf;
pub mod hexview;
pub mod interrupt;
pub mod kernel;
pub mod text;
