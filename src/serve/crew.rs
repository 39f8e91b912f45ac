use super::Server;
use super::job::Job;
use super::leave::leave;
use super::thread::start_small;
use super::watch::watch;
use crate::wire::Stage;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};

/// How many threads wait for something to read.
const SPARES: usize = 8;

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

/// Starts the threads that are missing. Returns whether there are any spares.
///
/// Threads begin in the namespace of their starter, so this is for one that has entered none.
fn keep_up_crew(server: &'static Server) -> bool {
    // Where no thread can be had now, there may be one later.
    if !server.watching.swap(true, AcqRel) && start_small(move || watch(server)).is_err() {
        server.watching.store(false, Release);
    }
    let one_more = |count| (count < SPARES).then_some(count + 1);
    // Counted first: a spare that is quick to find a job counts itself out.
    while server.spares.fetch_update(AcqRel, Acquire, one_more).is_ok() {
        if start_small(move || stand_by(server)).is_err() {
            return server.spares.fetch_sub(1, AcqRel) > 1;
        }
    }
    true
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
    let (ticket, keys) = (job.ticket(), job.sent_keys());
    if let Err(error) = start_small(move || job.serve(server)) {
        server.refuse(ticket, Stage::Thread.fails()(error));
        server.forget(&keys);
    }
}
