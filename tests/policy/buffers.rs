//! `--max-buffer`: no larger buffers than these.

use crate::port::{Port, fails, number, path, program, program_with};
use nix::errno::Errno;

const OWN: &str = "/proc/self/ns/net";

fn outcomes(port: &mut Port, bytes: i32) -> [Result<(), (String, i32)>; 2] {
    ["rcvbuf", "sndbuf"]
        .map(|option| port.open_with(path(OWN), 0, &[(option, number(bytes))]).map(drop))
}

#[test]
fn larger_ones_are_refused_and_the_largest_is_not() {
    let mut port = Port::start(&program_with(&["--max-buffer", "65536"]));
    assert_eq!(outcomes(&mut port, 65_536), [Ok(()), Ok(())]);
    for bytes in [65_537, i32::MAX] {
        let refused = || fails("setsockopt", Errno::EACCES);
        assert_eq!(outcomes(&mut port, bytes), [refused(), refused()]);
    }
}

#[test]
fn without_the_option_there_is_a_bound_nevertheless() {
    let mut port = Port::start(&program());
    assert_eq!(outcomes(&mut port, 8 << 20), [Ok(()), Ok(())]);
    let refused = || fails("setsockopt", Errno::EACCES);
    assert_eq!(outcomes(&mut port, (8 << 20) + 1), [refused(), refused()]);
}
