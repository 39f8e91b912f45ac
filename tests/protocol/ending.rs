//! Ending: the end of stdin, wherever it comes and whatever is going on.

use crate::client::{Port, framed};
use crate::commands::{ROUTE, open};
use crate::etf::{atom, int, tuple};
use crate::framing::LIMIT;
use crate::launch::Launch;
use crate::load::fill_up;
use crate::netns::StuckMount;
use crate::scene::{Namespace, with_private_mounts};
use std::io::Read;

/// Sends `bytes`, ends stdin, and expects this status.
fn ends_with(bytes: &[u8], status: i32) {
    let mut port = Port::start();
    port.send_bytes(bytes);
    let remains = port.finish();
    assert_eq!(remains.status.code(), Some(status), "{}", remains.status);
}

/// The bytes of one whole frame.
fn frame() -> Vec<u8> {
    framed(&tuple([int(1), atom("info")]).encode())
}

#[test]
fn the_end_of_stdin_right_after_the_hello_is_status_0() {
    Port::start().end();
}

#[test]
fn the_end_of_stdin_at_a_frame_boundary_is_status_0() {
    ends_with(&frame(), 0);
    ends_with(&frame().repeat(20), 0);
}

#[test]
fn the_end_of_stdin_after_a_bad_frame_is_status_0() {
    ends_with(&framed(&[]), 0);
    ends_with(&framed(b"noise"), 0);
    ends_with(&framed(&vec![131; LIMIT + 1]), 0);
}

#[test]
fn the_end_of_stdin_inside_a_header_is_status_1() {
    for length in 1..4 {
        ends_with(&frame()[..length], 1);
        ends_with(&[&frame(), &frame()[..length]].concat(), 1);
    }
}

#[test]
fn the_end_of_stdin_inside_a_frame_is_status_1() {
    let frame = frame();
    for length in 4..frame.len() {
        ends_with(&frame[..length], 1);
    }
}

#[test]
fn the_end_of_stdin_inside_a_frame_over_the_limit_is_status_1() {
    let header = u32::MAX.to_be_bytes();
    ends_with(&header, 1);
    ends_with(&[&header[..], &vec![131; 100_000]].concat(), 1);
    ends_with(&framed(&vec![131; LIMIT + 1])[..LIMIT + 4], 1);
}

/// Then a thread looks for the next one before it sleeps.
#[test]
fn the_end_of_stdin_is_seen_when_requests_have_followed_each_other_at_once() {
    let namespace = Namespace::new();
    for (rest, status) in [(&frame()[..0], 0), (&frame()[..6], 1)] {
        let mut port = Port::start();
        for _ in 0..1_000 {
            drop(port.open(open(namespace.by_path(), ROUTE)));
        }
        port.send_bytes(rest);
        assert_eq!(port.finish().status.code(), Some(status));
    }
}

#[test]
fn the_end_of_stdin_does_not_wait_for_a_request_that_is_stuck() {
    with_private_mounts(|| {
        let stuck = StuckMount::new();
        let mut port = Port::start();
        port.request(open(stuck.netns(), ROUTE));
        // With `info` itself in flight or not, this one is.
        port.info();
        port.close_stdin();
        assert_eq!(port.wait_exit().code(), Some(0));
        drop(stuck);
    });
}

#[test]
fn the_end_of_stdin_does_not_wait_for_all_the_requests_there_may_be() {
    with_private_mounts(|| {
        let stuck = StuckMount::new();
        let mut port = Port::start();
        fill_up(&mut port, &stuck);
        port.close_stdin();
        assert_eq!(port.wait_exit().code(), Some(0));
        drop(stuck);
    });
}

#[test]
fn the_end_of_stdin_does_not_wait_for_a_pair_that_nobody_reads() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    // Far more than the pair can hold, and fewer errors than stdout can.
    for _ in 0..600 {
        port.request(open(namespace.by_path(), ROUTE));
    }
    port.close_stdin();
    assert_eq!(port.wait_exit().code(), Some(0));
}

#[test]
fn a_client_that_is_gone_is_not_outlived() {
    with_private_mounts(|| {
        let stuck = StuckMount::new();
        let namespace = Namespace::new();
        let mut port = Port::start();
        port.request(open(stuck.netns(), ROUTE));
        port.request(open(namespace.by_path(), ROUTE));
        // All at once, as when a process dies.
        port.close_pair();
        port.close_stdout();
        port.close_stdin();
        // It may notice stdout first, so the status is its own affair.
        port.wait_exit();
        drop(stuck);
    });
}

#[test]
fn a_client_that_goes_with_replies_unread_is_not_outlived() {
    let mut port = Port::start();
    // More replies than stdout can hold, so that the program waits for us.
    let burst = frame().repeat(500);
    let mut sent = 0;
    while sent < 20_000 && port.send_if_read(&burst) {
        sent += 500;
    }
    port.close_pair();
    port.close_stdout();
    port.close_stdin();
    port.wait_exit();
}

#[test]
fn a_client_that_goes_inside_a_frame_is_not_outlived() {
    let mut port = Port::start();
    port.send_bytes(&frame()[..6]);
    port.close_pair();
    port.close_stdout();
    port.close_stdin();
    port.wait_exit();
}

#[test]
fn the_end_of_stdin_inside_a_frame_is_status_1_also_where_no_answer_can_be_written() {
    let mut port = Port::start();
    // Far more replies than stdout can hold, and no more requests than stdin can.
    port.send_bytes(&frame().repeat(1_000));
    port.send_bytes(&frame()[..6]);
    port.close_stdin();
    assert_eq!(port.wait_exit().code(), Some(1));
}

#[test]
fn the_end_of_stdin_inside_a_frame_is_told_on_stderr() {
    let mut port = Launch::new().with_stderr().start();
    port.send_bytes(&frame()[..6]);
    let mut stderr = port.child.stderr.take().expect("a piped stderr");
    port.close_stdin();
    assert_eq!(port.wait_exit().code(), Some(1));
    let mut said = String::new();
    stderr.read_to_string(&mut said).expect("text");
    assert_eq!(said, "linx-netlink-port: stdin ended inside a frame\n");
}

#[test]
fn the_end_leaves_nothing_but_whole_frames_on_stdout() {
    // `finish` reads to the end and fails on half a frame.
    let namespace = Namespace::new();
    for _ in 0..20 {
        let mut port = Port::start();
        for _ in 0..20 {
            port.request(atom("info"));
            port.request(open(namespace.by_path(), ROUTE));
        }
        let remains = port.finish();
        assert_eq!(remains.status.code(), Some(0), "{}", remains.status);
        assert!(remains.replies.len() <= 40);
    }
}
