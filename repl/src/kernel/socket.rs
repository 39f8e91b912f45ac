//! What a socket is that is no netlink socket.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::BorrowedFd;

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::BindToDevice;
use rustix::net::sockopt::{socket_acceptconn, socket_protocol, socket_type};
use rustix::net::{AddressFamily, SocketType};

use super::place::{Place, place};
use super::sys;
use crate::spelling;

/// A socket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Socket {
    /// What kind it is, in a few words.
    kind: String,
    /// Where it is bound to, as far as that is known here.
    bound: Bound,
    listens: bool,
    /// The interface that it is bound to by `SO_BINDTODEVICE`.
    device: Option<String>,
    place: Place,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Bound {
    Not,
    To(String),
    /// A packet socket sees this protocol, on this interface or, for 0, on all.
    Packets {
        protocol: u16,
        interface: u32,
    },
    /// The family's addresses are not known here.
    Unknown,
}

/// Looks at a socket of this domain, and changes nothing about it. Fails as `getsockopt(2)` does.
pub fn look_at(fd: BorrowedFd<'_>, domain: AddressFamily) -> rustix::io::Result<Socket> {
    let kind = socket_type(fd)?;
    let protocol = socket_protocol(fd)?.map_or(0, |protocol| protocol.as_raw().get());
    Ok(Socket {
        kind: name(domain, kind, protocol),
        bound: bound(fd, domain, kind),
        listens: socket_acceptconn(fd)?,
        device: device(fd),
        place: place(fd),
    })
}

fn name(domain: AddressFamily, kind: SocketType, protocol: u32) -> String {
    let six = if domain == AddressFamily::INET6 { "6" } else { "" };
    let internet = matches!(domain, AddressFamily::INET | AddressFamily::INET6);
    match (kind, protocol) {
        (SocketType::STREAM, 6) if internet => return format!("tcp{six}"),
        (SocketType::DGRAM, 17) if internet => return format!("udp{six}"),
        _ => {}
    }
    let domain = match domain {
        AddressFamily::INET => "inet".to_owned(),
        AddressFamily::INET6 => "inet6".to_owned(),
        AddressFamily::PACKET => "packet".to_owned(),
        AddressFamily::UNIX => "unix".to_owned(),
        AddressFamily::VSOCK => "vsock".to_owned(),
        other => format!("family {}", other.as_raw()),
    };
    let kind = match kind {
        SocketType::STREAM => "stream".to_owned(),
        SocketType::DGRAM => "dgram".to_owned(),
        SocketType::RAW => "raw".to_owned(),
        SocketType::SEQPACKET => "seqpacket".to_owned(),
        other => format!("type {}", other.as_raw()),
    };
    match protocol {
        0 => format!("{domain} {kind}"),
        1 if internet => format!("{domain} {kind} icmp"),
        58 if internet => format!("{domain} {kind} icmpv6"),
        other => format!("{domain} {kind} protocol {other}"),
    }
}

fn bound(fd: BorrowedFd<'_>, domain: AddressFamily, kind: SocketType) -> Bound {
    if domain == AddressFamily::PACKET {
        let packets = |(protocol, interface)| Bound::Packets { protocol, interface };
        return sys::packets(fd).map_or(Bound::Unknown, packets);
    }
    let address = rustix::net::getsockname(fd).and_then(SocketAddr::try_from);
    match address {
        // A raw socket has no port: the kernel tells the protocol there.
        Ok(address) if kind == SocketType::RAW => match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Bound::Not,
            IpAddr::V6(ip) if ip.is_unspecified() => Bound::Not,
            ip => Bound::To(ip.to_string()),
        },
        Ok(address) if address.port() == 0 => Bound::Not,
        Ok(address) => Bound::To(address.to_string()),
        Err(_) => Bound::Unknown,
    }
}

fn device(fd: BorrowedFd<'_>) -> Option<String> {
    use std::os::unix::ffi::OsStrExt;
    let name = getsockopt(&fd, BindToDevice).ok()?;
    let name = name.as_bytes().split(|byte| *byte == 0).next().unwrap_or_default();
    (!name.is_empty()).then(|| spelling::shown(name))
}

impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        match &self.bound {
            Bound::Not => f.write_str(", not bound")?,
            Bound::To(address) => write!(f, " {address}")?,
            Bound::Packets { protocol, interface } => {
                write!(f, ", protocol {protocol:#06x}")?;
                if *interface != 0 {
                    write!(f, ", interface {interface}")?;
                }
            }
            Bound::Unknown => {}
        }
        if self.listens {
            f.write_str(", listening")?;
        }
        if let Some(device) = &self.device {
            write!(f, ", device {device}")?;
        }
        write!(f, ", {}", self.place)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV6, TcpListener, UdpSocket};
    use std::os::fd::AsFd;

    use super::*;

    fn shown(fd: impl AsFd, domain: AddressFamily) -> String {
        let fd = fd.as_fd();
        let text = look_at(fd, domain).unwrap().to_string();
        let place = format!(", {}", place(fd));
        text.strip_suffix(&place).unwrap_or_else(|| panic!("{text} has no {place}")).to_owned()
    }

    #[test]
    fn sockets_for_ip_are_shown_with_their_addresses() {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = udp.local_addr().unwrap();
        assert_eq!(shown(&udp, AddressFamily::INET), format!("udp {address}"));
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = tcp.local_addr().unwrap();
        assert_eq!(shown(&tcp, AddressFamily::INET), format!("tcp {address}, listening"));
        let unbound = rustix::net::socket(AddressFamily::INET6, SocketType::STREAM, None).unwrap();
        assert_eq!(shown(&unbound, AddressFamily::INET6), "tcp6, not bound");
        let any = SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 0, 0, 0);
        rustix::net::bind(&unbound, &any).unwrap();
        let text = shown(&unbound, AddressFamily::INET6);
        assert!(text.starts_with("tcp6 [::]:"), "{text}");
    }

    #[test]
    fn other_kinds_are_named_as_far_as_they_are_known() {
        let named = |domain, kind, protocol| name(AddressFamily::from_raw(domain), kind, protocol);
        assert_eq!(named(2, SocketType::RAW, 1), "inet raw icmp");
        assert_eq!(named(10, SocketType::RAW, 58), "inet6 raw icmpv6");
        assert_eq!(named(2, SocketType::STREAM, 132), "inet stream protocol 132");
        assert_eq!(named(1, SocketType::SEQPACKET, 0), "unix seqpacket");
        assert_eq!(named(29, SocketType::RAW, 1), "family 29 raw protocol 1");
        assert_eq!(named(17, SocketType::from_raw(10), 0), "packet type 10");
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(shown(&one, AddressFamily::UNIX), "unix stream");
    }
}
