//! The numbers of system calls, which every architecture chooses for itself.

#![cfg_attr(not(target_env = "gnu"), allow(dead_code, reason = "some are for glibc alone"))]

use seccompiler::TargetArch;

/// A system call with its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its name in the kernel's headers, without `__NR_`.
    pub name: &'static str,
    /// `None` where the architecture does not have it, or has it and nobody uses it.
    pub x86_64: Option<u16>,
    /// `None` for the same reasons.
    pub aarch64: Option<u16>,
}

impl Call {
    /// The number on this architecture, if it has the call.
    ///
    /// ```
    /// use linx_netlink_port::confine::Scope;
    /// use linx_netlink_port::confine::seccomp::rules;
    /// use seccompiler::TargetArch;
    ///
    /// let mut rules = rules(&Scope::default()).into_iter();
    /// let setns = rules.find(|rule| rule.call.name == "setns").expect("it is allowed");
    /// assert_eq!(setns.call.number(TargetArch::x86_64), Some(308));
    /// assert_eq!(setns.call.number(TargetArch::aarch64), Some(268));
    /// ```
    pub fn number(self, architecture: TargetArch) -> Option<i64> {
        match architecture {
            TargetArch::x86_64 => self.x86_64.map(i64::from),
            TargetArch::aarch64 => self.aarch64.map(i64::from),
            TargetArch::riscv64 => None,
        }
    }
}

const fn on_both(name: &'static str, x86_64: u16, aarch64: u16) -> Call {
    Call { name, x86_64: Some(x86_64), aarch64: Some(aarch64) }
}

pub const BIND: Call = on_both("bind", 49, 200);
pub const BRK: Call = on_both("brk", 12, 214);
pub const CAPSET: Call = on_both("capset", 126, 91);
pub const CLOCK_GETRES: Call = on_both("clock_getres", 229, 114);
pub const CLOCK_GETTIME: Call = on_both("clock_gettime", 228, 113);
pub const CLONE3: Call = on_both("clone3", 435, 435);
pub const CLONE: Call = on_both("clone", 56, 220);
pub const CLOSE: Call = on_both("close", 3, 57);
pub const EPOLL_CTL: Call = on_both("epoll_ctl", 233, 21);
pub const EPOLL_PWAIT: Call = on_both("epoll_pwait", 281, 22);
pub const EXIT: Call = on_both("exit", 60, 93);
pub const EXIT_GROUP: Call = on_both("exit_group", 231, 94);
pub const FCNTL: Call = on_both("fcntl", 72, 25);
pub const FSTAT: Call = on_both("fstat", 5, 80);
pub const FSTATFS: Call = on_both("fstatfs", 138, 44);
pub const FUTEX: Call = on_both("futex", 202, 98);
pub const FUTEX_WAITV: Call = on_both("futex_waitv", 449, 449);
pub const GETCPU: Call = on_both("getcpu", 309, 168);
pub const GETPID: Call = on_both("getpid", 39, 172);
pub const GETPPID: Call = on_both("getppid", 110, 173);
pub const GETRANDOM: Call = on_both("getrandom", 318, 278);
pub const GETTID: Call = on_both("gettid", 186, 178);
pub const GET_MEMPOLICY: Call = on_both("get_mempolicy", 239, 236);
pub const IOCTL: Call = on_both("ioctl", 16, 29);
pub const LISTEN: Call = on_both("listen", 50, 201);
pub const MADVISE: Call = on_both("madvise", 28, 233);
pub const MBIND: Call = on_both("mbind", 237, 235);
pub const MEMBARRIER: Call = on_both("membarrier", 324, 283);
pub const MINCORE: Call = on_both("mincore", 27, 232);
pub const MLOCK: Call = on_both("mlock", 149, 228);
pub const MMAP: Call = on_both("mmap", 9, 222);
pub const MPROTECT: Call = on_both("mprotect", 10, 226);
pub const MREMAP: Call = on_both("mremap", 25, 216);
pub const MUNMAP: Call = on_both("munmap", 11, 215);
pub const NEWFSTATAT: Call = on_both("newfstatat", 262, 79);
pub const OPENAT: Call = on_both("openat", 257, 56);
pub const PIDFD_OPEN: Call = on_both("pidfd_open", 434, 434);
pub const POLL: Call = Call { name: "poll", x86_64: Some(7), aarch64: None };
pub const PPOLL: Call = Call { name: "ppoll", x86_64: None, aarch64: Some(73) };
pub const PRCTL: Call = on_both("prctl", 157, 167);
pub const PREADV2: Call = on_both("preadv2", 327, 286);
pub const PRLIMIT64: Call = on_both("prlimit64", 302, 261);
pub const READ: Call = on_both("read", 0, 63);
pub const READLINKAT: Call = on_both("readlinkat", 267, 78);
pub const RECVMSG: Call = on_both("recvmsg", 47, 212);
pub const RESTART_SYSCALL: Call = on_both("restart_syscall", 219, 128);
pub const RSEQ: Call = on_both("rseq", 334, 293);
pub const RT_SIGACTION: Call = on_both("rt_sigaction", 13, 134);
pub const RT_SIGPROCMASK: Call = on_both("rt_sigprocmask", 14, 135);
pub const SCHED_GETAFFINITY: Call = on_both("sched_getaffinity", 204, 123);
pub const SCHED_SETAFFINITY: Call = on_both("sched_setaffinity", 203, 122);
pub const SCHED_SETATTR: Call = on_both("sched_setattr", 314, 274);
pub const SCHED_YIELD: Call = on_both("sched_yield", 24, 124);
pub const SENDMSG: Call = on_both("sendmsg", 46, 211);
pub const SETNS: Call = on_both("setns", 308, 268);
pub const SETSOCKOPT: Call = on_both("setsockopt", 54, 208);
pub const SET_MEMPOLICY: Call = on_both("set_mempolicy", 238, 237);
pub const SET_MEMPOLICY_HOME_NODE: Call = on_both("set_mempolicy_home_node", 450, 450);
pub const SET_ROBUST_LIST: Call = on_both("set_robust_list", 273, 99);
pub const SIGALTSTACK: Call = on_both("sigaltstack", 131, 132);
pub const SOCKET: Call = on_both("socket", 41, 198);
pub const SOCKETPAIR: Call = on_both("socketpair", 53, 199);
pub const SYSINFO: Call = on_both("sysinfo", 99, 179);
pub const TGKILL: Call = on_both("tgkill", 234, 131);
pub const TIMER_CREATE: Call = on_both("timer_create", 222, 107);
pub const TIMER_SETTIME: Call = on_both("timer_settime", 223, 110);
pub const TKILL: Call = on_both("tkill", 200, 130);
pub const UNAME: Call = on_both("uname", 63, 160);
pub const UNSHARE: Call = on_both("unshare", 272, 97);
pub const WAIT4: Call = on_both("wait4", 61, 260);
pub const WRITE: Call = on_both("write", 1, 64);
pub const WRITEV: Call = on_both("writev", 20, 66);
