use crate::wire::MAX_FRAME;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::io::{Errno, ReadWriteFlags, preadv2, read};
use std::io::{IoSliceMut, stdin};
use std::os::fd::AsFd;

const HEADER: usize = 4;

/// What is read at once, and kept between frames.
const CHUNK: usize = 16 * 1024;

/// The client's next word on stdin.
#[derive(Debug, PartialEq, Eq)]
pub enum Input<'a> {
    Frame(&'a [u8]),
    /// A frame over the limit. Its bytes are skipped when the next input is read.
    TooLarge,
    End(End),
    /// It has not spoken, or not yet finished its word.
    Nothing,
}

/// How stdin ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    AtBoundary,
    InsideFrame,
}

/// Cuts stdin into frames, reading as many at once as there are.
#[derive(Debug)]
pub struct FrameReader {
    buffer: Vec<u8>,
    /// What has been read and not yet been given out.
    unread: std::ops::Range<usize>,
    /// How many bytes of a frame over the limit are still to come.
    to_skip: usize,
}

impl FrameReader {
    pub fn new() -> Self {
        FrameReader { buffer: vec![0; CHUNK], unread: 0..0, to_skip: 0 }
    }

    /// The next input, without waiting for it.
    pub fn next(&mut self) -> Input<'_> {
        self.next_from(read_at_once)
    }

    /// Whether there is more to read already, here or still in stdin.
    pub fn has_more(&self) -> bool {
        self.has_frame() || self.is_over_limit() || is_readable().unwrap_or(true)
    }

    /// Whether the next frame is one over the limit, which is answered before its bytes have come.
    fn is_over_limit(&self) -> bool {
        self.length().is_some_and(|length| length > MAX_FRAME)
    }

    fn has_frame(&self) -> bool {
        self.length().is_some_and(|length| self.unread.len() >= HEADER.saturating_add(length))
    }

    fn next_from(&mut self, mut read: impl FnMut(&mut [u8]) -> Result<usize, Errno>) -> Input<'_> {
        loop {
            self.skip();
            match self.length() {
                _ if self.to_skip > 0 => {}
                Some(length) if length > MAX_FRAME => {
                    self.unread.start += HEADER;
                    self.to_skip = length;
                    return Input::TooLarge;
                }
                Some(length) if self.has_frame() => {
                    let start = self.unread.start + HEADER;
                    self.unread.start = start + length;
                    return Input::Frame(&self.buffer[start..start + length]);
                }
                length => self.make_room(HEADER + length.unwrap_or(0)),
            }
            match read(&mut self.buffer[self.unread.end..]) {
                Ok(0) if self.unread.is_empty() && self.to_skip == 0 => {
                    return Input::End(End::AtBoundary);
                }
                Ok(0) => return Input::End(End::InsideFrame),
                Ok(count) => self.unread.end += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Input::Nothing,
                // A stdin that can't be read is a client that is gone.
                Err(_) => return Input::End(End::InsideFrame),
            }
        }
    }

    /// The length in the header of the next frame, if it has been read.
    fn length(&self) -> Option<usize> {
        let header = self.buffer[self.unread.clone()].first_chunk::<HEADER>()?;
        // A length that a usize can't hold is over the limit anyway.
        Some(u32::from_be_bytes(*header).try_into().unwrap_or(usize::MAX))
    }

    fn skip(&mut self) {
        let skipped = self.to_skip.min(self.unread.len());
        self.to_skip -= skipped;
        self.unread.start += skipped;
        if self.unread.is_empty() {
            self.unread = 0..0;
        }
    }

    /// Makes the buffer hold a frame of `size` bytes from its start, and no more than it must.
    fn make_room(&mut self, size: usize) {
        self.buffer.copy_within(self.unread.clone(), 0);
        self.unread = 0..self.unread.len();
        self.buffer.resize(size.max(CHUNK).max(self.unread.len()), 0);
        self.buffer.shrink_to(CHUNK);
    }
}

/// Reads what there is of stdin, without waiting: `preadv2(2)`.
fn read_at_once(buffer: &mut [u8]) -> Result<usize, Errno> {
    let current = u64::MAX;
    let outcome = preadv2(stdin(), &mut [IoSliceMut::new(buffer)], current, ReadWriteFlags::NOWAIT);
    match outcome {
        // Or it is a file that has to be fetched.
        Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS) if is_readable()? => {
            read(stdin(), buffer)
        }
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Err(Errno::AGAIN),
        outcome => outcome,
    }
}

/// Whether a read of stdin would not wait: there are bytes, or there will never be any.
fn is_readable() -> Result<bool, Errno> {
    let stdin = stdin();
    let mut events = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    match poll(&mut events, PollTimeout::ZERO) {
        Ok(ready) => Ok(ready > 0),
        Err(errno) => Err(Errno::from_raw_os_error(errno as i32)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stdin that gives out `bytes`, at most `step` at a time.
    fn source(bytes: &[u8], step: usize) -> impl FnMut(&mut [u8]) -> Result<usize, Errno> {
        let mut rest = bytes.to_vec();
        move |buffer| {
            assert!(!buffer.is_empty(), "a read into nothing looks like the end");
            let count = step.min(buffer.len()).min(rest.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            rest.drain(..count);
            Ok(count)
        }
    }

    fn frame(bytes: &[u8]) -> Vec<u8> {
        [&u32::try_from(bytes.len()).expect("a small frame").to_be_bytes()[..], bytes].concat()
    }

    #[test]
    fn frames_come_out_as_they_went_in_however_they_were_cut() {
        let frames = [vec![], vec![1], vec![2; 5], vec![3; CHUNK], vec![4; 3 * CHUNK], vec![5]];
        let bytes = frames.iter().flat_map(|bytes| frame(bytes)).collect::<Vec<_>>();
        for step in [1, 2, 3, 7, CHUNK - 1, CHUNK, bytes.len()] {
            let mut reader = FrameReader::new();
            let mut source = source(&bytes, step);
            for expected in &frames {
                assert_eq!(reader.next_from(&mut source), Input::Frame(expected));
            }
            assert_eq!(reader.next_from(&mut source), Input::End(End::AtBoundary));
        }
    }

    #[test]
    fn a_frame_of_exactly_the_limit_is_read_and_one_more_is_skipped_unheld() {
        let largest = vec![7; MAX_FRAME];
        let bytes = [frame(&largest), frame(&vec![8; MAX_FRAME + 1]), frame(&[9])].concat();
        let mut reader = FrameReader::new();
        let mut source = source(&bytes, 100_000);
        assert_eq!(reader.next_from(&mut source), Input::Frame(&largest));
        assert_eq!(reader.next_from(&mut source), Input::TooLarge);
        assert_eq!(reader.next_from(&mut source), Input::Frame(&[9]));
        assert_eq!(reader.next_from(&mut source), Input::End(End::AtBoundary));
        assert_eq!(reader.buffer.capacity(), CHUNK);
    }

    #[test]
    fn an_end_inside_a_frame_is_told_from_one_between_frames() {
        for cut in [&[0][..], &[0, 0, 0], &[0, 0, 0, 1], &[0, 0, 0, 2, 1]] {
            let mut reader = FrameReader::new();
            assert_eq!(reader.next_from(source(cut, 1)), Input::End(End::InsideFrame), "{cut:?}");
        }
        let mut reader = FrameReader::new();
        let mut source = source(&[0xff, 0xff, 0xff, 0xff, 1, 2], 3);
        assert_eq!(reader.next_from(&mut source), Input::TooLarge);
        assert_eq!(reader.next_from(&mut source), Input::End(End::InsideFrame));
    }
}
