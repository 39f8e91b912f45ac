//! What the REPL asks the kernel: what a descriptor is, what links and
//! addresses lie behind it, what happens to them, what namespaces there are.

mod ask;
mod describe;
mod namespaces;
mod place;
mod receive;
mod rtnl;
mod socket;
mod sys;
mod watch;

pub use ask::{addresses, links};
pub use describe::{Descriptor, describe};
pub use namespaces::{NAMES, Namespace, names, namespaces};
pub use receive::AskError;
pub use watch::{Seen, watch};
