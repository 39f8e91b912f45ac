//! Who needs which system call.

use super::number::*;
use super::rule::{Rule, always, elsewhere, is, is_but_for, only, without};
use crate::netns::{NS_GET_NSTYPE, NS_GET_USERNS, PIDFD_GET_NET_NAMESPACE};
use nix::libc;

/// `O_NOFOLLOW` on x86_64 and `O_LARGEFILE` on aarch64, and the other way round: neither matters.
const NOFOLLOW_OR_LARGEFILE: i32 = 0o400_000 | 0o100_000;

/// The flags with which pthread_create(3) starts a thread, in every version of glibc and musl.
const THREAD: i32 = libc::CLONE_VM
    | libc::CLONE_FS
    | libc::CLONE_FILES
    | libc::CLONE_SIGHAND
    | libc::CLONE_THREAD
    | libc::CLONE_SYSVSEM
    | libc::CLONE_SETTLS
    | libc::CLONE_PARENT_SETTID
    | libc::CLONE_CHILD_CLEARTID;

/// `CLONE_DETACHED`, which musl sets too and the kernel ignores.
const DETACHED: i32 = 0x40_0000;

/// A futex is the process's own or not, and its timeout by this clock or that.
const EITHER_FUTEX: i32 = libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME;

/// The system calls that are allowed, whatever the program is linked to.
pub const RULES: &[Rule] = &[
    // Serving.
    always(EPOLL_PWAIT, "serve: waits for something to read"),
    elsewhere(
        EPOLL_CTL,
        &[],
        "serve: nobody is woken for input while somebody looks for it, where requests follow each other at once",
    ),
    always(PREADV2, "serve: stdin, without waiting for it"),
    elsewhere(
        READ,
        &[],
        "serve: stdin, where the kernel has to be asked before whether that would be to wait",
    ),
    always(WRITE, "serve: stdout; a last word on stderr"),
    always(CAPSET, "serve: writes to stdout without capabilities; none can be gained by it"),
    always(POLL, "serve: waits for the client's end, and for room, looks for input"),
    elsewhere(PPOLL, &[], "poll(2) on aarch64, which has no call of that name"),
    always(SENDMSG, "handover: the hello, and descriptors over the pair"),
    always(RECVMSG, "handover: descriptors from the client; rootless: those from the child"),
    always(CLOSE, "everybody who opens something"),
    elsewhere(
        FCNTL,
        &[is(1, libc::F_GETFD)],
        "std: a build with debug assertions looks whether what it closes is open",
    ),
    always(GETPID, "serve: the process's id in the hello and in info"),
    elsewhere(
        CLOCK_GETTIME,
        &[],
        "std: Instant, where the machine has no clock that can be read without the kernel",
    ),
    elsewhere(
        SCHED_SETATTR,
        &[is(0, 0)],
        "serve: a thread's own slice, where the kernel has that and the program its usual policy",
    ),
    elsewhere(
        SCHED_SETAFFINITY,
        &[is(0, 0)],
        "serve: a thread begins on the processor of its starter, where there are several",
    ),
    elsewhere(
        GETCPU,
        &[],
        "serve: on which processor a thread runs, where the kernel alone knows; C library: a heap for each",
    ),
    always(
        SCHED_YIELD,
        "serve: a client that has its answer runs before the thread ends, and a spare before the next is started",
    ),
    always(EXIT_GROUP, "serve: the end of the program"),
    elsewhere(
        RESTART_SYSCALL,
        &[],
        "kernel: goes on with a poll(2) or futex(2) that had a timeout when SIGSTOP came",
    ),
    // Finding and entering a namespace.
    only(
        OPENAT,
        &[is_but_for(2, libc::O_CLOEXEC, libc::O_PATH | NOFOLLOW_OR_LARGEFILE)],
        "netns: finds a file, and opens it for reading; nothing is ever written or created",
    ),
    always(READLINKAT, "netns: symbolic links, where policy forbids some"),
    always(FSTATFS, "netns: whether a file is a namespace"),
    only(IOCTL, &[is(1, NS_GET_NSTYPE)], "netns: which kind of namespace a file is"),
    only(
        IOCTL,
        &[is(1, PIDFD_GET_NET_NAMESPACE)],
        "netns: the namespace of a process; kernels before 6.11 refuse it",
    ),
    always(PIDFD_OPEN, "netns: holds on to a process while its namespace is opened"),
    only(SETNS, &[is(1, libc::CLONE_NEWNET)], "netns: enters a network namespace"),
    // Threads.
    only(
        CLONE,
        &[is_but_for(0, THREAD, DETACHED)],
        "C library: a thread, never a process or a namespace",
    ),
    always(RT_SIGPROCMASK, "C library: no signal comes to a half-made thread"),
    always(SIGALTSTACK, "std: the main thread gives back its second stack at its end"),
    elsewhere(GETTID, &[], "std: the message of a panic has the id of its thread"),
    always(EXIT, "C library: the end of a thread"),
    only(FUTEX, &[is_but_for(1, libc::FUTEX_WAKE, EITHER_FUTEX)], "std, C library: locks"),
    only(FUTEX, &[is_but_for(1, libc::FUTEX_WAIT_BITSET, EITHER_FUTEX)], "std, C library: locks"),
    elsewhere(
        FUTEX,
        &[is_but_for(1, libc::FUTEX_WAIT, EITHER_FUTEX)],
        "C library: locks of malloc(3), when two threads come at the same moment",
    ),
    // Memory, none of it executable.
    only(MMAP, &[without(2, libc::PROT_EXEC)], "C library: stacks and the heap"),
    only(MPROTECT, &[without(2, libc::PROT_EXEC)], "C library: guards of stacks; heaps that grow"),
    always(MUNMAP, "C library: stacks and heaps that are used no more"),
    elsewhere(BRK, &[], "C library: the heap of the main thread, when it has to grow"),
    always(GETRANDOM, "std: the seed of a hash map"),
];

/// What is allowed besides, unless the program may not enter user namespaces: a child that does.
pub const USERNS_RULES: &[Rule] = &[
    only(IOCTL, &[is(1, NS_GET_USERNS)], "rootless: the owner of a namespace"),
    always(FSTAT, "rootless: the user namespace of that owner"),
    always(NEWFSTATAT, "rootless: the program's own, to compare"),
    only(
        SOCKETPAIR,
        &[is(0, libc::AF_UNIX), is(1, libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC)],
        "rootless: the way of the socket from the child",
    ),
    only(
        CLONE,
        &[is(0, libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD)],
        "rootless: the child, in no new namespace",
    ),
    only(SETNS, &[is(1, libc::CLONE_NEWUSER)], "rootless: refused to all but the child"),
    always(TIMER_CREATE, "rootless: the child ends when its time is up"),
    always(TIMER_SETTIME, "rootless: the child ends when its time is up"),
    only(
        PRCTL,
        &[is(0, libc::PR_SET_PDEATHSIG), is(1, libc::SIGKILL)],
        "rootless: the child ends with its parent",
    ),
    always(GETPPID, "rootless: whether the parent ended before that"),
    always(WAIT4, "rootless: the end of the child"),
];
