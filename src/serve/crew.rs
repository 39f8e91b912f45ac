use super::Server;
use super::input::{End, FrameReader};
use super::job::Job;
use super::thread;
use crate::wire::Stage;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io;
use std::os::fd::AsFd;
use std::sync::Mutex;

/// How many threads wait for the right to read, the one that has it among them.
const SPARES: usize = 8;

/// A request needs some kilobytes of stack; decoding nests at most 8 deep.
const STACK_SIZE: usize = 128 * 1024;

/// When the client is gone, requests that are still in the pipe get this many milliseconds, so
/// that the end of file can be read behind them.
const LAST_READS: u8 = 50;

/// Serves until the client is gone. Call it on the main thread: it sees to the start, and to hard
/// times, when no spare is left and none can be had.
pub fn run(server: Server) -> ! {
    let server: &'static Server = Box::leak(Box::new(server));
    let mut watching = false;
    loop {
        // Where no thread can be had now, there may be one later.
        watching = watching || start(end_with_client).is_ok();
        start_over(server);
        std::thread::park();
    }
}

/// Ends the program when the client has closed stdin, [`LAST_READS`] later. A thread does nothing
/// but this, since every other may be stuck in a write to the client, and would then never come to
/// read the end of file.
fn end_with_client() {
    let stdin = io::stdin();
    // No event is asked for; that all writers are gone is told nevertheless.
    let mut gone = [PollFd::new(stdin.as_fd(), PollFlags::empty())];
    loop {
        match poll(&mut gone, PollTimeout::NONE) {
            Ok(_) => break,
            Err(Errno::EINTR) => {}
            // Then the end of file must do.
            Err(_) => return,
        }
    }
    // Nothing to wait for but time.
    let _ = poll(&mut [], LAST_READS);
    end(0)
}

/// Ends the program, whatever its threads are doing.
pub fn end(status: i32) -> ! {
    // The first to come here ends the program; nobody must interfere, or get past.
    static ENDING: Mutex<()> = Mutex::new(());
    let _first = ENDING.lock();
    std::process::exit(status)
}

/// What there is to have the right to.
#[derive(Debug)]
pub struct Watch {
    reader: FrameReader,
    /// How many threads wait for the right to read, the one that has it among them.
    spares: usize,
}

impl Watch {
    pub fn new() -> Self {
        Watch { reader: FrameReader::new(), spares: 0 }
    }

    /// Starts spares up to `count`, as far as the system lets us.
    fn keep_up_spares(&mut self, server: &'static Server, count: usize) {
        while self.spares < count && start(move || stand_by(server)).is_ok() {
            self.spares += 1;
        }
    }
}

fn start(work: impl FnOnce() + Send + 'static) -> Result<(), Errno> {
    thread::start(STACK_SIZE, work)
}

/// The life of a spare. Whoever gets the right to read sees to it that others wait for it, and
/// then waits for a job. It has not entered a namespace yet: threads begin in the namespace of their
/// starter.
fn stand_by(server: &'static Server) {
    let mut watch = server.watch();
    watch.keep_up_spares(server, SPARES);
    let job = read_job(server, &mut watch.reader);
    watch.spares -= 1;
    if watch.spares == 0 {
        server.main.unpark();
    }
    // The right passes on.
    drop(watch);
    job.serve(server);
}

/// Waits for a job.
fn read_job(server: &'static Server, reader: &mut FrameReader) -> Job {
    match server.next_job(reader) {
        Ok(job) => job,
        Err(End::AtBoundary) => end(0),
        Err(End::InsideFrame) => end(1),
    }
}

/// Starts the first spare, of all or after hard times. Until there is one, jobs are read here: the
/// system may have a thread for one by then; if not, the client learns why.
fn start_over(server: &'static Server) {
    let mut watch = server.watch();
    loop {
        watch.keep_up_spares(server, 1);
        if watch.spares > 0 {
            return;
        }
        let job = read_job(server, &mut watch.reader);
        let ticket = job.ticket();
        if let Err(error) = start(move || job.serve(server)) {
            server.refuse(ticket, Stage::Thread.fails()(error));
        }
    }
}
