//! Who reads, who gets a thread, how many there are, and how it ends.
//!
//! One thread serves one request and dies with it, and with the namespace that it entered. It is
//! not started when its request arrives: a few spares wait for stdin, and what comes wakes one of
//! them, which reads a frame and serves it. So the thread that wakes is the one that serves, and nothing
//! is started or ended before the client has its answer. Then the main thread starts what is missing. It
//! also reads itself while there are no threads to be had. One more thread waits for the client's end, and
//! receives the descriptors that the client sends.
//!
//! Where requests follow each other at once, the next spare is woken with the answer, and looks for
//! the next request for a moment.

mod admission;
mod bell;
mod crew;
mod input;
mod job;
mod leave;
mod open;
mod output;
mod pace;
mod policy;
mod processors;
mod received;
mod slice;
pub mod thread;
mod watch;

pub use crew::run;
pub use policy::Policy;

use crate::confine::{BoundingSet, Report};
use crate::handover::Pair;
use crate::rootless::UserNamespace;
use crate::wire::{Confinement, Hello, Info, RequestCounts};
use admission::Admission;
use bell::Bell;
use input::FrameReader;
use output::Output;
use pace::Pace;
use processors::Processors;
use received::Received;
use rustix::io::Errno;
use slice::Slice;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::Thread;
use std::time::Instant;
use watch::Closers;

/// What all threads of the program share, for as long as it lives.
///
/// ```standalone_crate
/// use linx_netlink_port::confine::{Report, Scope, give_up_privileges};
/// use linx_netlink_port::handover::Pair;
/// use linx_netlink_port::netns::Finder;
/// use linx_netlink_port::serve::{Policy, Server, run};
/// use linx_netlink_port::socket::{Buffers, Families};
/// use std::process::{Command, Stdio, id};
///
/// if std::env::args().count() == 1 {
///     // A client that is gone at once.
///     let mut again = Command::new(std::env::current_exe()?);
///     let status = again.arg("serving").stdin(Stdio::null()).status()?;
///     assert_eq!(status.code(), Some(0));
/// } else {
///     let (pair, _client_end) = Pair::new()?;
///     let policy = Policy {
///         finder: Finder::new(&[], true),
///         families: Families::default(),
///         buffers: Buffers::up_to(8 << 20),
///         read_only: false,
///         userns: true,
///         new: true,
///         netns: true,
///         descriptors: true,
///         max_in_flight: 256,
///     };
///     let report = Report::new(give_up_privileges(&Scope::default())?, false)?;
///     let server = Server::new(pair, policy, report)?;
///     assert_eq!(server.hello().os_pid, id());
///     run(server)
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Server {
    pair: Pair,
    policy: Policy,
    received: Received,
    closers: Closers,
    user_namespace: UserNamespace,
    report: Report,
    started: Instant,
    /// Held by the thread that reads, and never for longer than that.
    reader: Mutex<FrameReader>,
    bell: Bell,
    pace: Pace,
    slice: Slice,
    processors: Processors,
    output: Output,
    /// Descriptors that were asked of a child in another user namespace.
    through_userns: AtomicU64,
    admission: Admission,
    spares: AtomicUsize,
    /// Whether there is a thread that waits for the client's end.
    watching: AtomicBool,
    /// To be unparked when there are no spares.
    main: Thread,
    ok: AtomicU64,
    error: AtomicU64,
}

impl Server {
    /// A server that hands descriptors over `pair`, and serves what `policy` allows. It reports
    /// what the process has given up. Call it on the thread that will [`run`] it.
    ///
    /// Fails where stdin cannot be waited for: as `epoll_create1(2)` and `eventfd(2)` do, with
    /// `EMFILE` or `ENFILE` when there can be no more descriptors, and as `epoll_ctl(2)` does, with
    /// `ENOSPC` when the user watches too many. A plain file is no failure.
    pub fn new(pair: Pair, policy: Policy, report: Report) -> Result<Server, Errno> {
        let held = report.privileges.held;
        Ok(Server {
            pair,
            received: Received::new(policy.descriptors),
            closers: Closers::default(),
            user_namespace: UserNamespace::default(),
            report,
            started: Instant::now(),
            reader: Mutex::new(FrameReader::new()),
            bell: Bell::new()?,
            pace: Pace::new(),
            slice: Slice::short(),
            processors: Processors::own(),
            output: Output::new(held),
            through_userns: AtomicU64::new(0),
            admission: Admission::new(policy.max_in_flight),
            policy,
            spares: AtomicUsize::new(0),
            watching: AtomicBool::new(false),
            main: std::thread::current(),
            ok: AtomicU64::new(0),
            error: AtomicU64::new(0),
        })
    }

    /// What the program says of itself, to be sent by
    /// [`hand_over`](crate::handover::Rendezvous::hand_over).
    pub fn hello(&self) -> Hello<'_> {
        Hello {
            version: env!("CARGO_PKG_VERSION"),
            os_pid: std::process::id(),
            capabilities: &self.report.privileges.capabilities,
        }
    }

    fn info(&self) -> Info<'_> {
        Info {
            hello: self.hello(),
            uptime_ms: self.started.elapsed().as_millis().try_into().unwrap_or(u64::MAX),
            requests: RequestCounts {
                ok: self.ok.load(Relaxed),
                error: self.error.load(Relaxed),
                in_flight: self.admission.in_flight(),
                userns: self.through_userns.load(Relaxed),
            },
            max_in_flight: self.admission.limit(),
            confinement: self.confinement(),
        }
    }

    fn confinement(&self) -> Confinement {
        let Report { privileges, seccomp, no_new_privs, dumpable } = &self.report;
        Confinement {
            seccomp: *seccomp,
            no_new_privs: *no_new_privs,
            dumpable: *dumpable,
            read_only: self.policy.read_only,
            bounding_set: match privileges.bounding_set {
                BoundingSet::Dropped => "dropped",
                BoundingSet::Kept => "kept",
            },
        }
    }

    /// To read, and no longer than that: the thread that waits for the client's end must get it.
    fn reader(&self) -> MutexGuard<'_, FrameReader> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count_ok(&self) {
        self.ok.fetch_add(1, Relaxed);
    }

    /// An answer that could not be handed over was none.
    fn uncount_ok(&self) {
        self.ok.fetch_sub(1, Relaxed);
    }

    fn count_error(&self) {
        self.error.fetch_add(1, Relaxed);
    }
}
