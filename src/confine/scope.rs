use crate::socket::Families;
use crate::wire::{AF_INET6, AF_NETLINK};
use nix::libc;

/// What policy leaves to be done, as far as it takes a capability or a system call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Whether other users' processes are looked into.
    pub ptrace: bool,
    /// Whether user namespaces are entered, and made for new network namespaces.
    pub userns: bool,
    /// Whether network namespaces are made.
    pub new: bool,
    /// Which sockets are opened.
    pub families: Families,
}

impl Default for Scope {
    /// Everything.
    fn default() -> Self {
        Scope { ptrace: true, userns: true, new: true, families: Families::default() }
    }
}

/// The families of which some sockets take `CAP_NET_RAW`: raw and packet sockets, and those of AF_XDP.
const RAW: [i32; 9] = [
    libc::AF_INET,
    libc::AF_INET6,
    libc::AF_PACKET,
    libc::AF_XDP,
    libc::AF_AX25,
    libc::AF_APPLETALK,
    libc::AF_BLUETOOTH,
    libc::AF_IEEE802154,
    libc::AF_NFC,
];

/// The families that have ports below 1024 to bind to, `CAP_NET_BIND_SERVICE`.
const SERVICES: [i32; 4] = [libc::AF_INET, libc::AF_INET6, libc::AF_VSOCK, AF_SMC];

/// Of `include/linux/socket.h`: TCP by other means.
const AF_SMC: i32 = 43;

impl Scope {
    pub(super) fn netlink(&self) -> bool {
        self.families.allow(AF_NETLINK)
    }

    pub(super) fn inet6(&self) -> bool {
        self.families.allow(AF_INET6)
    }

    /// Whether there are sockets of any other family than netlink's.
    pub(super) fn others(&self) -> bool {
        self.any(|family| family != AF_NETLINK)
    }

    /// Whether there are sockets of any other family than netlink's and IPv6.
    pub(super) fn others_than_inet6(&self) -> bool {
        self.any(|family| family != AF_NETLINK && family != AF_INET6)
    }

    pub(super) fn raw(&self) -> bool {
        self.any(|family| RAW.contains(&family.into()))
    }

    pub(super) fn services(&self) -> bool {
        self.any(|family| SERVICES.contains(&family.into()))
    }

    fn any(&self, condition: impl Fn(u16) -> bool) -> bool {
        let families = &self.families.families;
        families.is_empty() || families.iter().any(|family| condition(*family))
    }
}
