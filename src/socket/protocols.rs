use crate::wire::{Failure, Stage};
use nix::errno::Errno;

/// The netlink protocols that policy allows.
#[derive(Debug)]
pub struct Protocols {
    /// Their numbers; any if there are none.
    allowed: Vec<i32>,
}

impl Protocols {
    /// `allowed` are numbers for `socket(2)`; any will do if there are none.
    ///
    /// ```
    /// use linx_netlink_port::socket::Protocols;
    ///
    /// assert_eq!(Protocols::new(vec![]).check(16), Ok(()));
    /// ```
    pub fn new(allowed: Vec<i32>) -> Protocols {
        Protocols { allowed }
    }

    /// Refuses `protocol` with `EACCES` if policy does not allow it.
    ///
    /// ```
    /// use linx_netlink_port::socket::Protocols;
    ///
    /// let failure = Protocols::new(vec![0, 16]).check(12).unwrap_err();
    /// assert_eq!(failure.to_string(), "socket: Permission denied");
    /// ```
    pub fn check(&self, protocol: i32) -> Result<(), Failure> {
        if self.allowed.is_empty() || self.allowed.contains(&protocol) {
            Ok(())
        } else {
            Err(Stage::Socket.fails()(Errno::EACCES))
        }
    }
}
