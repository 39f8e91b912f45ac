//! What policy leaves to be done with sockets and namespaces, as rules.

use super::Scope;
use super::number::*;
use super::rule::{Check, Rule, at_most, is, is_but_for, isnt, made};
use crate::socket::SOCK_PACKET;
use crate::wire::{AF_NETLINK, At, Form, OPTIONS, Of, SocketOption};
use nix::libc;

/// The bytes of a `sockaddr_nl`.
const NETLINK_ADDRESS: i32 = size_of::<libc::sockaddr_nl>() as i32;

/// `SOCK_PACKET` as the kernel gets it.
const OLD_PACKET: i32 = SOCK_PACKET as i32 | libc::SOCK_CLOEXEC;

/// The rules that follow from `scope`.
pub fn rules(scope: &Scope) -> Vec<Rule> {
    let mut rules = sockets(scope);
    rules.extend(OPTIONS.iter().flat_map(|option| options(option, scope)));
    if scope.others() {
        rules.push(made(BIND, &[at_most(2, 0xff)], "socket: option bind, and netlink's"));
        rules.push(made(LISTEN, &[], "socket: option listen"));
    } else {
        rules.push(made(BIND, &[is(2, NETLINK_ADDRESS)], "socket: groups and memberships"));
    }
    if scope.new {
        rules.push(made(UNSHARE, &[is(0, libc::CLONE_NEWNET)], "netns: makes a network namespace"));
    }
    if scope.new && scope.userns {
        let why = "rootless: the child makes the user namespace for those";
        rules.push(made(UNSHARE, &[is(0, libc::CLONE_NEWUSER)], why));
    }
    rules
}

/// `socket(2)`, with any type but flags.
fn sockets(scope: &Scope) -> Vec<Rule> {
    let kind = is_but_for(1, libc::SOCK_CLOEXEC, 0xf);
    let rule = |checks: &[Check], why: &'static str| made(SOCKET, checks, why);
    let families = &scope.families.families;
    let mut rules = Vec::new();
    match &scope.families.protocols[..] {
        // One of the families below.
        _ if !scope.netlink() => {}
        [] if families.is_empty() => {}
        [] => rules.push(rule(&[is(0, AF_NETLINK.into()), kind], "socket: netlink")),
        protocols => rules.extend(protocols.iter().map(|protocol| {
            let checks = [is(0, AF_NETLINK.into()), kind, is(2, *protocol)];
            rule(&checks, "socket: netlink, of the protocols that policy allows")
        })),
    }
    if families.is_empty() {
        let any = [at_most(0, 0xffff), kind];
        let others = [at_most(0, 0xffff), isnt(0, AF_NETLINK.into()), kind];
        rules.push(match scope.families.protocols.is_empty() {
            true => rule(&any, "socket: of any family, which the kernel judges"),
            false => rule(&others, "socket: of any family but netlink's"),
        });
    }
    let packet = families.contains(&(libc::AF_PACKET as u16));
    let inet = families.contains(&(libc::AF_INET as u16));
    for family in families.iter().filter(|family| **family != AF_NETLINK) {
        let family = i32::from(*family);
        rules.push(match family {
            libc::AF_INET if !packet => rule(
                &[is(0, family), kind, isnt(1, OLD_PACKET)],
                "socket: of a family that policy allows, and no packet socket",
            ),
            _ => rule(&[is(0, family), kind], "socket: of a family that policy allows"),
        });
    }
    if packet && !inet {
        let checks = [is(0, libc::AF_INET), is(1, OLD_PACKET)];
        rules.push(rule(&checks, "socket: a packet socket by its old name"));
    }
    rules
}

/// `setsockopt(2)` for an option of sockets that there can be.
fn options(option: &SocketOption, scope: &Scope) -> Vec<Rule> {
    let is_there = match option.of {
        Of::Netlink => scope.netlink(),
        Of::Others => scope.others(),
        Of::All => true,
    };
    let places = match option.form {
        _ if !is_there => vec![],
        Form::FlagOfDomain { inet, inet6 } => {
            let of_each = [(inet, scope.others_than_inet6()), (inet6, scope.inet6())];
            of_each.into_iter().filter_map(|(at, there)| there.then_some(at)).collect()
        }
        form => form.places(),
    };
    let rule = |At { level, number }| {
        let why = format!("socket: option {}: {}", option.name, option.why);
        made(SETSOCKOPT, &[is(1, level), is(2, number)], why)
    };
    places.into_iter().map(rule).collect()
}
