//! What the REPL asks the kernel: what a descriptor is, what links and
//! addresses lie behind it, what namespaces there are.

mod ask;
mod describe;
mod namespaces;
mod rtnl;
mod sys;

pub use ask::{AskError, addresses, links, watch};
pub use describe::{Descriptor, describe};
pub use namespaces::{NAMES, Namespace, names, namespaces};
