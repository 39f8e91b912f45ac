use super::Server;
use super::input::End;
use super::job::Job;
use super::leave::leave;
use super::thread::start_small;
use super::watch::watch;
use crate::wire::Stage;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::thread::yield_now;

/// How many threads wait for something to read.
const SPARES: usize = 8;

/// Where requests follow each other at once, the missing ones are started together, when there are fewer than
/// this. Else each is replaced when it has answered: of several that were started together, the kernel lets the
/// last wait for a whole slice of whoever is on its processor when it is woken.
const FEW: usize = SPARES / 2;

/// With fewer than this, they are started before it is served: it may take for ever.
const TOO_FEW: usize = 2;

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

/// Sees that there are spares, and a thread that watches. Returns whether there are any spares.
///
/// Threads begin in the namespace of their starter, so this is for one that has entered none.
fn keep_up_crew(server: &'static Server) -> bool {
    // Where no thread can be had now, there may be one later.
    if !server.watching.swap(true, AcqRel) && start_small(move || watch(server)).is_err() {
        server.watching.store(false, Release);
    }
    match server.spares.load(Acquire) {
        SPARES.. => true,
        TOO_FEW.. => server.processors.begin_here(|| start_spares(server)),
        // One that is needed at once begins wherever there is a processor for it.
        _ => start_spares(server),
    }
}

/// Starts as many spares as are missing. Returns whether there are any.
fn start_spares(server: &'static Server) -> bool {
    let one_more = |count| (count < SPARES).then_some(count + 1);
    // Counted first: a spare that is quick to find a job counts itself out.
    while server.spares.fetch_update(AcqRel, Acquire, one_more).is_ok() {
        if start_small(move || stand_by(server)).is_err() {
            return server.spares.fetch_sub(1, AcqRel) > 1;
        }
        // A request may be waiting for the one that was just started.
        yield_now();
    }
    true
}

/// The life of a spare. Others are started by the main thread, and if possible when the client has its
/// answer: until then, that would be in its way.
fn stand_by(server: &'static Server) {
    server.processors.free_caller();
    let job = wait_for_job(server);
    let left = server.spares.fetch_sub(1, AcqRel) - 1;
    if left < TOO_FEW {
        server.main.unpark();
    }
    job.serve(server);
    if left < FEW || !server.pace.is_fast() {
        server.main.unpark();
    }
}

/// Waits for a job. If there is more to read behind it, another thread is woken.
fn wait_for_job(server: &'static Server) -> Job {
    loop {
        server.bell.wait();
        match look_for_job(server) {
            Ok(Some(job)) => {
                server.pace.request();
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

/// The next job, if there is one, or will be at once.
fn look_for_job(server: &'static Server) -> Result<Option<Job>, End> {
    let next_job = || server.next_job().transpose();
    let job = next_job();
    if job.is_some() || !server.pace.is_fast() {
        return job.transpose();
    }
    server.bell.hush_for(|| server.pace.look(next_job)).transpose()
}

/// Serves one job for want of spares: the system may have a thread for it by now; if not, the client
/// learns why.
fn serve_without_spares(server: &'static Server) {
    let job = wait_for_job(server);
    let (ticket, keys) = (job.ticket(), job.sent_keys());
    if let Err(error) = start_small(move || job.serve(server)) {
        server.refuse(ticket, Stage::Thread.fails()(error));
        server.forget(&keys);
    }
}
