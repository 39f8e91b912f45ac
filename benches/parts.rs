//! The parts of a request, each by itself: `cargo bench`; and, as root, a whole one, through the
//! built program, without a BEAM.

#![forbid(unsafe_code)]

use divan::Bencher;
use divan::counter::ItemsCount;
use eetf::{Atom, Binary, FixInteger, List, Map, Term, Tuple};
use linx_netlink_port::wire::{Failure, Reply, Stage, read_request};
use nix::errno::Errno;
use std::collections::HashMap;

/// The namespace that the program is in already: entering it costs as much as any other.
const NETNS: &str = "/proc/self/ns/net";

fn main() {
    divan::main();
}

mod request {
    use super::*;

    #[divan::bench]
    fn open(bencher: Bencher) {
        let frame = frame(open_in_netns(vec![]));
        bencher.bench(|| read_request(&frame));
    }

    #[divan::bench]
    fn open_with_options(bencher: Bencher) {
        let options = [(atom("ext_ack"), atom("true")), (atom("rcvbuf"), integer(1_000_000))];
        let frame = frame(open_in_netns(vec![Map::from(HashMap::from(options)).into()]));
        bencher.bench(|| read_request(&frame));
    }

    #[divan::bench(args = [1, 64, 253])]
    fn open_many(bencher: Bencher, entries: usize) {
        let frame = frame(super::open_many(entries));
        bencher.counter(ItemsCount::new(entries)).bench(|| read_request(&frame));
    }

    /// A frame of the largest size, of as many terms as fit, which is refused.
    #[divan::bench]
    fn hostile(bencher: Bencher) {
        let frame = [&[131, 108, 0, 15, 255, 250][..], &vec![106; 0xf_fffa]].concat();
        bencher.bench(|| read_request(&frame));
    }
}

mod reply {
    use super::*;

    #[divan::bench]
    fn opened() -> Vec<u8> {
        Reply::Opened { id: divan::black_box(1 << 40) }.encode()
    }

    #[divan::bench]
    fn not_opened() -> Vec<u8> {
        let failure = Failure { stage: Stage::Open, errno: Errno::ENOENT };
        Reply::NotOpened { id: divan::black_box(1 << 40), failure }.encode()
    }

    #[divan::bench(args = [1, 64, 253])]
    fn many_opened(bencher: Bencher, entries: usize) {
        let outcomes = vec![Ok(()); entries];
        bencher
            .counter(ItemsCount::new(entries))
            .bench(|| Reply::ManyOpened { id: 1, outcomes: &outcomes }.encode());
    }
}

mod program {
    use super::*;
    use linx_netlink_client::Start;
    use std::time::Duration;

    const PROGRAM: &str = env!("CARGO_BIN_EXE_linx-netlink-port");

    const PATIENCE: Duration = Duration::from_secs(10);

    #[divan::bench]
    fn info(bencher: Bencher) {
        ask(bencher, 0, atom("info"));
    }

    #[divan::bench]
    fn open(bencher: Bencher) {
        ask(bencher, 1, open_in_netns(vec![]));
    }

    #[divan::bench(args = [1, 64, 253])]
    fn open_many(bencher: Bencher, entries: usize) {
        let bencher = bencher.counter(ItemsCount::new(entries));
        ask(bencher, entries, super::open_many(entries));
    }

    /// One request after the other, each when the one before has been answered.
    fn ask(bencher: Bencher, sockets: usize, command: Term) {
        let frame = frame(command);
        let mut client = Start::new(PROGRAM).start().expect("the port program");
        bencher.bench_local(|| {
            client.send_frame(&frame).expect("a program that reads");
            let answer = client.receive(PATIENCE).expect("an answer");
            assert_eq!(answer.descriptors.len(), sockets, "{:?}", answer.term());
            // Closed outside the timer.
            answer
        });
    }
}

fn open_in_netns(options: Vec<Term>) -> Term {
    let command = [atom("open_in_netns"), binary(NETNS), integer(0)];
    Tuple::from(command.into_iter().chain(options).collect::<Vec<_>>()).into()
}

fn open_many(entries: usize) -> Term {
    let entry: Term = Tuple::from(vec![binary(NETNS), integer(0)]).into();
    Tuple::from(vec![atom("open_many"), List::from(vec![entry; entries]).into()]).into()
}

fn frame(command: Term) -> Vec<u8> {
    let mut frame = Vec::new();
    let request: Term = Tuple::from(vec![integer(1), command]).into();
    request.encode(&mut frame).expect("a term that can be encoded");
    frame
}

fn atom(name: &str) -> Term {
    Atom::from(name).into()
}

fn integer(value: i32) -> Term {
    FixInteger::from(value).into()
}

fn binary(text: &str) -> Term {
    Binary::from(text.as_bytes().to_vec()).into()
}
