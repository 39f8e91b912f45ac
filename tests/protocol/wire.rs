//! Waiting, reading and writing, never for longer than a test may take.

use std::io::{ErrorKind, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Child, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// How long anything may take. It is only ever reached by a program that
/// doesn't keep its promise, so it is generous.
pub const WAIT: Duration = Duration::from_secs(60);

/// The most descriptors that one message can carry.
const SCM_MAX_FD: usize = 253;

/// Waits until something happens on one of `fds` and says on which; `None`
/// when `limit` is over first.
pub fn wait_for<const N: usize>(
    fds: [(BorrowedFd, PollFlags); N],
    limit: Duration,
) -> Option<[bool; N]> {
    let deadline = Instant::now() + limit;
    let mut polled = fds.map(|(fd, events)| PollFd::new(fd, events));
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).expect("a wait that poll can express");
        match poll(&mut polled, timeout) {
            Ok(0) => return None,
            Ok(_) => return Some(polled.map(|p| p.any().unwrap_or(true))),
            Err(nix::Error::EINTR) => {}
            Err(error) => panic!("poll: {error}"),
        }
    }
}

/// Waits until `fd` can be read; a peer that is gone counts.
fn wait_readable(fd: BorrowedFd, what: &str) {
    let ready = wait_for([(fd, PollFlags::POLLIN)], WAIT);
    assert!(ready.is_some(), "no {what} came in {WAIT:?}");
}

/// Fills `buffer` and says how much came before the end of the stream.
fn read_up_to(stream: &mut (impl Read + AsFd), buffer: &mut [u8]) -> usize {
    let mut done = 0;
    while done < buffer.len() {
        wait_readable(stream.as_fd(), "frame");
        match stream.read(&mut buffer[done..]) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => panic!("reading stdout: {error}"),
        }
    }
    done
}

/// Reads one frame; `None` at the end of the stream, which may only be
/// between two frames.
pub fn read_frame(stream: &mut (impl Read + AsFd)) -> Option<Vec<u8>> {
    let mut header = [0; 4];
    match read_up_to(stream, &mut header) {
        0 => return None,
        count => assert_eq!(count, header.len(), "stdout ended inside a header"),
    }
    let length = u32::from_be_bytes(header) as usize;
    // No reply is anywhere near a mebibyte: a larger one is a broken header.
    assert!(length <= 1 << 20, "a reply of {length} bytes");
    let mut body = vec![0; length];
    assert_eq!(read_up_to(stream, &mut body), length, "stdout ended inside a frame");
    Some(body)
}

/// Writes all of `bytes` to a non-blocking pipe.
pub fn write_all(stream: &mut (impl Write + AsFd), mut bytes: &[u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let ready = wait_for([(stream.as_fd(), PollFlags::POLLOUT)], WAIT);
                assert!(ready.is_some(), "stdin wasn't read for {WAIT:?}");
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Receives one message and its descriptors; `None` when the peer is gone.
pub fn receive(socket: &OwnedFd) -> Option<(Vec<u8>, Vec<OwnedFd>)> {
    wait_readable(socket.as_fd(), "message");
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SCM_MAX_FD))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = vec![0; 1 << 16];
    let mut parts = [std::io::IoSliceMut::new(&mut bytes)];
    let message = match recvmsg(socket, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC) {
        Ok(message) => message,
        Err(Errno::CONNRESET) => return None,
        Err(error) => panic!("recvmsg: {error}"),
    };
    let mut fds = Vec::new();
    for part in control.drain() {
        match part {
            RecvAncillaryMessage::ScmRights(rights) => fds.extend(rights),
            _ => panic!("only descriptors are handed over"),
        }
    }
    assert!(!message.flags.contains(ReturnFlags::TRUNC), "a message over 64 KiB");
    assert!(!message.flags.contains(ReturnFlags::CTRUNC), "descriptors were lost");
    if message.bytes == 0 && fds.is_empty() {
        return None;
    }
    bytes.truncate(message.bytes);
    Some((bytes, fds))
}

/// Sends one message with descriptors.
pub fn send(socket: &OwnedFd, bytes: &[u8], descriptors: &[BorrowedFd]) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SCM_MAX_FD))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    let parts = [std::io::IoSlice::new(bytes)];
    let room = wait_for([(socket.as_fd(), PollFlags::POLLOUT)], WAIT);
    assert!(room.is_some(), "there was no room on the pair for {WAIT:?}");
    sendmsg(socket, &parts, &mut control, SendFlags::NOSIGNAL).expect("the message is sent");
}

/// Waits until a process that we started has ended.
pub fn wait_exit(child: &mut Child) -> ExitStatus {
    let process = process_of(child);
    let ended = wait_for([(process.as_fd(), PollFlags::POLLIN)], WAIT);
    assert!(ended.is_some(), "the program didn't end in {WAIT:?}");
    child.wait().expect("the status of a child")
}

/// A descriptor that is readable as soon as `child` has ended.
pub fn process_of(child: &Child) -> OwnedFd {
    pidfd_open(Pid::from_child(child), PidfdFlags::empty()).expect("pidfd_open")
}

/// Looks at a value again and again until it is as promised. For what the
/// program may do just after it has answered, such as closing a descriptor.
pub fn eventually<T: std::fmt::Debug>(mut look: impl FnMut() -> T, good: impl Fn(&T) -> bool) -> T {
    let deadline = Instant::now() + WAIT;
    loop {
        let seen = look();
        if good(&seen) {
            return seen;
        }
        assert!(Instant::now() < deadline, "still {seen:?} after {WAIT:?}");
        thread::sleep(Duration::from_millis(5));
    }
}
