//! What a C library may want for itself, in whichever version, and can do without. Nothing of it is done: it is
//! answered with `ENOSYS`, as by a kernel that does not have it. So nobody gains anything by it, and a library that
//! tries something new does not end the program.

use super::number::*;
use super::rule::{Check, Rule, elsewhere, is, isnt};
use nix::libc;

/// Of `linux/prctl.h`; not every version of the libc crate has them.
const PR_GET_TAGGED_ADDR_CTRL: i32 = 56;
const PR_SET_MEMORY_MERGE: i32 = 67;

/// What is refused. None of it is allowed by any rule.
pub const RULES: &[Rule] = &[
    // Threads.
    elsewhere(
        CLONE3,
        &[],
        "C library: a thread; it falls back to clone(2), whose flags can be looked at",
    ),
    elsewhere(MEMBARRIER, &[], "C library: barriers in all threads; they are had by other means"),
    elsewhere(
        FUTEX_WAITV,
        &[],
        "C library: waits for several locks; it waits for one after the other",
    ),
    prctl(&[is(0, libc::PR_SET_NAME)], "C library: the name of a thread"),
    // Memory.
    prctl(
        &[is(0, libc::PR_SET_VMA)],
        "glibc 2.41: names of what it maps (glibc.mem.decorate_maps)",
    ),
    prctl(&[is(0, libc::PR_SET_THP_DISABLE)], "C library: no huge pages"),
    prctl(&[is(0, libc::PR_GET_THP_DISABLE)], "C library: whether there are huge pages"),
    prctl(&[is(0, PR_GET_TAGGED_ADDR_CTRL)], "C library: whether memory is tagged"),
    prctl(&[is(0, PR_SET_MEMORY_MERGE)], "C library: pages that are the same are kept once"),
    elsewhere(MADVISE, OTHER_ADVICE, "C library: memory that it has a wish for; it is only advice"),
    elsewhere(MBIND, &[], "C library: memory near a processor"),
    elsewhere(GET_MEMPOLICY, &[], "C library: whether memory is near a processor"),
    elsewhere(SET_MEMPOLICY, &[], "C library: memory near a processor"),
    elsewhere(SET_MEMPOLICY_HOME_NODE, &[], "C library: memory near a processor"),
    elsewhere(MINCORE, &[], "C library: where a stack ends"),
    elsewhere(MLOCK, &[], "C library: keys that are not to be swapped out"),
    // What kind of machine it is on.
    elsewhere(PRLIMIT64, &[is(0, 0)], "C library: how large a stack may be; one's own limits only"),
    elsewhere(SYSINFO, &[], "C library: how much memory there is"),
    elsewhere(UNAME, &[], "C library: how old the kernel is"),
    elsewhere(CLOCK_GETRES, &[], "C library: how exact a clock is"),
    // abort(3). If it can't send the signal, it executes an instruction that nobody may: a crash.
    elsewhere(TGKILL, &[is(2, libc::SIGABRT)], "C library, std: abort(3)"),
    elsewhere(TKILL, &[is(1, libc::SIGABRT)], "musl: abort(3)"),
    elsewhere(RT_SIGACTION, &[is(0, libc::SIGABRT)], "C library: abort(3), in case of a handler"),
];

/// Advice that no rule allows, but for what damages memory that others use too.
#[cfg(target_env = "gnu")]
const OTHER_ADVICE: &[Check] = &[
    isnt(2, libc::MADV_DONTNEED),
    isnt(2, libc::MADV_HUGEPAGE),
    isnt(2, libc::MADV_NOHUGEPAGE),
    isnt(2, MADV_GUARD_INSTALL),
    isnt(2, MADV_GUARD_REMOVE),
    isnt(2, libc::MADV_HWPOISON),
    isnt(2, libc::MADV_SOFT_OFFLINE),
];
#[cfg(not(target_env = "gnu"))]
const OTHER_ADVICE: &[Check] = &[isnt(2, libc::MADV_HWPOISON), isnt(2, libc::MADV_SOFT_OFFLINE)];

/// Of Linux 6.13.
#[cfg(target_env = "gnu")]
pub const MADV_GUARD_INSTALL: i32 = 102;
#[cfg(target_env = "gnu")]
pub const MADV_GUARD_REMOVE: i32 = 103;

const fn prctl(checks: &'static [Check], why: &'static str) -> Rule {
    elsewhere(PRCTL, checks, why)
}
