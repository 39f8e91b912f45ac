use crate::wire::{Failure, Options, Stage};
use nix::errno::Errno;

/// The largest buffer that policy allows a socket to have. What waits in it is kernel memory that
/// is counted against nobody.
#[derive(Clone, Copy, Debug)]
pub struct Buffers {
    most: usize,
}

impl Buffers {
    /// `most` is in bytes, for each of the two buffers.
    ///
    /// ```
    /// use linx_netlink_port::socket::Buffers;
    /// use linx_netlink_port::wire::Options;
    ///
    /// let options = Options { rcvbuf: Some(65_536), ..Options::default() };
    /// assert_eq!(Buffers::up_to(65_536).check(&options), Ok(()));
    /// ```
    pub fn up_to(most: usize) -> Buffers {
        Buffers { most }
    }

    /// Refuses buffers that are larger than policy allows, with `EACCES` at the stage `setsockopt`.
    ///
    /// ```
    /// use linx_netlink_port::socket::Buffers;
    /// use linx_netlink_port::wire::Options;
    ///
    /// let options = Options { sndbuf: Some(65_537), ..Options::default() };
    /// let failure = Buffers::up_to(65_536).check(&options).unwrap_err();
    /// assert_eq!(failure.to_string(), "setsockopt: Permission denied");
    /// ```
    pub fn check(self, options: &Options) -> Result<(), Failure> {
        let largest = options.rcvbuf.max(options.sndbuf);
        if largest.is_none_or(|bytes| bytes <= self.most) {
            Ok(())
        } else {
            Err(Stage::Setsockopt.fails()(Errno::EACCES))
        }
    }
}
