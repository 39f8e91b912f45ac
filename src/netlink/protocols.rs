use crate::wire::{Failure, Stage};
use nix::errno::Errno;

/// The netlink protocols that policy allows.
#[derive(Debug)]
pub struct Protocols {
    /// Their numbers; any if there are none.
    allowed: Vec<i32>,
}

impl Protocols {
    pub fn new(allowed: Vec<i32>) -> Protocols {
        Protocols { allowed }
    }

    /// Refuses `protocol` if policy does not allow it.
    pub fn check(&self, protocol: i32) -> Result<(), Failure> {
        if self.allowed.is_empty() || self.allowed.contains(&protocol) {
            Ok(())
        } else {
            Err(Stage::Socket.fails()(Errno::EACCES))
        }
    }
}
