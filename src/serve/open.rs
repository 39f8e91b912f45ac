use super::Server;
use crate::netns::{self, NetnsFile, NoNetns};
use crate::wire::{AF_NETLINK, Entry, Failure, Netns, Owner, Socket, Stage, What, Where};
use crate::{rootless, socket};
use nix::errno::Errno;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering::Relaxed;

/// Opens the entries of one request, one after the other, on a thread that goes into their namespaces.
pub struct Opener<'a> {
    server: &'a Server,
    /// Where an earlier entry has moved this thread to, if that can be named again.
    entered: Option<&'a Netns>,
    /// What came from the client and is of no use. To close it may take as long as he likes, so that comes
    /// after the answer.
    pub to_close: Vec<OwnedFd>,
}

impl<'a> Opener<'a> {
    pub fn new(server: &'a Server) -> Self {
        Opener { server, entered: None, to_close: Vec::new() }
    }

    /// Opens one entry.
    pub fn open(&mut self, entry: &'a Entry) -> Result<OwnedFd, Failure> {
        let allowed = self.server.policy.check(entry);
        match &entry.netns {
            Where::Named(netns) => allowed.and_then(|()| self.open_named(netns, &entry.what)),
            Where::Sent(key) => {
                // Used up also by an entry that is refused.
                let sent = self.server.received.take(&self.server.pair, *key, &mut self.to_close);
                let file = self.check_sent(sent, allowed)?;
                self.open_file(file, &entry.what, None)
            }
            Where::New(Owner::Program) => allowed.and_then(|()| self.make_and_open(&entry.what)),
            Where::New(Owner::User) => allowed.and_then(|()| self.make_for_user(&entry.what)),
        }
    }

    fn open_named(&mut self, netns: &'a Netns, what: &What) -> Result<OwnedFd, Failure> {
        match what {
            What::Socket(socket) if self.entered == Some(netns) => self.open_here(socket),
            _ => self.open_file(self.server.policy.finder.find(netns)?, what, Some(netns)),
        }
    }

    fn check_sent(
        &mut self,
        sent: Option<OwnedFd>,
        allowed: Result<(), Failure>,
    ) -> Result<NetnsFile, Failure> {
        if let Err(refusal) = allowed {
            self.to_close.extend(sent);
            return Err(refusal);
        }
        let sent = sent.ok_or(Stage::Open.fails()(Errno::EBADF))?;
        NetnsFile::try_from(sent).map_err(|NoNetns(sent)| {
            self.to_close.push(sent);
            Stage::Setns.fails()(Errno::EINVAL)
        })
    }

    /// Opens `what` in the namespace `file`, which is called `name` if it can be found again.
    fn open_file(
        &mut self,
        file: NetnsFile,
        what: &What,
        name: Option<&'a Netns>,
    ) -> Result<OwnedFd, Failure> {
        let socket = match what {
            What::Socket(socket) => socket,
            What::Netns => return Ok(file.into_descriptor()),
        };
        match file.enter() {
            Ok(()) => {
                self.entered = name;
                self.open_here(socket)
            }
            Err(refusal) => self.open_through_child(&file, socket, refusal),
        }
    }

    /// Goes on where the thread was refused, if that is for want of a privilege that a child can have.
    fn open_through_child(
        &self,
        file: &NetnsFile,
        socket: &Socket,
        refusal: Failure,
    ) -> Result<OwnedFd, Failure> {
        if refusal.errno != Errno::EPERM || !self.server.policy.userns {
            return Err(refusal);
        }
        let outcome = rootless::open(file, socket).ok_or(refusal)?;
        self.server.through_userns.fetch_add(1, Relaxed);
        outcome
    }

    fn make_and_open(&mut self, what: &What) -> Result<OwnedFd, Failure> {
        match netns::make() {
            Ok(()) => self.entered = None,
            Err(refusal) if refusal.errno == Errno::EPERM => {
                self.server.policy.check_new(Owner::User)?;
                return self.make_for_user(what);
            }
            Err(failure) => return Err(failure),
        }
        match what {
            What::Socket(socket) => self.open_here(socket),
            What::Netns => netns::own().map(NetnsFile::into_descriptor),
        }
    }

    fn make_for_user(&self, what: &What) -> Result<OwnedFd, Failure> {
        self.server.through_userns.fetch_add(1, Relaxed);
        rootless::make(&self.server.user_namespace, what)
    }

    /// Opens a socket in the namespace where this thread is, and sets it up.
    fn open_here(&self, asked: &Socket) -> Result<OwnedFd, Failure> {
        let set_up = |opened: OwnedFd| {
            socket::set_up(&opened, &asked.options)?;
            Ok(opened)
        };
        if !self.server.policy.read_only {
            return set_up(socket::open(asked)?);
        }
        let held = self.server.report.privileges.held;
        if asked.domain == AF_NETLINK {
            let opened = held.lay_down_to_open_netlink(|| socket::open(asked));
            set_up(opened.map_err(Stage::Socket.fails())??)
        } else {
            let opened = held.lay_down_to_open(|| set_up(socket::open(asked)?));
            opened.map_err(Stage::Socket.fails())?
        }
    }
}
