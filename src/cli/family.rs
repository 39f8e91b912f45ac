use nix::libc;

/// The families of addresses by their names: those of `:socket` in Erlang, those of the kernel, and the
/// number of each (`include/linux/socket.h`). All others can be given as numbers.
const FAMILIES: [(&str, i32); 20] = [
    ("local", libc::AF_UNIX),
    ("unix", libc::AF_UNIX),
    ("inet", libc::AF_INET),
    ("ax25", libc::AF_AX25),
    ("ipx", libc::AF_IPX),
    ("appletalk", libc::AF_APPLETALK),
    ("x25", libc::AF_X25),
    ("inet6", libc::AF_INET6),
    ("key", libc::AF_KEY),
    ("netlink", libc::AF_NETLINK),
    ("packet", libc::AF_PACKET),
    ("rds", libc::AF_RDS),
    ("can", libc::AF_CAN),
    ("tipc", libc::AF_TIPC),
    ("bluetooth", libc::AF_BLUETOOTH),
    ("alg", libc::AF_ALG),
    ("vsock", libc::AF_VSOCK),
    ("qipcrtr", 42),
    ("smc", 43),
    ("xdp", libc::AF_XDP),
];

/// The family that is called `name`: a word such as `inet`, the kernel's such as `AF_INET`, or a number from 0
/// to 65535.
pub fn family(name: &str) -> Option<u16> {
    let word = name.strip_prefix("AF_").map_or(name.to_owned(), str::to_lowercase);
    let known = FAMILIES.iter().find(|(family, _)| *family == word);
    known.and_then(|(_, number)| u16::try_from(*number).ok()).or_else(|| name.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_has_names_and_a_number() {
        for (name, number) in [
            ("inet", 2),
            ("AF_INET6", 10),
            ("local", 1),
            ("AF_UNIX", 1),
            ("netlink", 16),
            ("AF_PACKET", 17),
            ("44", 44),
            ("65535", 65_535),
        ] {
            assert_eq!(family(name), Some(number), "{name}");
        }
        for name in ["", "INET", "af_inet", "AF_inet4", "-1", "65536", "0x10", "inet "] {
            assert_eq!(family(name), None, "{name}");
        }
    }
}
