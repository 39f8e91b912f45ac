use crate::wire::{Failure, Options, Setting, Stage};
use nix::errno::Errno;

/// The largest buffer that policy allows a socket to have. What waits in it is kernel memory that
/// is counted against nobody.
#[derive(Clone, Copy, Debug)]
pub struct Buffers {
    most: u32,
}

impl Buffers {
    /// `most` is in bytes, for each of the two buffers.
    ///
    /// ```
    /// use linx_netlink_port::socket::Buffers;
    /// use linx_netlink_port::wire::Options;
    ///
    /// assert_eq!(Buffers::up_to(65_536).check(&Options::default()), Ok(()));
    /// ```
    pub fn up_to(most: u32) -> Buffers {
        Buffers { most }
    }

    /// Refuses buffers that are larger than policy allows, with `EACCES` at the stage `setsockopt`.
    ///
    /// ```
    /// use linx_netlink_port::socket::Buffers;
    /// use linx_netlink_port::wire::{At, Options, Setting};
    ///
    /// // SO_SNDBUFFORCE and SO_SNDBUF.
    /// let [forced, plain] = [32, 7].map(|number| At { level: 1, number });
    /// let options = Options(vec![Setting::Buffer { forced, plain, bytes: 65_537 }]);
    /// let failure = Buffers::up_to(65_536).check(&options).unwrap_err();
    /// assert_eq!(failure.to_string(), "setsockopt: Permission denied");
    /// ```
    pub fn check(self, options: &Options) -> Result<(), Failure> {
        let is_too_large = |setting: &Setting| match setting {
            Setting::Buffer { bytes, .. } => *bytes > self.most,
            _ => false,
        };
        match options.0.iter().any(is_too_large) {
            true => Err(Stage::Setsockopt.fails()(Errno::EACCES)),
            false => Ok(()),
        }
    }
}
