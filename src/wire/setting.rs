//! The map `Options` of a request, by the table in `option`.

use super::option::{AF_INET6, Form, OPTIONS, SocketOption};
use super::request::{Options, Setting};
use super::term;
use eetf::{Atom, Term};

/// The longest name of an interface, without the NUL byte behind it (`IFNAMSIZ`).
const LONGEST_INTERFACE: usize = 15;

/// How long a `sockaddr` may be: from its family alone to a `sockaddr_storage`.
const ADDRESS_SIZES: std::ops::RangeInclusive<usize> = 2..=128;

/// Reads the options of a socket of `domain`. They end up in the order of the table.
pub fn read_options(map: &eetf::Map, domain: u16) -> Result<Options, String> {
    for key in map.map.keys() {
        let key = term::atom(key).ok_or("the keys of Options are atoms")?;
        match OPTIONS.iter().find(|option| option.name == key) {
            Some(option) if option.of.has(domain) => {}
            Some(option) => return Err(format!("{} is no option of such a socket", option.name)),
            None => return Err(format!("{} is no option", term::repeatable(key))),
        }
    }
    OPTIONS
        .iter()
        .filter_map(|option| {
            let value = map.map.get(&Atom::from(option.name).into())?;
            Some(read_setting(option, value, domain))
        })
        .collect::<Result<Vec<_>, _>>()
        .map(Options)
}

/// The descriptor of a namespace has no options.
pub fn read_no_options(map: &eetf::Map) -> Result<(), String> {
    match map.map.len() {
        0 => Ok(()),
        _ => Err("netns takes no Options".into()),
    }
}

fn read_setting(option: &SocketOption, value: &Term, domain: u16) -> Result<Setting, String> {
    let is = |what: &str| format!("{} is {what}", option.name);
    let number = || term::integer(value).and_then(|number| u32::try_from(number).ok());
    let flag = || match term::atom(value) {
        Some("true") => Ok(1),
        Some("false") => Ok(0),
        _ => Err(is("true or false")),
    };
    Ok(match option.form {
        Form::Flag(at) => Setting::Integer { at, value: flag()? },
        Form::FlagOfDomain { inet, inet6 } => {
            Setting::Integer { at: if domain == AF_INET6 { inet6 } else { inet }, value: flag()? }
        }
        Form::Number(at) => {
            let value = number().ok_or_else(|| is("an integer from 0 to 4294967295"))?;
            Setting::Integer { at, value }
        }
        Form::Interface(at) => {
            let name = term::binary(value).filter(|name| is_interface(name));
            let what = "a binary of 1 to 15 bytes, none of them NUL or /";
            Setting::Bytes { at, value: name.ok_or_else(|| is(what))?.to_vec() }
        }
        Form::Buffer { forced, plain } => {
            // The kernel takes a C int.
            let bytes = number().filter(|bytes| (1..=0x7fff_ffff).contains(bytes));
            let bytes = bytes.ok_or_else(|| is("a number of bytes from 1 to 2147483647"))?;
            Setting::Buffer { forced, plain, bytes }
        }
        Form::Groups => Setting::Groups(number().ok_or_else(|| is("a 32-bit mask"))?),
        Form::Memberships(at) => {
            let groups = term::integers(value).ok_or_else(|| is("a list of group numbers"))?;
            Setting::Memberships { at, groups }
        }
        Form::Address => {
            let address = term::binary(value).filter(|it| ADDRESS_SIZES.contains(&it.len()));
            Setting::Address(address.ok_or_else(|| is("a sockaddr of 2 to 128 bytes"))?.to_vec())
        }
        Form::Backlog => {
            Setting::Backlog(number().ok_or_else(|| is("an integer from 0 to 4294967295"))?)
        }
    })
}

fn is_interface(name: &[u8]) -> bool {
    (1..=LONGEST_INTERFACE).contains(&name.len()) && !name.iter().any(|byte| b"\0/".contains(byte))
}
