//! Framing: lengths, the limit, and ids.

use crate::client::{Port, framed};
use crate::commands::{ROUTE, open};
use crate::etf::{INTEGER, SMALL_BIG, Term, VERSION, atom, binary, int, tuple};
use crate::reply::at;
use crate::scene::Namespace;

use nix::libc;

/// The most bytes that a request frame may have.
pub const LIMIT: usize = 1_048_576;

/// The bytes of a request frame.
fn request(id: u64, command: Term) -> Vec<u8> {
    framed(&tuple([int(id), command]).encode())
}

/// A request of exactly `length` bytes: a path that is long enough.
fn request_of(length: usize) -> Vec<u8> {
    let of_path = |bytes| tuple([int(7), open(binary(vec![b'x'; bytes]), ROUTE)]).encode();
    let around = of_path(0).len();
    let body = of_path(length - around);
    assert_eq!(body.len(), length);
    body
}

/// The service goes on: one request gets its answer, and nothing else comes.
pub fn still_serves(port: &mut Port) {
    port.info();
}

#[test]
fn a_frame_may_arrive_byte_by_byte() {
    let mut port = Port::start();
    for byte in request(5, atom("info")) {
        port.send_bytes(&[byte]);
    }
    let reply = port.next();
    assert_eq!(reply.id(), Some(5));
    reply.info();
    port.end();
}

#[test]
fn many_frames_may_arrive_in_one_write() {
    let mut port = Port::start();
    let frames: Vec<u8> = (1..=50).flat_map(|id| request(id, atom("info"))).collect();
    port.send_bytes(&frames);
    let mut ids: Vec<_> = (1..=50).map(|_| port.next().id().expect("an id")).collect();
    ids.sort_unstable();
    assert_eq!(ids, (1..=50).collect::<Vec<_>>());
    port.end();
}

#[test]
fn a_frame_and_half_of_the_next_may_arrive_together() {
    let mut port = Port::start();
    let [first, second] = [1, 2].map(|id| request(id, atom("info")));
    let (head, tail) = second.split_at(6);
    port.send_bytes(&[&first, head].concat());
    assert_eq!(port.next().id(), Some(1), "the whole one is answered at once");
    port.send_bytes(tail);
    assert_eq!(port.next().id(), Some(2));
    port.end();
}

#[test]
fn a_frame_of_exactly_the_limit_is_served() {
    let mut port = Port::start();
    let reply = port.ask_frame(&request_of(LIMIT));
    assert_eq!(reply.id(), Some(7));
    assert_eq!(reply.failure(), at("open", libc::ENAMETOOLONG));
    port.end();
}

#[test]
fn a_frame_over_the_limit_is_skipped_and_the_next_one_is_served() {
    let mut port = Port::start();
    let reply = port.ask_frame(&request_of(LIMIT + 1));
    assert_eq!(reply.protocol_error(), Some("frame_too_large"));
    still_serves(&mut port);
    port.end();
}

#[test]
fn each_of_several_frames_over_the_limit_is_told_once() {
    let mut port = Port::start();
    for length in [LIMIT + 1, 2 * LIMIT, 3 * LIMIT + 17] {
        let reply = port.ask_frame(&vec![VERSION; length]);
        assert_eq!(reply.protocol_error(), Some("frame_too_large"));
    }
    still_serves(&mut port);
    port.end();
}

#[test]
fn a_frame_over_the_limit_is_told_of_before_it_has_come_also_behind_a_request() {
    let mut port = Port::start();
    let request = request(7, open(binary("/run/netns/there-is-none"), ROUTE));
    let header = u32::try_from(LIMIT + 1).expect("32 bits").to_be_bytes();
    port.send_bytes(&[&request[..], &header].concat());
    let mut replies = [port.next(), port.next()];
    replies.sort_by_key(|reply| reply.id().is_some());
    assert_eq!(replies[0].protocol_error(), Some("frame_too_large"));
    assert_eq!(replies[1].id(), Some(7));
    port.send_bytes(&vec![VERSION; LIMIT + 1]);
    still_serves(&mut port);
    port.end();
}

#[test]
fn a_frame_over_the_limit_is_not_held_in_memory() {
    let mut port = Port::start();
    still_serves(&mut port);
    let before = port.peak_memory();
    let length = 64 * LIMIT;
    port.send_bytes(&u32::try_from(length).expect("32 bits").to_be_bytes());
    let piece = vec![VERSION; LIMIT];
    for _ in 0..length / piece.len() {
        port.send_bytes(&piece);
    }
    assert_eq!(port.next().protocol_error(), Some("frame_too_large"));
    still_serves(&mut port);
    let grown = port.peak_memory() - before;
    assert!(grown < 8 * LIMIT, "{grown} bytes more for a frame of {length}");
    port.end();
}

#[test]
fn an_empty_frame_is_an_error_and_the_next_one_is_served() {
    let mut port = Port::start();
    let reply = port.ask_frame(&[]);
    // Neither the version byte nor a term is there: both names fit.
    let reason = reply.protocol_error();
    assert!(matches!(reason, Some("bad_version" | "truncated_term")), "{reply:?}");
    still_serves(&mut port);
    port.end();
}

#[test]
fn every_id_is_echoed_on_stdout() {
    let mut port = Port::start();
    for id in ids() {
        port.send(id, atom("info"));
        let reply = port.next();
        assert_eq!(reply.id(), Some(id.into()));
        reply.info();
    }
    port.end();
}

#[test]
fn every_id_is_echoed_in_an_error() {
    let mut port = Port::start();
    for id in ids() {
        port.send(id, open(binary("/nowhere/netns"), ROUTE));
        let reply = port.next();
        assert_eq!(reply.id(), Some(id.into()));
        assert_eq!(reply.failure(), at("open", libc::ENOENT));
    }
    port.end();
}

#[test]
fn every_id_is_echoed_on_the_pair() {
    let namespace = Namespace::new();
    let mut port = Port::start();
    for id in ids() {
        port.send(id, open(namespace.by_path(), ROUTE));
        let reply = port.next();
        assert_eq!(reply.id(), Some(id.into()));
        reply.opened();
    }
    port.end();
}

/// Ids at every border between two encodings, and at both ends of the range.
fn ids() -> [u64; 12] {
    let int = i32::MAX as u64;
    let big = u64::from(u32::MAX);
    let long = i64::MAX as u64;
    [0, 1, 255, 256, int, int + 1, big, big + 1, long, long + 1, u64::MAX - 1, u64::MAX]
}

#[test]
fn an_id_may_be_written_longer_than_it_needs_to_be() {
    let mut port = Port::start();
    let spelt: [(&[u8], i128); 4] = [
        (&[INTEGER, 0, 0, 0, 5], 5),
        (&[SMALL_BIG, 1, 0, 5], 5),
        (&[SMALL_BIG, 2, 0, 5, 0], 5),
        (&[SMALL_BIG, 8, 0, 5, 0, 0, 0, 0, 0, 0, 0], 5),
    ];
    for (bytes, id) in spelt {
        let reply = port.ask_frame(&tuple([Term::Raw(bytes.to_vec()), atom("info")]).encode());
        assert_eq!(reply.id(), Some(id), "{bytes:?}");
        reply.info();
    }
    port.end();
}

#[test]
fn the_program_attaches_no_meaning_to_an_id() {
    let mut port = Port::start();
    port.send(9, atom("info"));
    port.send(9, atom("info"));
    for _ in 0..2 {
        let reply = port.next();
        assert_eq!(reply.id(), Some(9));
        reply.info();
    }
    port.end();
}
