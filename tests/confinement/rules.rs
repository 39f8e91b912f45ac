//! Each rule of the filter, with arguments that it allows and with others.

use crate::probe::{Outcome, SCOPES, call, call_within, probe, scope};
use linx_netlink_port::confine::seccomp::{Check, Rule, refused, rules};
use nix::libc;
use seccompiler::TargetArch;

const HERE: TargetArch =
    if cfg!(target_arch = "x86_64") { TargetArch::x86_64 } else { TargetArch::aarch64 };

/// What no rule looks at is no descriptor, no address and no size: so no call does anything.
const NOTHING: u64 = u64::MAX;

/// Those of the rules that this architecture has, with the numbers of their calls.
fn here(rules: &[Rule]) -> impl Iterator<Item = (&Rule, i64)> {
    rules.iter().filter_map(|rule| Some((rule, rule.call.number(HERE)?)))
}

/// The rules of every scope: those that are in the first one too only there.
fn scopes() -> impl Iterator<Item = (&'static str, Vec<Rule>, Vec<Rule>)> {
    let everything = rules(&scope(SCOPES[0]));
    SCOPES.into_iter().map(move |name| {
        let all = rules(&scope(name));
        let known =
            |rule: &Rule| everything.iter().any(|it| format!("{it:?}") == format!("{rule:?}"));
        let own = all.iter().filter(|rule| name == SCOPES[0] || !known(rule)).cloned().collect();
        (name, all, own)
    })
}

/// Arguments that a rule allows.
fn allowed(rule: &Rule) -> [u64; 6] {
    let mut arguments = [NOTHING; 6];
    for check in rule.checks.iter().filter(|check| check.expected) {
        arguments[usize::from(check.argument)] = check.value.into();
    }
    arguments
}

