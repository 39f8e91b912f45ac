//! The numbers of system calls, against the kernel's headers.

use linx_netlink_port::confine::Scope;
use linx_netlink_port::confine::seccomp::{Call, refused, rules};
use std::collections::HashMap;
use std::fs::read_to_string;

/// The numbers that a header defines. Where it only names another name, as
/// `#define __NR_mmap __NR3264_mmap`, that one's number.
fn numbers(header: &str) -> HashMap<String, u16> {
    let text = read_to_string(header)
        .unwrap_or_else(|error| panic!("{header}, of the package linux-libc-dev: {error}"));
    let definitions: HashMap<_, _> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.strip_prefix("#define ")?.split_whitespace();
            Some((words.next()?, words.next()?))
        })
        .collect();
    definitions
        .iter()
        .filter_map(|(name, value)| {
            let number = definitions.get(value).unwrap_or(value).parse().ok()?;
            Some((name.strip_prefix("__NR_")?.to_owned(), number))
        })
        .collect()
}

fn check(header: &str, number: impl Fn(Call) -> Option<u16>) {
    let numbers = numbers(header);
    for rule in rules(&Scope::default()).iter().chain(refused()) {
        if let Some(number) = number(rule.call) {
            assert_eq!(numbers.get(rule.call.name), Some(&number), "{}", rule.call.name);
        }
    }
}

#[test]
fn of_x86_64() {
    check("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", |call| call.x86_64);
}

#[test]
fn of_aarch64() {
    // This architecture has the generic numbers.
    check("/usr/include/asm-generic/unistd.h", |call| call.aarch64);
}

#[test]
fn both_architectures_have_every_call_but_one_for_waiting() {
    let rules = rules(&Scope::default());
    let only_one: Vec<_> = rules
        .iter()
        .chain(refused())
        .map(|rule| rule.call)
        .filter(|call| call.x86_64.is_none() || call.aarch64.is_none())
        .map(|call| call.name)
        .collect();
    assert_eq!(only_one, ["poll", "ppoll"]);
}
