use super::Server;
use super::admission::Place;
use super::input::{End, Input};
use crate::netns::NetnsFile;
use crate::wire::{
    Command, Entry, Failure, Malformed, Netns, ProtocolError, Reply, Stage, read_request,
};
use crate::{rootless, socket};
use nix::errno::Errno;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering::Relaxed;

/// A request that takes a thread of its own.
#[derive(Debug)]
pub struct Job {
    ticket: Ticket,
    entries: Vec<Entry>,
    place: Place,
}

/// Whom to answer, and how.
#[derive(Clone, Copy, Debug)]
pub enum Ticket {
    One { id: u64 },
    Many { id: u64, count: usize },
}

impl Server {
    /// Reads on until there is a job, or nothing to read for now, and answers on the way what needs
    /// no thread.
    pub fn next_job(&'static self) -> Result<Option<Job>, End> {
        loop {
            // Let go of before anything is written, which may take for ever.
            let (request, bytes) = match self.reader().next() {
                Input::Frame(frame) => (read_request(frame), frame.len()),
                Input::TooLarge => (Err(Malformed::Anonymous(ProtocolError::FrameTooLarge)), 0),
                Input::End(end) => return Err(end),
                Input::Nothing => return Ok(None),
            };
            let request = match request {
                Ok(request) => request,
                Err(malformed) => {
                    self.answer_malformed(malformed);
                    continue;
                }
            };
            let id = request.id;
            let (ticket, entries) = match request.command {
                Command::Info => {
                    self.output.send(&Reply::Info { id, info: self.info() });
                    continue;
                }
                Command::Open(entry) => (Ticket::One { id }, vec![entry]),
                Command::OpenMany(entries) => (Ticket::Many { id, count: entries.len() }, entries),
            };
            match self.admission.admit(bytes) {
                Some(place) => return Ok(Some(Job { ticket, entries, place })),
                None => self.refuse(ticket, Stage::Thread.fails()(Errno::EAGAIN)),
            }
        }
    }

    fn answer_malformed(&self, malformed: Malformed) {
        match malformed {
            Malformed::Anonymous(error) => self.output.send(&Reply::ProtocolError(error)),
            Malformed::BadArgument { id, reason } => {
                self.count_error();
                self.output.send(&Reply::BadArgument { id, reason: &reason });
            }
        }
    }

    /// Answers a request none of whose sockets could be opened, all for the same reason.
    pub fn refuse(&self, ticket: Ticket, failure: Failure) {
        match ticket {
            Ticket::One { .. } => self.answer_failed(ticket, &[failure]),
            Ticket::Many { count, .. } => self.answer_failed(ticket, &vec![failure; count]),
        }
    }

    fn answer_failed(&self, ticket: Ticket, failures: &[Failure]) {
        self.count_error();
        match (ticket, failures) {
            (Ticket::One { id }, &[failure, ..]) => {
                self.output.send(&Reply::NotOpened { id, failure });
            }
            (Ticket::One { id } | Ticket::Many { id, .. }, _) => {
                self.output.send(&Reply::NoneOpened { id, failures });
            }
        }
    }
}

impl Job {
    pub fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// Opens what is asked for and answers. The calling thread ends up in another namespace and
    /// must end with this.
    pub fn serve(mut self, server: &Server) {
        let mut sockets = Vec::new();
        let mut outcomes = Vec::new();
        let mut entered = None;
        for entry in &self.entries {
            outcomes.push(open(server, entry, &mut entered).map(|socket| sockets.push(socket)));
        }
        self.place.answer();
        answer(server, &mut self.place, self.ticket, outcomes, &sockets);
    }
}

/// Opens one socket. `entered` is where this thread has been moved to by an earlier entry.
fn open<'a>(
    server: &Server,
    entry: &'a Entry,
    entered: &mut Option<&'a Netns>,
) -> Result<OwnedFd, Failure> {
    server.protocols.check(entry.protocol)?;
    server.buffers.check(&entry.options)?;
    if *entered != Some(&entry.netns) {
        let file = server.finder.find(&entry.netns)?;
        if let Err(refusal) = file.enter() {
            return through_child(server, &file, entry, refusal);
        }
        *entered = Some(&entry.netns);
    }
    let socket = open_socket(server, entry.protocol)?;
    socket::set_up(&socket, &entry.options)?;
    Ok(socket)
}

fn open_socket(server: &Server, protocol: i32) -> Result<OwnedFd, Failure> {
    if !server.read_only {
        return socket::open(protocol);
    }
    let held = server.report.privileges.held;
    held.lay_down_to_open(|| socket::open(protocol)).map_err(Stage::Socket.fails())?
}

/// Goes on where the thread was refused, if that is for want of a privilege that a child can have.
fn through_child(
    server: &Server,
    file: &NetnsFile,
    entry: &Entry,
    refusal: Failure,
) -> Result<OwnedFd, Failure> {
    if refusal.errno != Errno::EPERM || !server.userns {
        return Err(refusal);
    }
    let outcome = rootless::open(file, entry).ok_or(refusal)?;
    server.through_userns.fetch_add(1, Relaxed);
    outcome
}

fn answer(
    server: &Server,
    place: &mut Place,
    ticket: Ticket,
    mut outcomes: Vec<Result<(), Failure>>,
    sockets: &[OwnedFd],
) {
    if !sockets.is_empty() {
        let message = match ticket {
            Ticket::One { id } => Reply::Opened { id },
            Ticket::Many { id, .. } => Reply::ManyOpened { id, outcomes: &outcomes },
        };
        let Err(error) = hand_over(server, place, &message.encode(), sockets) else {
            return;
        };
        let not_sent = Stage::Send.fails()(error);
        for outcome in outcomes.iter_mut().filter(|outcome| outcome.is_ok()) {
            *outcome = Err(not_sent);
        }
    }
    let failures: Vec<Failure> = outcomes.into_iter().filter_map(Result::err).collect();
    server.answer_failed(ticket, &failures);
}

/// Sends the message with its descriptors, as soon as the client has room for it.
fn hand_over(
    server: &Server,
    place: &mut Place,
    message: &[u8],
    sockets: &[OwnedFd],
) -> io::Result<()> {
    loop {
        // Counted first: a client that has its answer may ask for the counts at once.
        server.count_ok();
        let sent = server.pair.send(message, sockets);
        if sent.is_err() {
            server.uncount_ok();
        }
        match sent {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                place.stall();
                server.pair.wait_for_room()?;
                place.answer();
            }
            sent => return sent,
        }
    }
}