/// The same with one bit changed that `check` looks at, or with what it forbids, where no other rule for the
/// same call allows it: for the lowest and for the highest of such bits.
fn forbidden(rule: &Rule, check: &Check, all: &[Rule]) -> Vec<[u64; 6]> {
    let alternatives = || all.iter().filter(|other| other.call == rule.call);
    let argument = usize::from(check.argument);
    let bits = (0..32).filter(|bit| check.mask & (1 << bit) != 0).map(|bit| 1 << bit);
    let changed: Vec<_> = bits
        .map(|bit| {
            let mut arguments = allowed(rule);
            match check.expected {
                true => arguments[argument] ^= bit,
                false => arguments[argument] = check.value.into(),
            }
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
    for (scope, _, own) in scopes() {
        // The call that ends a thread leaves nobody to tell. The program makes it with every request.
        for (rule, number) in here(&own).filter(|(rule, _)| rule.call.name != "exit") {
            let expected = match rule.call.name {
                "exit_group" => Outcome::Ended(255),
                _ => Outcome::Allowed,
            };
            // Bad arguments of futex(2) are told to be absent.
            let outcome = match call_within(scope, number, allowed(rule)) {
                Outcome::Absent if rule.call.name == "futex" => Outcome::Allowed,
                outcome => outcome,
            };
            assert_eq!(outcome, expected, "{scope}: {rule:?}");
        }
    }
}

#[test]
fn what_a_c_library_may_want_is_refused_with_an_error_in_every_scope() {
    for scope in SCOPES {
        for (rule, number) in here(refused()) {
            let outcome = call_within(scope, number, allowed(rule));
            assert_eq!(outcome, Outcome::Absent, "{scope}: {rule:?}");
        }
    }
}

#[test]
fn nothing_is_both_allowed_and_refused() {
    for (scope, all, _) in scopes() {
        for rule in &all {
            assert!(!is_refused(rule.call.name, &allowed(rule)), "{scope}: {rule:?}");
        }
    }
}

fn is_refused(call: &str, arguments: &[u64; 6]) -> bool {
    refused().iter().any(|rule| rule.call.name == call && passes(rule, arguments))
}

#[test]
fn what_would_be_an_attack_kills_though_a_call_of_the_same_name_does_not() {
    let int = |value: i32| u64::from(value as u32);
    let prctl = |option: i32| (libc::SYS_prctl, [int(option), 1, NOTHING, NOTHING, NOTHING, 0]);
    let advise = |advice: i32| (libc::SYS_madvise, [0, 0, int(advice), 0, 0, 0]);
    let attacks = [
        prctl(libc::PR_SET_DUMPABLE),
        prctl(libc::PR_SET_PTRACER),
        prctl(libc::PR_SET_KEEPCAPS),
        prctl(libc::PR_SET_SECUREBITS),
        prctl(libc::PR_CAP_AMBIENT),
        prctl(libc::PR_SET_SECCOMP),
        prctl(libc::PR_SET_MM),
        prctl(libc::PR_SET_CHILD_SUBREAPER),
        advise(libc::MADV_HWPOISON),
        advise(libc::MADV_SOFT_OFFLINE),
        (libc::SYS_prlimit64, [1, 0, 0, 0, 0, 0]),
        (libc::SYS_tgkill, [NOTHING, NOTHING, int(libc::SIGKILL), 0, 0, 0]),
        (libc::SYS_tkill, [NOTHING, int(libc::SIGTERM), 0, 0, 0, 0]),
        (libc::SYS_rt_sigaction, [int(libc::SIGSEGV), 0, 0, NOTHING, 0, 0]),
        (libc::SYS_writev, [1, NOTHING, 1, 0, 0, 0]),
    ];
    for (number, arguments) in attacks {
        assert_eq!(call(number, arguments), Outcome::Killed, "{number} {arguments:?}");
    }
}

#[test]
fn each_kills_for_other_arguments() {
    let mut tried = 0;
    for (scope, all, own) in scopes() {
        for (rule, number) in here(&own) {
            for check in rule.checks.iter() {
                let forbidden = forbidden(rule, check, &all);
                assert!(!forbidden.is_empty(), "nothing is forbidden by {check:?} of {rule:?}");
                for arguments in forbidden {
                    let expected = match is_refused(rule.call.name, &arguments) {
                        true => Outcome::Absent,
                        false => Outcome::Killed,
                    };
                    let outcome = call_within(scope, number, arguments);
                    assert_eq!(outcome, expected, "{scope}: {arguments:?} of {rule:?}");
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 100, "only {tried} were tried");
}

#[test]
fn what_policy_takes_away_kills() {
    let socket = |domain: i32, kind: i32, protocol: i32| {
        let kind = kind | libc::SOCK_CLOEXEC;
        (libc::SYS_socket, [domain as u64, kind as u64, protocol as u64, 0, 0, 0])
    };
    let unshare = |kind: i32| (libc::SYS_unshare, [kind as u32 as u64, 0, 0, 0, 0, 0]);
    let setsockopt = |level: i32, option: i32| {
        (libc::SYS_setsockopt, [NOTHING, level as u64, option as u64, 0, 0, 0])
    };
    let bind = |size: u64| (libc::SYS_bind, [NOTHING, 0, size, 0, 0, 0]);
    let listen = (libc::SYS_listen, [NOTHING, 0, 0, 0, 0, 0]);
    let route = socket(libc::AF_NETLINK, libc::SOCK_RAW, 0);
    let netfilter = socket(libc::AF_NETLINK, libc::SOCK_RAW, 12);
    let udp = socket(libc::AF_INET, libc::SOCK_DGRAM, 0);
    let udp6 = socket(libc::AF_INET6, libc::SOCK_DGRAM, 0);
    let (newnet, newuser) = (unshare(libc::CLONE_NEWNET), unshare(libc::CLONE_NEWUSER));
    let reuseaddr = setsockopt(libc::SOL_SOCKET, libc::SO_REUSEADDR);
    let ext_ack = setsockopt(libc::SOL_NETLINK, libc::NETLINK_EXT_ACK);
    let freebind6 = setsockopt(libc::SOL_IPV6, libc::IPV6_FREEBIND);
    for (scope, taken, left) in [
        ("no-userns", vec![newuser], vec![newnet, udp]),
        ("no-new", vec![newnet, newuser], vec![udp, listen]),
        ("one-protocol", vec![netfilter], vec![route, udp, ext_ack, reuseaddr]),
        (
            "netlink",
            vec![netfilter, udp, reuseaddr, freebind6, listen, bind(16)],
            vec![route, ext_ack, bind(12), newnet],
        ),
        (
            "inet-and-packet",
            vec![route, udp6, ext_ack, freebind6],
            vec![udp, reuseaddr, listen, bind(128)],
        ),
    ] {
        for (number, arguments) in taken {
            assert_eq!(call(number, arguments), Outcome::Allowed, "{number} {arguments:?}");
            let outcome = call_within(scope, number, arguments);
            assert_eq!(outcome, Outcome::Killed, "{scope}: {number} {arguments:?}");
        }
        for (number, arguments) in left {
            let outcome = call_within(scope, number, arguments);
            assert_eq!(outcome, Outcome::Allowed, "{scope}: {number} {arguments:?}");
        }
    }
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
    assert_eq!(call_within("no-userns", number, enter(user)), Outcome::Killed);
    assert_eq!(call_within("no-userns", number, enter(network)), Outcome::Allowed);
    // Nor is there a child that could.
    let fork = (libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD) as u64;
    assert_eq!(call_within("no-userns", libc::SYS_clone, [fork; 6]), Outcome::Killed);
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
    // Told as a crash, since it may not send itself the signal.
    assert_eq!(probe("abort"), Outcome::Died(libc::SIGSEGV));
    let double_free = probe("double-free");
    assert!(matches!(double_free, Outcome::Died(libc::SIGSEGV | libc::SIGBUS)), "{double_free:?}");
    assert_eq!(probe("overflow"), Outcome::Died(libc::SIGSEGV));
}

#[test]
fn a_crash_is_told_as_one() {
    assert_eq!(probe("no-memory"), Outcome::Died(libc::SIGSEGV));
    assert_eq!(probe("no-file"), Outcome::Died(libc::SIGBUS));
    assert_eq!(probe("overflow-of-a-library-thread"), Outcome::Died(libc::SIGSEGV));
}
