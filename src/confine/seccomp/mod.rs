//! The system calls that the program may make, and with which arguments: `seccomp(2)`.
//!
//! Two filters are stacked, since each has one answer for what it does not let through. One
//! answers what is [`refused`] with `ENOSYS`: nobody gains by it, and a C library can do without. The other kills
//! the process for anything else that the [`rules`] don't allow: it would be an attack.

#[cfg(target_env = "gnu")]
mod glibc;
mod number;
mod refused;
mod rule;
mod sockets;
mod table;

pub use number::Call;
pub use rule::{Check, Needed, Rule};

use super::Scope;
use nix::libc;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter,
};
use std::collections::BTreeMap;
use std::env::consts::ARCH;
use std::fmt;

/// What is allowed besides, since the C library that the program is linked to does it.
#[cfg(target_env = "gnu")]
const C_LIBRARY_RULES: &[Rule] = glibc::RULES;
#[cfg(not(target_env = "gnu"))]
const C_LIBRARY_RULES: &[Rule] =
    &[rule::elsewhere(number::MREMAP, &[], "musl: realloc(3) of a block of more than 128 KiB")];

/// All rules that there are within `scope`.
///
/// ```
/// use linx_netlink_port::confine::Scope;
/// use linx_netlink_port::confine::seccomp::rules;
///
/// let everything = Scope::default();
/// assert!(rules(&everything).iter().all(|rule| rule.call.name != "execve"));
/// let less = Scope { userns: false, ..everything.clone() };
/// assert!(rules(&less).len() < rules(&everything).len());
/// ```
pub fn rules(scope: &Scope) -> Vec<Rule> {
    let userns = if scope.userns { table::USERNS_RULES } else { &[] };
    let fixed = table::RULES.iter().chain(C_LIBRARY_RULES).chain(userns);
    fixed.cloned().chain(sockets::rules(scope)).collect()
}

/// What is refused with `ENOSYS`, in every scope.
///
/// ```
/// use linx_netlink_port::confine::seccomp::refused;
///
/// assert!(refused().iter().any(|rule| rule.call.name == "clone3"));
/// ```
pub fn refused() -> &'static [Rule] {
    refused::RULES
}

/// The filters could not be made or installed.
#[derive(Debug)]
pub struct FilterError(seccompiler::Error);

impl<E: Into<seccompiler::Error>> From<E> for FilterError {
    fn from(cause: E) -> Self {
        FilterError(cause.into())
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot restrict system calls (--no-seccomp does without): {}", self.0)
    }
}

impl std::error::Error for FilterError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// Restricts the calling thread, and all that it starts from here on, for good.
///
/// What is not in `scope` can't be done after this.
///
/// Fails on an architecture other than x86_64 and aarch64, whose numbers the rules have, and where the kernel does not take them: `EINVAL` or `ENOSYS` if it was built without
/// `CONFIG_SECCOMP_FILTER`, or what a sandbox around the program answers.
///
/// ```standalone_crate
/// use linx_netlink_port::confine::{Scope, restrict_system_calls};
/// use std::os::unix::process::ExitStatusExt;
/// use std::process::Command;
///
/// if std::env::args().count() == 1 {
///     let again = Command::new(std::env::current_exe()?).arg("restricted").status()?;
///     assert_eq!(again.signal(), Some(nix::libc::SIGSYS));
/// } else {
///     restrict_system_calls(&Scope::default())?;
///     std::fs::create_dir("/tmp/is-never-made")?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn install(scope: &Scope) -> Result<(), FilterError> {
    let architecture = TargetArch::try_from(ARCH)?;
    let filters = [refuse(refused(), architecture)?, only(&rules(scope), architecture)?];
    filters.iter().try_for_each(|filter| apply_filter(filter)).map_err(FilterError)
}

/// The filter that answers what it is given with `ENOSYS`.
fn refuse(refused: &[Rule], architecture: TargetArch) -> Result<BpfProgram, BackendError> {
    let absent = SeccompAction::Errno(libc::ENOSYS as u32);
    filter(refused, absent, SeccompAction::Allow, architecture)
}

/// The filter that kills the process for what no rule allows, and the other filter does not refuse: of two answers,
/// the kernel takes the harder one.
fn only(allowed: &[Rule], architecture: TargetArch) -> Result<BpfProgram, BackendError> {
    let rules = allowed.iter().chain(refused());
    filter(rules, SeccompAction::Allow, SeccompAction::KillProcess, architecture)
}

