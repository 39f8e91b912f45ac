//! The system calls that glibc makes for itself, beside those that every C library makes.

use super::number::*;
use super::refused::{MADV_GUARD_INSTALL, MADV_GUARD_REMOVE};
use super::rule::{Rule, always, elsewhere, is, only};
use nix::libc;

/// `SIGSETXID` of glibc, the second of the signals that it keeps for itself.
const SIGSETXID: i32 = 33;

/// What is allowed for them.
pub const RULES: &[Rule] = &[
    // Threads.
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
    elsewhere(MADVISE, &[is(2, MADV_GUARD_INSTALL)], "glibc 2.42: guards of stacks"),
    elsewhere(
        MADVISE,
        &[is(2, MADV_GUARD_REMOVE)],
        "glibc 2.42: guards of stacks that are used again",
    ),
    elsewhere(
        MADVISE,
        &[is(2, libc::MADV_NOHUGEPAGE)],
        "glibc: the stack of a thread, which there is none without (glibc.pthread.stack_hugetlb)",
    ),
    elsewhere(
        MADVISE,
        &[is(2, libc::MADV_HUGEPAGE)],
        "glibc: large blocks, where the system has it so (glibc.malloc.hugetlb)",
    ),
    elsewhere(
        WRITEV,
        &[is(0, libc::STDERR_FILENO)],
        "glibc: says that the heap is damaged, before it ends the program",
    ),
];
