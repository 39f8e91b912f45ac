//! The system calls that the program may make, and with which arguments: `seccomp(2)`.
//!
//! Two filters are stacked, since each has one answer for what it does not let through. One
//! answers `clone3` with `ENOSYS`, so that the C library falls back to `clone`, whose flags can be
//! looked at. The other lets through what [`RULES`] lists and kills the process for anything else.

mod number;
mod rule;
mod table;

pub use number::Call;
pub use rule::{Check, Needed, Rule};
pub use table::RULES;

use nix::libc;
use number::CLONE3;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter,
};
use std::collections::BTreeMap;
use std::env::consts::ARCH;
use std::fmt;

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
pub fn install() -> Result<(), FilterError> {
    let architecture = TargetArch::try_from(ARCH)?;
    apply_filter(&no_clone3(architecture)?)?;
    apply_filter(&only_the_rules(architecture)?)?;
    Ok(())
}

/// The filter that answers `clone3` with `ENOSYS`.
fn no_clone3(architecture: TargetArch) -> Result<BpfProgram, seccompiler::BackendError> {
    let rules: BTreeMap<_, _> =
        CLONE3.number(architecture).map(|number| (number, Vec::new())).into_iter().collect();
    let absent = SeccompAction::Errno(libc::ENOSYS as u32);
    SeccompFilter::new(rules, SeccompAction::Allow, absent, architecture)?.try_into()
}

/// The filter that kills the process for what no rule allows.
fn only_the_rules(architecture: TargetArch) -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for rule in RULES {
        if let Some(number) = rule.call.number(architecture) {
            let alternatives = rules.entry(number).or_default();
            if !rule.checks.is_empty() {
                let checks = rule.checks.iter().map(condition).collect::<Result<_, _>>()?;
                alternatives.push(SeccompRule::new(checks)?);
            }
        }
    }
    let (allow, kill) = (SeccompAction::Allow, SeccompAction::KillProcess);
    SeccompFilter::new(rules, kill, allow, architecture)?.try_into()
}

fn condition(check: &Check) -> Result<SeccompCondition, seccompiler::BackendError> {
    let operator = SeccompCmpOp::MaskedEq(check.mask.into());
    SeccompCondition::new(check.argument, SeccompCmpArgLen::Dword, operator, check.value.into())
}
