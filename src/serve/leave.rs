//! How the program ends when its input has.

use super::Server;
use super::input::{End, Input};
use crate::confine::end;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::Once;

/// Reads what nobody has read in time, and drops it: the status tells where stdin ended.
pub fn read_to_the_end(server: &Server) -> ! {
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

/// Ends the program, with a status that tells where stdin ended, and a line that tells it too.
pub fn leave(server: &Server, how: End) -> ! {
    // Other threads may find the end too.
    static TOLD: Once = Once::new();
    match how {
        End::AtBoundary => end(0),
        End::InsideFrame => {
            TOLD.call_once(|| complain(server, "stdin ended inside a frame"));
            end(1)
        }
    }
}

/// Writes a line to stderr, without the program's capabilities, if there is room for it.
fn complain(server: &Server, text: &str) {
    let mut stderr = io::stderr();
    let mut room = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    if poll(&mut room, PollTimeout::ZERO) == Ok(1) {
        let line = format!("linx-netlink-port: {text}\n");
        // The status says it too.
        let _ = server.report.privileges.held.lay_down_for(|| stderr.write_all(line.as_bytes()));
    }
}
