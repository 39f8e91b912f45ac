//! Each rule of the filter, with arguments that it allows and with others.

use crate::probe::{Outcome, call, call_without_userns, probe};
use linx_netlink_port::confine::seccomp::{Check, Rule, rules};
use nix::libc;
use seccompiler::TargetArch;

const HERE: TargetArch =
    if cfg!(target_arch = "x86_64") { TargetArch::x86_64 } else { TargetArch::aarch64 };

/// What no rule looks at is no descriptor, no address and no size: so no call does anything.
const NOTHING: u64 = u64::MAX;

/// The rules that this architecture has, with the numbers of their calls.
fn rules_here() -> impl Iterator<Item = (&'static Rule, i64)> {
    rules(true).filter_map(|rule| Some((rule, rule.call.number(HERE)?)))
}

/// Arguments that a rule allows.
fn allowed(rule: &Rule) -> [u64; 6] {
    let mut arguments = [NOTHING; 6];
    for check in rule.checks {
        arguments[usize::from(check.argument)] = check.value.into();
    }
    arguments
}

/// The same with one bit changed that `check` looks at, and that no other rule for the same call
/// allows to be so: for the lowest and for the highest of such bits.
fn forbidden(rule: &Rule, check: &Check) -> Vec<[u64; 6]> {
    let alternatives = || rules(true).filter(|other| other.call == rule.call);
    let changed: Vec<_> = (0..32)
        .filter(|bit| check.mask & (1 << bit) != 0)
        .map(|bit| {
            let mut arguments = allowed(rule);
            arguments[usize::from(check.argument)] ^= 1 << bit;
            arguments
        })
        .filter(|arguments| !alternatives().any(|other| passes(other, arguments)))
        .collect();
    let ends = [changed.first(), changed.last()];
    ends.into_iter().flatten().copied().collect()
}

fn passes(rule: &Rule, arguments: &[u64; 6]) -> bool {
    rule.checks.iter().all(|check| check.passes(arguments[usize::from(check.argument)]))
}

#[test]
fn each_lets_through_what_it_allows() {
    // The call that ends a thread leaves nobody to tell. The program makes it with every request.
    for (rule, number) in rules_here().filter(|(rule, _)| rule.call.name != "exit") {
        let expected = match rule.call.name {
            "exit_group" => Outcome::Ended(255),
            "clone3" => Outcome::Absent,
            _ => Outcome::Allowed,
        };
        // Bad arguments of futex(2) are told to be absent.
        let outcome = match call(number, allowed(rule)) {
            Outcome::Absent if rule.call.name == "futex" => Outcome::Allowed,
            outcome => outcome,
        };
        assert_eq!(outcome, expected, "{rule:?}");
    }
}

#[test]
fn each_kills_for_other_arguments() {
    let mut tried = 0;
    for (rule, number) in rules_here() {
        for check in rule.checks {
            let forbidden = forbidden(rule, check);
            assert!(!forbidden.is_empty(), "nothing is forbidden by {check:?} of {rule:?}");
            for arguments in forbidden {
                assert_eq!(call(number, arguments), Outcome::Killed, "{arguments:?} of {rule:?}");
                tried += 1;
            }
        }
    }
    assert!(tried > 40, "only {tried} were tried");
}

#[test]
fn the_upper_half_of_an_int_does_not_matter() {
    // Nor does the kernel look at it, so that nothing is gained or lost.
    let number = libc::SYS_setns;
    let network = u64::from(libc::CLONE_NEWNET as u32);
    assert_eq!(call(number, [NOTHING, network | 1 << 32, 0, 0, 0, 0]), Outcome::Allowed);
    assert_eq!(call(number, [NOTHING, 1 << 32, 0, 0, 0, 0]), Outcome::Killed);
}

#[test]
fn any_kind_of_namespace_is_none() {
    assert_eq!(call(libc::SYS_setns, [NOTHING, 0, 0, 0, 0, 0]), Outcome::Killed);
}

#[test]
fn without_user_namespaces_only_a_network_namespace_can_be_entered() {
    let network = libc::CLONE_NEWNET as u32;
    let user = libc::CLONE_NEWUSER as u32;
    let number = libc::SYS_setns;
    let enter = |kind: u32| [NOTHING, kind.into(), 0, 0, 0, 0];
    assert_eq!(call(number, enter(user)), Outcome::Allowed);
    assert_eq!(call_without_userns(number, enter(user)), Outcome::Killed);
    assert_eq!(call_without_userns(number, enter(network)), Outcome::Allowed);
    // Nor is there a child that could.
    let fork = (libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD) as u64;
    assert_eq!(call_without_userns(libc::SYS_clone, [fork; 6]), Outcome::Killed);
}

#[test]
fn what_no_rule_names_kills() {
    let calls = [
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_kill,
        libc::SYS_tgkill,
        libc::SYS_connect,
        libc::SYS_accept4,
        libc::SYS_sendto,
        libc::SYS_openat2,
        libc::SYS_open_by_handle_at,
        libc::SYS_unlinkat,
        libc::SYS_ftruncate,
        libc::SYS_fchmod,
        libc::SYS_mount,
        libc::SYS_fsopen,
        libc::SYS_unshare,
        libc::SYS_dup3,
        libc::SYS_pidfd_getfd,
        libc::SYS_memfd_create,
        libc::SYS_pkey_mprotect,
        libc::SYS_userfaultfd,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_io_uring_setup,
        libc::SYS_keyctl,
        libc::SYS_init_module,
        libc::SYS_kexec_load,
        libc::SYS_reboot,
        libc::SYS_personality,
        libc::SYS_seccomp,
        libc::SYS_setuid,
        libc::SYS_prlimit64,
    ];
    for number in calls {
        assert_eq!(call(number, [NOTHING; 6]), Outcome::Killed, "system call {number}");
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn the_other_numbers_of_the_architecture_kill() {
    // The x32 ABI: the same calls by other numbers.
    const X32: i64 = 0x4000_0000;
    assert_eq!(call(X32 | libc::SYS_read, [NOTHING; 6]), Outcome::Killed);
}

#[test]
fn trouble_ends_the_process() {
    assert_eq!(probe("panic"), Outcome::Ended(101));
    assert_eq!(probe("panic-in-a-thread"), Outcome::Ended(101));
    // It ends with a signal to the process itself, which no rule allows.
    assert_eq!(probe("abort"), Outcome::Killed);
    assert_eq!(probe("overflow"), Outcome::Died(libc::SIGSEGV));
}
