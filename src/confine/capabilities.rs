use nix::errno::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

/// The capabilities that the program has a use for, by their names on the wire.
const USED: [(CapabilitySet, &str); 4] = [
    // To give sockets to clients that change something: the kernel asks for it in the process
    // that opened the socket too. Also for buffers past the limit, and for nfnetlink groups.
    (CapabilitySet::NET_ADMIN, "net_admin"),
    // For NETLINK_LISTEN_ALL_NSID.
    (CapabilitySet::NET_BROADCAST, "net_broadcast"),
    // To enter a network namespace.
    (CapabilitySet::SYS_ADMIN, "sys_admin"),
    // To look up the namespaces of other users' processes.
    (CapabilitySet::SYS_PTRACE, "sys_ptrace"),
];

/// Gives up every capability that the program has no use for, and returns the names of those that
/// it has left (`capabilities(7)`).
pub fn keep_used() -> Result<Vec<&'static str>, Errno> {
    let permitted = capabilities(None).map_err(errno)?.permitted;
    let used = USED.iter().fold(CapabilitySet::empty(), |used, (one, _)| used | *one);
    let kept = permitted & used;
    let sets =
        CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    set_capabilities(None, sets).map_err(errno)?;
    Ok(USED.iter().filter(|(one, _)| kept.contains(*one)).map(|(_, name)| *name).collect())
}

fn errno(errno: rustix::io::Errno) -> Errno {
    Errno::from_raw(errno.raw_os_error())
}
