//! No frame makes the program allocate more than 4 MiB beyond the frame, however it is made.

#[path = "support/heap.rs"]
mod heap;

use linx_netlink_port::wire::{MAX_FRAME, read_request};

#[global_allocator]
static HEAP: heap::Counting = heap::Counting;

const HEADER: [u8; 5] = [131, 104, 2, 97, 7];
const NIL: u8 = 106;

fn list(element: &[u8], count: usize) -> Vec<u8> {
    let length = u32::try_from(count).expect("a small count").to_be_bytes();
    [&[108][..], &length, &element.repeat(count), &[NIL]].concat()
}

fn frame(command: &[u8]) -> Vec<u8> {
    [&HEADER, command].concat()
}

fn open_in_netns(netns: &[u8], protocol: &[u8], options: &[u8]) -> Vec<u8> {
    frame(&[b"\x68\x04w\x0dopen_in_netns", netns, protocol, options].concat())
}

fn open_many(entries: Vec<u8>) -> Vec<u8> {
    frame(&[&b"\x68\x02w\x09open_many"[..], &entries].concat())
}

/// A map whose one pair is small takes the most memory for its bytes.
const SMALL_MAP: &[u8] = &[116, 0, 0, 0, 1, NIL, NIL];

/// Frames that are small for what they would make a trusting decoder allocate.
fn hostile_frames() -> Vec<(&'static str, Vec<u8>)> {
    let fill = |element: &[u8]| (MAX_FRAME - 64) / element.len();
    let map = {
        let pairs = 100_000_u32;
        let mut map = [&[116][..], &pairs.to_be_bytes()].concat();
        (0..pairs).for_each(|key| {
            map.push(98);
            map.extend(key.to_be_bytes());
            map.push(NIL);
        });
        map
    };
    let entry = |size: usize| [&[104, 2][..], &list(&[97, 47], size), &[97, 0]].concat();
    vec![
        ("a list of empty lists", frame(&list(&[NIL], fill(&[NIL])))),
        ("a list of maps", frame(&list(SMALL_MAP, fill(SMALL_MAP)))),
        ("a list of atoms", frame(&list(b"w\x01a", fill(b"w\x01a")))),
        ("a path of integers", open_in_netns(&list(&[97, 47], 500_000), &[97, 0], &[NIL])),
        ("a long path", {
            let length = 1_000_000_u32.to_be_bytes();
            open_in_netns(&[&[109][..], &length, &vec![47; 1_000_000]].concat(), &[97, 0], &[NIL])
        }),
        ("a map of many options", open_in_netns(&[NIL], &[97, 0], &map)),
        ("a path of the most terms", open_in_netns(&list(SMALL_MAP, 5_400), &[97, 0], &[NIL])),
        ("many long paths", open_many(list(&entry(2_000), 253))),
        ("many entries", open_many(list(&entry(1), 80_000))),
        ("a list that lies", frame(&[108, 255, 255, 255, 255, NIL])),
        ("a tuple that lies", frame(&[105, 255, 255, 255, 255, NIL])),
        ("a map that lies", frame(&[116, 255, 255, 255, 255, NIL])),
    ]
}

#[test]
fn no_frame_makes_the_program_allocate_more_than_4_mib_beyond_it() {
    for (name, frame) in hostile_frames() {
        assert!(frame.len() <= MAX_FRAME, "{name}: {} bytes", frame.len());
        let (outcome, peak) = heap::peak_of(|| read_request(&frame));
        println!("{name}: {} bytes made {peak}", frame.len());
        assert!(peak <= heap::MOST_BEYOND_THE_FRAME, "{name}: {peak} bytes");
        drop(outcome);
    }
}
