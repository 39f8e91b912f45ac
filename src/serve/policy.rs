use crate::netns::Finder;
use crate::socket::{Buffers, Families};
use crate::wire::{Entry, Failure, Owner, Stage, What, Where};
use nix::errno::Errno;

/// What clients may ask for.
#[derive(Debug)]
pub struct Policy {
    /// Finds the namespaces that may be opened, and no others.
    pub finder: Finder,
    /// Knows the sockets that may be opened.
    pub families: Families,
    /// Knows how large the buffers of a socket may be.
    pub buffers: Buffers,
    /// Whether nothing can be changed over the sockets.
    pub read_only: bool,
    /// Whether user namespaces are entered and made.
    pub userns: bool,
    /// Whether namespaces are made.
    pub new: bool,
    /// Whether namespaces themselves are handed over.
    pub netns: bool,
    /// Whether namespaces may be named by descriptors that the client sends.
    pub descriptors: bool,
    /// Requests that may be in flight.
    pub max_in_flight: usize,
}

impl Policy {
    /// Refuses with `EACCES` what can be refused before anything is looked up. What the finder refuses, it
    /// refuses itself.
    pub(super) fn check(&self, entry: &Entry) -> Result<(), Failure> {
        match &entry.what {
            What::Socket(socket) => {
                self.families.check(socket)?;
                self.buffers.check(&socket.options)?;
            }
            What::Netns => allowed(self.netns, Stage::Open)?,
        }
        match &entry.netns {
            Where::Named(_) => Ok(()),
            Where::Sent(_) => allowed(self.descriptors, Stage::Open),
            Where::New(owner) => self.check_new(*owner),
        }
    }

    /// Refuses with `EACCES` to make a namespace of this owner's.
    pub(super) fn check_new(&self, owner: Owner) -> Result<(), Failure> {
        allowed(self.new && (owner == Owner::Program || self.userns), Stage::Unshare)
    }
}

fn allowed(allowed: bool, stage: Stage) -> Result<(), Failure> {
    if allowed { Ok(()) } else { Err(stage.fails()(Errno::EACCES)) }
}
