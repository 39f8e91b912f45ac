//! `--protocol`: only sockets of these.

use crate::port::{Port, fails, path, program, program_with};
use nix::errno::Errno;

const OWN: &str = "/proc/self/ns/net";

#[test]
fn others_are_refused_before_anything_is_looked_up() {
    let mut port = Port::start(&program_with(&["--protocol", "0", "--protocol", "16"]));
    assert!(port.open(path(OWN), 0).is_ok());
    assert!(port.open(path(OWN), 16).is_ok());
    for protocol in [1, 9, 12, 15, -1, i32::MIN, i32::MAX, 0x100, 0x1_0010] {
        for netns in [OWN, "/nowhere"] {
            let outcome = port.open(path(netns), protocol).map(drop);
            assert_eq!(outcome, fails("socket", Errno::EACCES), "{protocol}");
        }
    }
    assert_eq!(port.open(path("/nowhere"), 0).map(drop), fails("open", Errno::ENOENT));
}

#[test]
fn without_the_option_the_kernel_judges() {
    let mut port = Port::start(&program());
    assert!(port.open(path(OWN), 15).is_ok());
    let outcome = port.open(path(OWN), 4711).map(drop);
    assert_eq!(outcome, fails("socket", Errno::EPROTONOSUPPORT));
}
