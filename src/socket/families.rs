use crate::wire::{AF_NETLINK, Failure, Socket, Stage};
use nix::errno::Errno;
use nix::libc;

/// The sockets that policy allows, by the numbers for `socket(2)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Families {
    /// The address families; any if there are none.
    pub families: Vec<u16>,
    /// The netlink protocols; any if there are none.
    pub protocols: Vec<i32>,
}

/// `SOCK_PACKET`, the type by which packet sockets were opened in Linux 2.0: `packet(7)`.
pub const SOCK_PACKET: u8 = 10;

impl Families {
    /// Whether sockets of `family` are allowed, if perhaps not with every protocol.
    ///
    /// ```
    /// use linx_netlink_port::socket::Families;
    ///
    /// assert!(Families::default().allow(17));
    /// assert!(!Families { families: vec![16], protocols: vec![] }.allow(17));
    /// ```
    pub fn allow(&self, family: u16) -> bool {
        self.families.is_empty() || self.families.contains(&family)
    }

    /// Refuses `socket` with `EACCES` if policy does not allow its family or protocol.
    ///
    /// ```
    /// use linx_netlink_port::socket::Families;
    /// use linx_netlink_port::wire::Socket;
    ///
    /// let families = Families { families: vec![], protocols: vec![0, 16] };
    /// let failure = families.check(&Socket::netlink(12)).unwrap_err();
    /// assert_eq!(failure.to_string(), "socket: Permission denied");
    /// ```
    pub fn check(&self, socket: &Socket) -> Result<(), Failure> {
        let protocol = || self.protocols.is_empty() || self.protocols.contains(&socket.protocol);
        if self.allow(family(socket)) && (socket.domain != AF_NETLINK || protocol()) {
            Ok(())
        } else {
            Err(Stage::Socket.fails()(Errno::EACCES))
        }
    }
}

/// The family that the socket will have: the kernel still opens packet sockets by their old name.
fn family(socket: &Socket) -> u16 {
    match (i32::from(socket.domain), socket.kind) {
        (libc::AF_INET, SOCK_PACKET) => libc::AF_PACKET as u16,
        _ => socket.domain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_socket_is_one_by_its_old_name_too() {
        let old = Socket { domain: 2, kind: SOCK_PACKET, ..Socket::netlink(3) };
        let only = |family| Families { families: vec![family], protocols: vec![] };
        assert!(only(2).check(&old).is_err());
        assert!(only(17).check(&old).is_ok());
    }

    #[test]
    fn a_netlink_protocol_counts_whatever_the_type_of_the_socket_is() {
        let datagrams = Socket { kind: 2, ..Socket::netlink(12) };
        let families = Families { families: vec![], protocols: vec![0] };
        assert!(families.check(&datagrams).is_err());
    }
}
