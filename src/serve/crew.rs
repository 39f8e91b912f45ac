use super::Server;
use super::input::{End, Input};
use super::job::Job;
use super::thread;
use crate::confine::end;
use crate::wire::Stage;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::Once;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};

/// How many threads wait for something to read.
const SPARES: usize = 8;

/// A request needs some kilobytes of stack; decoding nests at most 8 deep.
const STACK_SIZE: usize = 128 * 1024;

/// When the client is gone, requests that are still in the pipe get this many milliseconds, so
/// that the end of file can be read behind them.
const LAST_READS: u8 = 50;

/// Serves until the client is gone. Call it on the main thread, which serves when no other thread
/// can be had. It ends the process, with status 0 at the end of file between two frames and 1 inside
/// one.
///
/// [`Server`] has an example, and the module `client` a whole program as its own.
pub fn run(server: Server) -> ! {
    let server: &'static Server = Box::leak(Box::new(server));
    loop {
        if keep_up_crew(server) {
            std::thread::park();
        } else {
            serve_without_spares(server);
        }
    }
}

/// Ends the program when the client has closed stdin, [`LAST_READS`] later. A thread does nothing
/// but this, since every other may be stuck in a write to the client, and would then never come to
/// read the end of file.
fn end_with_client(server: &Server) {
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
    read_to_the_end(server)
}

/// Reads what nobody has read in time, and drops it: the status tells where stdin ended.
fn read_to_the_end(server: &Server) -> ! {
    let mut reader = server.reader();
    loop {
        match reader.next() {
            Input::Frame(_) | Input::TooLarge => {}
            Input::End(how) => leave(server, how),
            // Somebody else has opened the pipe by now.
            Input::Nothing => end(0),
        }
    }
}

fn leave(server: &Server, how: End) -> ! {
    // Other threads may find the end too.
    static TOLD: Once = Once::new();
    match how {
        End::AtBoundary => end(0),
        End::InsideFrame => {
            TOLD.call_once(|| server.complain("stdin ended inside a frame"));
            end(1)
        }
    }
}

impl Server {
    /// Writes a line to stderr, without the program's capabilities, if there is room for it.
    fn complain(&self, text: &str) {
        let mut stderr = io::stderr();
        let mut room = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
        if poll(&mut room, PollTimeout::ZERO) == Ok(1) {
            let line = format!("linx-netlink-port: {text}\n");
            // The status says it too.
            let _ = self.report.privileges.held.lay_down_for(|| stderr.write_all(line.as_bytes()));
        }
    }
}

/// Starts the threads that are missing. Returns whether there are any spares.
///
/// Threads begin in the namespace of their starter, so this is for one that has entered none.
fn keep_up_crew(server: &'static Server) -> bool {
    // Where no thread can be had now, there may be one later.
    if !server.watching.swap(true, AcqRel) && start(move || end_with_client(server)).is_err() {
        server.watching.store(false, Release);
    }
    let one_more = |count| (count < SPARES).then_some(count + 1);
    // Counted first: a spare that is quick to find a job counts itself out.
    while server.spares.fetch_update(AcqRel, Acquire, one_more).is_ok() {
        if start(move || stand_by(server)).is_err() {
            return server.spares.fetch_sub(1, AcqRel) > 1;
        }
    }
    true
}

fn start(work: impl FnOnce() + Send + 'static) -> Result<(), Errno> {
    thread::start(STACK_SIZE, work)
}

/// The life of a spare. It starts the next one: to wake somebody for that, or to let several be
/// started at once, would delay the requests behind this one.
fn stand_by(server: &'static Server) {
    let job = wait_for_job(server);
    server.spares.fetch_sub(1, AcqRel);
    if !keep_up_crew(server) {
        server.main.unpark();
    }
    job.serve(server);
}

/// Waits for a job. If there is more to read behind it, another thread is woken.
fn wait_for_job(server: &'static Server) -> Job {
    loop {
        server.bell.wait();
        match server.next_job() {
            Ok(Some(job)) => {
                if server.reader().has_more() {
                    server.bell.ring();
                }
                return job;
            }
            // Another thread has read it, or it is no whole frame yet.
            Ok(None) => {}
            Err(how) => leave(server, how),
        }
    }
}

/// Serves one job for want of spares: the system may have a thread for it by now; if not, the client
/// learns why.
fn serve_without_spares(server: &'static Server) {
    let job = wait_for_job(server);
    let ticket = job.ticket();
    if let Err(error) = start(move || job.serve(server)) {
        server.refuse(ticket, Stage::Thread.fails()(error));
    }
}
