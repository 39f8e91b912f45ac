//! rtnetlink's messages, as far as links and addresses go. Nothing in a
//! message is believed: each length is checked against what is there.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::spelling;

/// A message that does not add up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MalformedMessage;

impl fmt::Display for MalformedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the kernel sent a message that does not add up")
    }
}

impl std::error::Error for MalformedMessage {}

pub const NLMSG_ERROR: u16 = 2;
pub const NLMSG_DONE: u16 = 3;
pub const NLM_F_DUMP_INTR: u16 = 0x10;
pub const RTM_NEWLINK: u16 = 16;
pub const RTM_DELLINK: u16 = 17;
pub const RTM_GETLINK: u16 = 18;
pub const RTM_NEWADDR: u16 = 20;
pub const RTM_GETADDR: u16 = 22;

const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
const HEADER: usize = 16;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;

/// The flags of a link that are shown, with their bits.
const FLAGS: [(u32, &str); 6] = [
    (0x1, "up"),
    (0x8, "loopback"),
    (0x10, "point to point"),
    (0x40, "running"),
    (0x100, "promiscuous"),
    (0x1_0000, "carrier"),
];

/// One netlink message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Message<'a> {
    pub kind: u16,
    pub flags: u16,
    pub sequence: u32,
    pub body: &'a [u8],
}

/// The request for all links, or all addresses.
pub fn dump(kind: u16, sequence: u32) -> Vec<u8> {
    // The family's own header: all zeros ask for everything.
    let body = if kind == RTM_GETADDR { 8 } else { 16 };
    let length = HEADER + body;
    let mut bytes = Vec::with_capacity(length);
    bytes.extend(u32::try_from(length).unwrap_or(0).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend((NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.resize(length, 0);
    bytes
}

/// The messages of one datagram.
pub fn messages(datagram: &[u8]) -> impl Iterator<Item = Result<Message<'_>, MalformedMessage>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some((message, length)) = message(rest) else {
            rest = &[];
            return Some(Err(MalformedMessage));
        };
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Ok(message))
    })
}

fn message(bytes: &[u8]) -> Option<(Message<'_>, usize)> {
    let length = usize::try_from(u32_at(bytes, 0)?).ok()?;
    let body = bytes.get(HEADER..length)?;
    let message = Message {
        kind: u16_at(bytes, 4)?,
        flags: u16_at(bytes, 6)?,
        sequence: u32_at(bytes, 8)?,
        body,
    };
    Some((message, length))
}

/// The errno of an error message, or of the end of a dump; 0 for none.
pub fn errno(body: &[u8]) -> i32 {
    u32_at(body, 0).map_or(0, |code| i32::from_ne_bytes(code.to_ne_bytes()).saturating_neg())
}

/// The attributes that follow a message's own header.
fn attributes(bytes: &[u8]) -> impl Iterator<Item = Result<(u16, &[u8]), MalformedMessage>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let attribute = (|| {
            let length = usize::from(u16_at(rest, 0)?);
            let kind = u16_at(rest, 2)? & 0x3fff;
            Some((kind, rest.get(4..length)?, length))
        })();
        let Some((kind, value, length)) = attribute else {
            rest = &[];
            return Some(Err(MalformedMessage));
        };
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Ok((kind, value)))
    })
}

/// A network interface.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Link {
    pub index: u32,
    pub name: String,
    pub flags: u32,
    pub mtu: Option<u32>,
    pub address: Vec<u8>,
}

impl Link {
    /// Reads the body of `RTM_NEWLINK` or `RTM_DELLINK`.
    ///
    /// # Errors
    ///
    /// When it does not add up.
    pub fn parse(body: &[u8]) -> Result<Self, MalformedMessage> {
        let mut link = Self {
            index: u32_at(body, 4).ok_or(MalformedMessage)?,
            name: String::new(),
            flags: u32_at(body, 8).ok_or(MalformedMessage)?,
            mtu: None,
            address: Vec::new(),
        };
        for attribute in attributes(body.get(16..).ok_or(MalformedMessage)?) {
            match attribute? {
                (IFLA_IFNAME, value) => link.name = text(value),
                (IFLA_MTU, value) => link.mtu = u32_at(value, 0),
                (IFLA_ADDRESS, value) => link.address = value.to_vec(),
                _ => {}
            }
        }
        Ok(link)
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.index, self.name)?;
        if self.flags & 1 == 0 {
            f.write_str(", down")?;
        }
        for (_, name) in FLAGS.iter().filter(|(bit, _)| self.flags & bit != 0) {
            write!(f, ", {name}")?;
        }
        if let Some(mtu) = self.mtu {
            write!(f, ", mtu {mtu}")?;
        }
        for (n, byte) in self.address.iter().enumerate() {
            write!(f, "{}{byte:02x}", if n == 0 { ", " } else { ":" })?;
        }
        Ok(())
    }
}

