//! The system calls that the program may make, and with which arguments: `seccomp(2)`.
//!
//! Two filters are stacked, since each has one answer for what it does not let through. One
//! answers `clone3` with `ENOSYS`, so that the C library falls back to `clone`, whose flags can be
//! looked at. The other lets through what the [`rules`] allow and kills the process for anything
//! else.

#[cfg(target_env = "gnu")]
mod glibc;
mod number;
mod rule;
mod table;

pub use number::Call;
pub use rule::{Check, Needed, Rule};

use nix::libc;
use number::CLONE3;
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

/// All rules, those that only user namespaces need among them if `userns` says so.
///
/// ```
/// use linx_netlink_port::confine::seccomp::rules;
///
/// assert!(rules(true).all(|rule| rule.call.name != "execve"));
/// assert!(rules(true).count() > rules(false).count());
/// ```
pub fn rules(userns: bool) -> impl Iterator<Item = &'static Rule> {
    let more = if userns { table::USERNS_RULES } else { &[] };
    table::RULES.iter().chain(C_LIBRARY_RULES).chain(more)
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
/// `userns` says whether it may start a child that enters another user namespace.
///
/// Fails on an architecture other than x86_64 and aarch64, whose numbers the rules have, and where the kernel does not take them: `EINVAL` or `ENOSYS` if it was built without
/// `CONFIG_SECCOMP_FILTER`, or what a sandbox around the program answers.
///
/// ```standalone_crate
/// use linx_netlink_port::confine::restrict_system_calls;
/// use std::os::unix::process::ExitStatusExt;
/// use std::process::Command;
///
/// if std::env::args().count() == 1 {
///     let again = Command::new(std::env::current_exe()?).arg("restricted").status()?;
///     assert_eq!(again.signal(), Some(nix::libc::SIGSYS));
/// } else {
///     restrict_system_calls(false)?;
///     std::fs::create_dir("/tmp/is-never-made")?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn install(userns: bool) -> Result<(), FilterError> {
    let architecture = TargetArch::try_from(ARCH)?;
    let filters = [no_clone3(architecture)?, only(rules(userns), architecture)?];
    filters.iter().try_for_each(|filter| apply_filter(filter)).map_err(FilterError)
}

/// The filter that answers `clone3` with `ENOSYS`.
fn no_clone3(architecture: TargetArch) -> Result<BpfProgram, BackendError> {
    let rules: BTreeMap<_, _> =
        CLONE3.number(architecture).map(|number| (number, Vec::new())).into_iter().collect();
    let absent = SeccompAction::Errno(libc::ENOSYS as u32);
    SeccompFilter::new(rules, SeccompAction::Allow, absent, architecture)?.try_into()
}

/// The filter that kills the process for what no rule allows.
fn only(
    allowed: impl Iterator<Item = &'static Rule>,
    architecture: TargetArch,
) -> Result<BpfProgram, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for rule in allowed {
        if let Some(number) = rule.call.number(architecture) {
            let alternatives = rules.entry(number).or_default();
            if !rule.checks.is_empty() {
                let checks = rule.checks.iter().map(condition).collect::<Result<_, _>>()?;
                alternatives.push(SeccompRule::new(checks)?);
            }
        }
    }
    if rules.is_empty() {
        return Err(BackendError::InvalidTargetArch(format!("{architecture:?}")));
    }
    let (allow, kill) = (SeccompAction::Allow, SeccompAction::KillProcess);
    SeccompFilter::new(rules, kill, allow, architecture)?.try_into()
}

fn condition(check: &Check) -> Result<SeccompCondition, BackendError> {
    let operator = SeccompCmpOp::MaskedEq(check.mask.into());
    SeccompCondition::new(check.argument, SeccompCmpArgLen::Dword, operator, check.value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_architectures_get_a_filter() {
        for architecture in [TargetArch::x86_64, TargetArch::aarch64] {
            assert!(no_clone3(architecture).is_ok_and(|filter| !filter.is_empty()));
            let short = only(rules(false), architecture).expect("a filter");
            let long = only(rules(true), architecture).expect("a filter");
            assert!(short.len() < long.len() && long.len() < 1000, "{}", long.len());
        }
    }

    #[test]
    fn an_architecture_whose_numbers_no_rule_has_gets_none() {
        assert!(only(rules(true), TargetArch::riscv64).is_err());
    }

    #[test]
    fn a_call_is_allowed_with_any_arguments_or_with_some() {
        // A rule without checks beside others would make them pointless.
        for rule in rules(true).filter(|rule| rule.checks.is_empty()) {
            assert_eq!(rules(true).filter(|it| it.call == rule.call).count(), 1, "{rule:?}");
        }
    }
}
