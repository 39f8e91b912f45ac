use super::Server;
use super::admission::Place;
use super::input::{End, Input};
use super::open::Opener;
use crate::wire::{
    Command, Entry, Failure, Malformed, ProtocolError, Reply, Stage, Where, read_request,
};
use nix::errno::Errno;
use std::io;
use std::os::fd::OwnedFd;

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
                None => {
                    // Before the answer, after which the client may name them again.
                    self.forget(&sent_keys(&entries));
                    self.refuse(ticket, Stage::Thread.fails()(Errno::EAGAIN));
                }
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

    /// Answers a request none of whose entries could be opened, all for the same reason.
    pub fn refuse(&self, ticket: Ticket, failure: Failure) {
        match ticket {
            Ticket::One { .. } => self.answer_failed(ticket, &[failure]),
            Ticket::Many { count, .. } => self.answer_failed(ticket, &vec![failure; count]),
        }
    }

    /// Closes what the client has sent for entries that are not opened.
    pub fn forget(&'static self, keys: &[u64]) {
        let mut to_close = Vec::new();
        for key in keys {
            let sent = self.received.take(&self.pair, *key, &mut to_close);
            to_close.extend(sent);
        }
        self.closers.close(self, to_close);
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

/// The keys that entries name.
fn sent_keys(entries: &[Entry]) -> Vec<u64> {
    let key = |entry: &Entry| match entry.netns {
        Where::Sent(key) => Some(key),
        _ => None,
    };
    entries.iter().filter_map(key).collect()
}

impl Job {
    pub fn sent_keys(&self) -> Vec<u64> {
        sent_keys(&self.entries)
    }

    pub fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// Opens what is asked for and answers. The calling thread ends up in another namespace and
    /// must end with this.
    pub fn serve(mut self, server: &Server) {
        let mut opener = Opener::new(server);
        let mut opened = Vec::new();
        let mut outcomes = Vec::new();
        for entry in &self.entries {
            outcomes.push(opener.open(entry).map(|descriptor| opened.push(descriptor)));
        }
        let to_close = opener.to_close;
        self.place.answer();
        answer(server, &mut self.place, self.ticket, outcomes, &opened);
        if to_close.is_empty() {
            drop(self.place);
        } else {
            // Nobody waits for that.
            self.place.stall();
        }
        server.pace.answer();
        if server.pace.is_fast() {
            server.bell.ring();
        }
        // The client, which may wait for this processor, runs before anything is closed or ends.
        server.slice.give_way();
    }
}

fn answer(
    server: &Server,
    place: &mut Place,
    ticket: Ticket,
    mut outcomes: Vec<Result<(), Failure>>,
    opened: &[OwnedFd],
) {
    if !opened.is_empty() {
        let message = match ticket {
            Ticket::One { id } => Reply::Opened { id },
            Ticket::Many { id, .. } => Reply::ManyOpened { id, outcomes: &outcomes },
        };
        let Err(error) = hand_over(server, place, &message.encode(), opened) else {
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
    opened: &[OwnedFd],
) -> io::Result<()> {
    loop {
        // Counted first: a client that has its answer may ask for the counts at once.
        server.count_ok();
        let sent = server.pair.send(message, opened);
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