/// An address of an interface.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Address {
    /// The interface.
    pub index: u32,
    pub address: Option<IpAddr>,
    pub prefix: u8,
}

impl Address {
    /// Reads the body of `RTM_NEWADDR`.
    ///
    /// # Errors
    ///
    /// When it does not add up.
    pub fn parse(body: &[u8]) -> Result<Self, MalformedMessage> {
        let prefix = *body.get(1).ok_or(MalformedMessage)?;
        let index = u32_at(body, 4).ok_or(MalformedMessage)?;
        let (mut local, mut address) = (None, None);
        for attribute in attributes(body.get(8..).ok_or(MalformedMessage)?) {
            match attribute? {
                (IFA_LOCAL, value) => local = ip(value),
                (IFA_ADDRESS, value) => address = ip(value),
                _ => {}
            }
        }
        // On a point-to-point link the other one is the far end's.
        Ok(Self { index, address: local.or(address), prefix })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => write!(f, "{address}/{}", self.prefix),
            None => f.write_str("an address of a family that is not known here"),
        }
    }
}

/// Something that happened to a link.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// It is new, or has changed.
    New(Link),
    /// It is gone.
    Gone(Link),
}

impl Event {
    /// Reads a message; nothing if it is about something else.
    ///
    /// # Errors
    ///
    /// When it does not add up.
    pub fn parse(message: &Message<'_>) -> Result<Option<Self>, MalformedMessage> {
        match message.kind {
            RTM_NEWLINK => Link::parse(message.body).map(|link| Some(Self::New(link))),
            RTM_DELLINK => Link::parse(message.body).map(|link| Some(Self::Gone(link))),
            _ => Ok(None),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New(link) => write!(f, "+ {link}"),
            Self::Gone(link) => write!(f, "- {link}"),
        }
    }
}

fn ip(value: &[u8]) -> Option<IpAddr> {
    match value.len() {
        4 => <[u8; 4]>::try_from(value).ok().map(|octets| Ipv4Addr::from(octets).into()),
        16 => <[u8; 16]>::try_from(value).ok().map(|octets| Ipv6Addr::from(octets).into()),
        _ => None,
    }
}

/// A name without its closing NUL, and without anything that could drive a terminal.
fn text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    spelling::shown(&value[..end])
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = u16::try_from(value.len() + 4).unwrap().to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn link() -> Vec<u8> {
        let mut body = vec![0; 16];
        body[4..8].copy_from_slice(&7_u32.to_ne_bytes());
        body[8..12].copy_from_slice(&0x1_0043_u32.to_ne_bytes());
        body.extend(attribute(IFLA_IFNAME, b"blue0\0"));
        body.extend(attribute(IFLA_MTU, &1500_u32.to_ne_bytes()));
        body.extend(attribute(IFLA_ADDRESS, &[2, 0, 0, 0, 0, 1]));
        body.extend(attribute(99, &[1]));
        body
    }

    #[test]
    fn links_are_read() {
        let link = Link::parse(&link()).unwrap();
        assert_eq!(link.to_string(), "7: blue0, up, running, carrier, mtu 1500, 02:00:00:00:00:01");
    }

    #[test]
    fn addresses_are_read() {
        let mut body = vec![2, 24, 0, 0];
        body.extend(3_u32.to_ne_bytes());
        body.extend(attribute(IFA_ADDRESS, &[10, 0, 0, 2]));
        body.extend(attribute(IFA_LOCAL, &[10, 0, 0, 1]));
        let address = Address::parse(&body).unwrap();
        assert_eq!((address.index, address.to_string()), (3, "10.0.0.1/24".into()));
    }

    #[test]
    fn what_does_not_add_up_is_refused_and_ends() {
        let body = link();
        for end in 0..body.len() {
            // Cut anywhere, it is read in part or refused; it never reads further.
            let _ = Link::parse(&body[..end]);
            let _ = Address::parse(&body[..end]);
        }
        assert_eq!(Link::parse(&[]), Err(MalformedMessage));
        let mut endless = link();
        endless.extend([0, 0, 0, 0]);
        assert_eq!(Link::parse(&endless), Err(MalformedMessage));
        assert_eq!(messages(&[0; 16]).collect::<Vec<_>>(), [Err(MalformedMessage)]);
        assert_eq!(messages(&[255; 40]).count(), 1);
    }

    #[test]
    fn a_datagram_holds_several_messages() {
        let mut datagram = dump(RTM_GETLINK, 7);
        datagram.extend(dump(RTM_GETADDR, 8));
        let read: Vec<_> =
            messages(&datagram).map(|m| m.map(|m| (m.kind, m.sequence, m.body.len()))).collect();
        assert_eq!(read, [Ok((RTM_GETLINK, 7, 16)), Ok((RTM_GETADDR, 8, 8))]);
    }

    #[test]
    fn names_can_not_drive_a_terminal() {
        assert_eq!(text(b"a\x1b[2J\0b"), "a\\x1B[2J");
    }
}
