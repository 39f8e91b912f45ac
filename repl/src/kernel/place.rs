//! Which namespace a socket is in.

use std::fmt;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;

use super::sys;

/// Where a socket lives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// The inode of its namespace, as `readlink /proc/PID/ns/net` tells it.
    Inode(u64),
    /// Its namespace's cookie, where the inode takes a privilege that is not there.
    Cookie(u64),
    /// Neither could be had.
    Unknown(Errno),
}

/// Where this socket lives.
pub fn place(fd: BorrowedFd<'_>) -> Place {
    let inode = sys::socket_namespace(fd).and_then(|namespace| {
        let stat = rustix::fs::fstat(&namespace);
        stat.map(|stat| stat.st_ino).map_err(|error| Errno::from_raw(error.raw_os_error()))
    });
    match inode {
        Ok(inode) => Place::Inode(inode),
        Err(_) => match sys::namespace_cookie(fd) {
            Ok(cookie) => Place::Cookie(cookie),
            Err(error) => Place::Unknown(error),
        },
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inode(inode) => write!(f, "net:[{inode}]"),
            Self::Cookie(cookie) => write!(f, "namespace cookie {cookie}"),
            Self::Unknown(error) => write!(f, "namespace unknown ({error:?})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::net::{AddressFamily, SocketType, socket};

    use super::*;

    #[test]
    fn the_cookie_serves_where_the_inode_can_not_be_had() {
        let fd = socket(AddressFamily::NETLINK, SocketType::RAW, None).unwrap();
        let cookie = sys::namespace_cookie(&fd).unwrap();
        assert_eq!(Place::Cookie(cookie).to_string(), format!("namespace cookie {cookie}"));
    }
}
