use super::Scope;
use nix::errno::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities,
};

/// A capability with its name on the wire, and whether the program has a use for it.
type Use = (CapabilitySet, &'static str, fn(&Scope) -> bool);

/// The capabilities that the program may have a use for.
const USES: [Use; 6] = [
    // To give sockets to clients that change something: the kernel asks for it in the process
    // that opened the socket too. Also for buffers past the limit, marks, and nfnetlink groups.
    (CapabilitySet::NET_ADMIN, "net_admin", |_| true),
    // To bind to ports below 1024.
    (CapabilitySet::NET_BIND_SERVICE, "net_bind_service", Scope::services),
    // For NETLINK_LISTEN_ALL_NSID.
    (CapabilitySet::NET_BROADCAST, "net_broadcast", Scope::netlink),
    // To open raw and packet sockets.
    (CapabilitySet::NET_RAW, "net_raw", Scope::raw),
    // To enter a network namespace, or make one.
    (CapabilitySet::SYS_ADMIN, "sys_admin", |_| true),
    // To look up the namespaces of other users' processes.
    (CapabilitySet::SYS_PTRACE, "sys_ptrace", |scope| scope.ptrace),
];

/// What the process has left.
#[derive(Debug)]
pub struct Privileges {
    /// The names of the capabilities that it can use.
    pub capabilities: Vec<&'static str>,
    /// The same, to be laid down for a while.
    pub held: Held,
    /// Whether the set that bounds what `execve(2)` gives could be emptied.
    pub bounding_set: BoundingSet,
}

/// The capabilities that every thread of the program can use, but where it lays them down.
#[derive(Clone, Copy, Debug)]
pub struct Held(CapabilitySet);

impl Held {
    /// Does `work` without any, on the calling thread: what the kernel grants to whoever makes a call,
    /// it then grants as to the client.
    ///
    /// Fails with the error number of `capset(2)`, before `work` if they can't be laid down, or after
    /// it if they can't be taken up again.
    ///
    /// ```standalone_crate
    /// use linx_netlink_port::confine::{Scope, give_up_privileges};
    ///
    /// let held = give_up_privileges(&Scope::default())?.held;
    /// let status = held.lay_down_for(|| std::fs::read_to_string("/proc/thread-self/status"))?;
    /// assert!(status?.contains("CapEff:\t0000000000000000"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lay_down_for<T>(self, work: impl FnOnce() -> T) -> Result<T, Errno> {
        self.keep_for(CapabilitySet::empty(), work)
    }

    /// Does `work`, which opens a netlink socket, with `CAP_NET_BROADCAST` at most: nobody can change anything
    /// through it with the program's rights. The kernel looks at what its opener could do when something is
    /// sent over it, and when it brings events of other namespaces, for which that one is.
    ///
    /// Fails as [`lay_down_for`](Held::lay_down_for) does.
    pub fn lay_down_to_open_netlink<T>(self, work: impl FnOnce() -> T) -> Result<T, Errno> {
        self.keep_for(self.0 & CapabilitySet::NET_BROADCAST, work)
    }

    /// Does `work`, which opens any other socket and sets it up, with no more than that takes: `CAP_NET_RAW`,
    /// without which there are no raw and packet sockets, and `CAP_NET_BIND_SERVICE`. What `CAP_NET_ADMIN` opens
    /// or binds stays closed: everybody can change something through such a socket (`AF_KEY`, the control
    /// channel of Bluetooth).
    ///
    /// Fails as [`lay_down_for`](Held::lay_down_for) does.
    pub fn lay_down_to_open<T>(self, work: impl FnOnce() -> T) -> Result<T, Errno> {
        self.keep_for(self.0 & (CapabilitySet::NET_RAW | CapabilitySet::NET_BIND_SERVICE), work)
    }

    fn keep_for<T>(self, kept: CapabilitySet, work: impl FnOnce() -> T) -> Result<T, Errno> {
        if self.0 == kept {
            return Ok(work());
        }
        self.make_effective(kept)?;
        let outcome = work();
        self.make_effective(self.0)?;
        Ok(outcome)
    }

    fn make_effective(self, effective: CapabilitySet) -> Result<(), Errno> {
        let inheritable = CapabilitySet::empty();
        let sets = CapabilitySets { effective, permitted: self.0, inheritable };
        set_capabilities(None, sets).map_err(errno)
    }
}

/// What became of the capability bounding set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoundingSet {
    /// It is empty.
    Dropped,
    /// It takes `CAP_SETPCAP` to drop it.
    Kept,
}

/// Gives up every capability that the program has no use for within `scope`, in every set (`capabilities(7)`).
///
/// Fails with the error number of `prctl(2)`, `capget(2)` or `capset(2)`: `EINVAL` from a kernel
/// before 4.3, which has no ambient set, or what a sandbox around the program answers. To lack
/// `CAP_SETPCAP` is no failure: the bounding set is [`Kept`](BoundingSet::Kept) then.
///
/// ```standalone_crate
/// use linx_netlink_port::confine::{Scope, give_up_privileges};
///
/// let privileges = give_up_privileges(&Scope { ptrace: false, ..Scope::default() })?;
/// assert!(!privileges.capabilities.contains(&"sys_ptrace"));
/// # Ok::<(), nix::errno::Errno>(())
/// ```
pub fn give_up_privileges(scope: &Scope) -> Result<Privileges, Errno> {
    // First, while the capability for it is there.
    let bounding_set = empty_bounding_set()?;
    clear_ambient_capability_set().map_err(errno)?;
    let permitted = capabilities(None).map_err(errno)?.permitted;
    let kept: Vec<_> = USES
        .into_iter()
        .filter(|(one, _, is_used)| permitted.contains(*one) && is_used(scope))
        .collect();
    let set = kept.iter().fold(CapabilitySet::empty(), |set, (one, ..)| set | *one);
    let held = Held(set);
    held.make_effective(set)?;
    let capabilities = kept.into_iter().map(|(_, name, _)| name).collect();
    Ok(Privileges { capabilities, held, bounding_set })
}

/// Takes everything out of the bounding set: a second line behind `no_new_privs`, should the
/// program ever be made to execute another.
fn empty_bounding_set() -> Result<BoundingSet, Errno> {
    // There are at most 64: the sets are 64 bits wide.
    for number in 0..64 {
        let one = CapabilitySet::from_bits_retain(1 << number);
        match remove_capability_from_bounding_set(one) {
            Ok(()) => {}
            // Past the last capability that the kernel knows.
            Err(rustix::io::Errno::INVAL) => break,
            // It takes CAP_SETPCAP, which a program with file capabilities has not.
            Err(rustix::io::Errno::PERM) => return Ok(BoundingSet::Kept),
            Err(other) => return Err(errno(other)),
        }
    }
    Ok(BoundingSet::Dropped)
}

fn errno(errno: rustix::io::Errno) -> Errno {
    Errno::from_raw(errno.raw_os_error())
}
