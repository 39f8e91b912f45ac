//! The system calls that glibc makes for itself, beside those that every C library makes.

use super::number::*;
use super::rule::{Rule, always, elsewhere, is, only};
use nix::libc;

/// `SIGSETXID` of glibc, the second of the signals that it keeps for itself.
const SIGSETXID: i32 = 33;

/// `MADV_GUARD_INSTALL` and `MADV_GUARD_REMOVE` of Linux 6.13.
const GUARD_INSTALL: i32 = 102;
const GUARD_REMOVE: i32 = 103;

/// What is allowed for them.
pub const RULES: &[Rule] = &[
    // Threads.
    always(CLONE3, "glibc: tries it first for a thread, and is told that there is no such call"),
    only(RT_SIGACTION, &[is(0, SIGSETXID)], "glibc: a handler, before the first thread"),
    always(SET_ROBUST_LIST, "glibc: every thread at its start"),
    always(RSEQ, "glibc: every thread at its start"),
    // Memory.
    always(MREMAP, "glibc: realloc(3) of a large block, such as the buffer for a frame"),
    elsewhere(
        SCHED_GETAFFINITY,
        &[],
        "glibc: malloc(3) counts the processors before it makes one more arena",
    ),
    only(MADVISE, &[is(2, libc::MADV_DONTNEED)], "glibc: the stack of a thread that ended"),
    elsewhere(MADVISE, &[is(2, GUARD_INSTALL)], "glibc 2.42: guards of stacks"),
    elsewhere(MADVISE, &[is(2, GUARD_REMOVE)], "glibc 2.42: guards of stacks that are used again"),
    elsewhere(
        MADVISE,
        &[is(2, libc::MADV_HUGEPAGE)],
        "glibc: large blocks, where the system has it so (glibc.malloc.hugetlb)",
    ),
];
