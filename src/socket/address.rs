use super::sockopt;
use nix::errno::Errno;
use nix::libc;
use std::os::fd::OwnedFd;

/// Binds a socket to a `sockaddr`.
///
/// Fails as `bind(2)` does; with `EACCES` too for a unix socket with a path in the file system. To bind one
/// makes a file, with the rights of the program, which makes none for anybody. No namespace is needed for it:
/// whoever wants one binds the socket himself.
pub fn bind(socket: &OwnedFd, address: &[u8]) -> Result<(), Errno> {
    if names_a_file(address) { Err(Errno::EACCES) } else { sockopt::bind(socket, address) }
}

/// Whether it is a `sockaddr_un` with a path: neither without a name nor, after a NUL byte, with an abstract
/// one (`unix(7)`).
fn names_a_file(address: &[u8]) -> bool {
    let Some((family, name)) = address.split_first_chunk() else { return false };
    i32::from(u16::from_ne_bytes(*family)) == libc::AF_UNIX
        && name.first().is_some_and(|byte| *byte != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(family: i32, rest: &[u8]) -> Vec<u8> {
        [&(family as u16).to_ne_bytes(), rest].concat()
    }

    #[test]
    fn only_a_path_of_a_unix_socket_names_a_file() {
        assert!(names_a_file(&of(libc::AF_UNIX, b"/tmp/x")));
        assert!(names_a_file(&of(libc::AF_UNIX, b"x")));
        assert!(!names_a_file(&of(libc::AF_UNIX, b"\0abstract")));
        assert!(!names_a_file(&of(libc::AF_UNIX, b"")));
        assert!(!names_a_file(&of(libc::AF_INET, b"/tmp/x")));
    }
}
