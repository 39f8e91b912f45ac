//! Ctrl-C while the REPL waits for something: it drops the wait, and neither
//! the REPL nor the port program.

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// SIGINT as something to wait for. While this lives, and in every process
/// started meanwhile, the signal itself does nothing.
#[derive(Debug)]
pub struct Interrupts {
    signals: SignalFd,
}

impl Interrupts {
    /// Takes SIGINT over. To be called before any thread is started.
    ///
    /// # Errors
    ///
    /// When the kernel has no descriptor left.
    pub fn take_over() -> nix::Result<Self> {
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGINT);
        mask.thread_block()?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        Ok(Self { signals: SignalFd::with_flags(&mask, flags)? })
    }

    /// Readable once Ctrl-C was pressed.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.signals.as_fd()
    }

    /// Forgets every Ctrl-C so far.
    pub fn clear(&self) {
        while let Ok(Some(_)) = self.signals.read_signal() {}
    }
}
