use super::Call;
use std::borrow::Cow;

/// A system call that is allowed, or refused with an error, if its arguments pass all checks. Several rules for one
/// call are alternatives.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The call, with its number on each architecture.
    pub call: Call,
    /// All must pass; with none, any arguments will do.
    pub checks: Cow<'static, [Check]>,
    /// Whether the tests can see that it is needed.
    pub needed: Needed,
    /// Who makes the call, and what for.
    pub why: Cow<'static, str>,
}

/// Where a rule is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needed {
    /// Wherever the program runs.
    Everywhere,
    /// With another C library, kernel, architecture or machine than the one it is tested on, or at
    /// a moment that no test brings about: the reason says which.
    Elsewhere,
}

/// A check of the lower 32 bits of an argument, which is all that the kernel looks at of an `int`:
/// those under `mask` are as in `value`, or are not.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// From 0 to 5.
    pub argument: u8,
    /// The bits that matter.
    pub mask: u32,
    /// What they must be, or must not be; 0 outside `mask`.
    pub value: u32,
    /// Which of the two.
    pub expected: bool,
}

impl Check {
    /// Whether `argument` passes.
    ///
    /// ```
    /// use linx_netlink_port::confine::seccomp::Check;
    ///
    /// let no_writing = Check { argument: 2, mask: 0b11, value: 0, expected: true };
    /// assert!(no_writing.passes(0o2000000));
    /// assert!(!no_writing.passes(1));
    /// ```
    pub fn passes(self, argument: u64) -> bool {
        (argument & u64::from(self.mask) == u64::from(self.value)) == self.expected
    }
}

pub(super) const fn always(call: Call, why: &'static str) -> Rule {
    only(call, &[], why)
}

pub(super) const fn only(call: Call, checks: &'static [Check], why: &'static str) -> Rule {
    let (checks, why) = (Cow::Borrowed(checks), Cow::Borrowed(why));
    Rule { call, checks, needed: Needed::Everywhere, why }
}

pub(super) const fn elsewhere(call: Call, checks: &'static [Check], why: &'static str) -> Rule {
    let (checks, why) = (Cow::Borrowed(checks), Cow::Borrowed(why));
    Rule { call, checks, needed: Needed::Elsewhere, why }
}

/// A rule that is not known before the program runs.
pub(super) fn made(call: Call, checks: &[Check], why: impl Into<Cow<'static, str>>) -> Rule {
    let (checks, why) = (Cow::Owned(checks.to_vec()), why.into());
    Rule { call, checks, needed: Needed::Everywhere, why }
}

/// The argument has exactly this value.
pub(super) const fn is(argument: u8, value: i32) -> Check {
    is_but_for(argument, value, 0)
}

/// The argument has any other value.
pub(super) const fn isnt(argument: u8, value: i32) -> Check {
    Check { expected: false, ..is(argument, value) }
}

/// The argument has this value, but for the bits in `either`, which do not matter.
pub(super) const fn is_but_for(argument: u8, value: i32, either: i32) -> Check {
    Check { argument, mask: !(either as u32), value: value as u32, expected: true }
}

/// The argument is no larger than `most`, which is a power of two less one.
pub(super) const fn at_most(argument: u8, most: i32) -> Check {
    is_but_for(argument, 0, most)
}

/// The argument has none of these bits.
pub(super) const fn without(argument: u8, bits: i32) -> Check {
    Check { argument, mask: bits as u32, value: 0, expected: true }
}