/// The filter with one answer for what passes a rule, and another one for anything else.
fn filter<'a>(
    rules: impl IntoIterator<Item = &'a Rule>,
    passed: SeccompAction,
    otherwise: SeccompAction,
    architecture: TargetArch,
) -> Result<BpfProgram, BackendError> {
    let mut calls: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for rule in rules {
        if let Some(number) = rule.call.number(architecture) {
            let alternatives = calls.entry(number).or_default();
            if !rule.checks.is_empty() {
                let checks = rule.checks.iter().map(condition).collect::<Result<_, _>>()?;
                alternatives.push(SeccompRule::new(checks)?);
            }
        }
    }
    if calls.is_empty() {
        return Err(BackendError::InvalidTargetArch(format!("{architecture:?}")));
    }
    SeccompFilter::new(calls, otherwise, passed, architecture)?.try_into()
}

fn condition(check: &Check) -> Result<SeccompCondition, BackendError> {
    let operator = match check.expected {
        true => SeccompCmpOp::MaskedEq(check.mask.into()),
        // There is none with a mask.
        false => SeccompCmpOp::Ne,
    };
    SeccompCondition::new(check.argument, SeccompCmpArgLen::Dword, operator, check.value.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket::Families;

    fn without_userns() -> Scope {
        Scope { userns: false, ..Scope::default() }
    }

    fn with(families: &[u16], protocols: &[i32]) -> Scope {
        let families = Families { families: families.to_vec(), protocols: protocols.to_vec() };
        Scope { families, ..Scope::default() }
    }

    #[test]
    fn both_architectures_get_a_filter() {
        for architecture in [TargetArch::x86_64, TargetArch::aarch64] {
            assert!(refuse(refused(), architecture).is_ok_and(|filter| !filter.is_empty()));
            let short = only(&rules(&without_userns()), architecture).expect("a filter");
            let long = only(&rules(&Scope::default()), architecture).expect("a filter");
            assert!(short.len() < long.len() && long.len() < 1000, "{}", long.len());
        }
    }

    #[test]
    fn an_architecture_whose_numbers_no_rule_has_gets_none() {
        assert!(only(&rules(&Scope::default()), TargetArch::riscv64).is_err());
    }

    #[test]
    fn a_call_is_allowed_with_any_arguments_or_with_some() {
        // A rule without checks beside others would make them pointless.
        for scope in [Scope::default(), without_userns(), with(&[16], &[0]), with(&[2, 17], &[])] {
            let rules = [rules(&scope), refused().to_vec()].concat();
            for rule in rules.iter().filter(|rule| rule.checks.is_empty()) {
                assert_eq!(rules.iter().filter(|it| it.call == rule.call).count(), 1, "{rule:?}");
            }
        }
    }

    #[test]
    fn what_must_not_be_is_looked_at_as_a_whole() {
        for scope in [Scope::default(), with(&[], &[0]), with(&[2], &[])] {
            for rule in rules(&scope) {
                assert!(
                    rule.checks.iter().all(|it| it.expected || it.mask == u32::MAX),
                    "{rule:?}"
                );
            }
        }
    }

    /// Whether `socket(2)` may be called so.
    fn socket(scope: &Scope, domain: i32, kind: i32, protocol: i32) -> bool {
        let arguments = [domain, kind | libc::SOCK_CLOEXEC, protocol].map(|it| it as u32 as u64);
        rules(scope)
            .iter()
            .filter(|rule| rule.call.name == "socket")
            .any(|rule| rule.checks.iter().all(|it| it.passes(arguments[usize::from(it.argument)])))
    }

    #[test]
    fn only_sockets_that_policy_allows_are_let_through() {
        const PACKET: i32 = 10;
        let all = Scope::default();
        assert!(socket(&all, 16, 3, 12) && socket(&all, 2, PACKET, 3) && socket(&all, 17, 3, 3));
        assert!(!socket(&all, 0x1_0000, 3, 0) && !socket(&all, 2, libc::SOCK_NONBLOCK | 1, 0));
        let protocol = with(&[], &[0]);
        assert!(socket(&protocol, 16, 3, 0) && socket(&protocol, 2, 1, 6));
        assert!(!socket(&protocol, 16, 3, 12) && !socket(&protocol, 16, 2, 12));
        let netlink = with(&[16], &[0, 16]);
        assert!(socket(&netlink, 16, 3, 16) && socket(&netlink, 16, 2, 0));
        assert!(!socket(&netlink, 16, 3, 12) && !socket(&netlink, 2, 1, 0));
        let inet = with(&[2], &[0]);
        assert!(socket(&inet, 2, 1, 6) && socket(&inet, 2, 3, 1));
        assert!(
            !socket(&inet, 2, PACKET, 3) && !socket(&inet, 16, 3, 0) && !socket(&inet, 10, 1, 0)
        );
        let packet = with(&[17], &[]);
        assert!(socket(&packet, 17, 2, 3) && socket(&packet, 2, PACKET, 3));
        assert!(!socket(&packet, 2, 1, 0));
    }
}
