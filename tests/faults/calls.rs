//! System calls of a program that fail when a test says so: `seccomp_unotify(2)`.
//!
//! A filter is installed between fork and exec that asks the test about the calls it is after.
//! The test lets each go ahead or makes it fail, with what error number it likes.

#![allow(unsafe_code)]

use crate::program::Program;
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketFlags, SocketType,
    recvmsg, socketpair,
};
use std::io::{self, IoSliceMut};
use std::mem::{MaybeUninit, offset_of};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// A call that the program is about to make.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub number: libc::c_long,
    pub arguments: [u64; 6],
}

type Rule = Box<dyn FnMut(Call) -> Option<Errno> + Send>;

/// Decides about the calls of one program.
#[derive(Clone)]
pub struct Faults {
    rule: Arc<Mutex<Rule>>,
    failed: Arc<AtomicUsize>,
}

impl Faults {
    /// From now on, calls for which the rule has an error number fail with it.
    pub fn set(&self, rule: impl FnMut(Call) -> Option<Errno> + Send + 'static) {
        self.failed.store(0, SeqCst);
        *self.rule.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(rule);
    }

    /// From now on, no call fails.
    pub fn clear(&self) {
        self.set(|_| None);
    }

    /// How many calls have failed since the rule was set.
    pub fn failed(&self) -> usize {
        self.failed.load(SeqCst)
    }

    fn decide(&self, call: Call) -> Option<Errno> {
        let mut rule = self.rule.lock().unwrap_or_else(PoisonError::into_inner);
        let errno = rule(call);
        if errno.is_some() {
            self.failed.fetch_add(1, SeqCst);
        }
        errno
    }
}

/// Starts the program with an eye on these calls of its; none fails until a rule is set.
pub fn start_watched(calls: &[libc::c_long], arguments: &[&str]) -> (Program, Faults) {
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .expect("a socketpair");
    let filter = filter(calls);
    let faults = Faults {
        rule: Arc::new(Mutex::new(Box::new(|_| None))),
        failed: Arc::new(AtomicUsize::new(0)),
    };
    let supervisor = faults.clone();
    // The program can't say hello before somebody decides about its calls.
    thread::spawn(move || supervise(&receive(&ours), &supervisor));
    let program = Program::start_with(arguments, |command| {
        let install = move || send_listener(theirs.as_raw_fd(), install(&filter)?);
        // SAFETY: between fork and exec, `install` makes system calls and nothing else: it
        // allocates nothing and takes no lock.
        unsafe { command.pre_exec(install) };
    });
    (program, faults)
}

/// A filter that asks about these calls, and allows the others.
fn filter(calls: &[libc::c_long]) -> Vec<libc::sock_filter> {
    let statement = |code: u32, k: usize| instruction(code, k as u32, 0);
    let mut filter = vec![statement(
        libc::BPF_LD | libc::BPF_W | libc::BPF_ABS,
        offset_of!(libc::seccomp_data, nr),
    )];
    for (index, call) in calls.iter().enumerate() {
        let to_the_last = (calls.len() - index) as u8;
        let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
        filter.push(instruction(equal, *call as u32, to_the_last));
    }
    filter.push(statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW as usize));
    filter.push(statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_USER_NOTIF as usize));
    filter
}

fn instruction(code: u32, k: u32, jump_if_true: u8) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: jump_if_true, jf: 0, k }
}

/// Puts the calling process under the filter; returns the descriptor that its calls are told on.
fn install(filter: &[libc::sock_filter]) -> io::Result<RawFd> {
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    // SAFETY: the kernel reads `len` instructions from `filter`, which outlives the call.
    let listener = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const program,
        )
    };
    Errno::result(listener).map(|listener| listener as RawFd).map_err(Into::into)
}

/// Sends the descriptor with `sendmmsg(2)`, a call that no test is after.
fn send_listener(socket: RawFd, listener: RawFd) -> io::Result<()> {
    let mut byte = [0_u8];
    let mut part = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    // Aligned as a control message header is.
    let mut control = [0_u64; 4];
    // SAFETY: all-zero bytes are a message header, one without address and content.
    let mut message: libc::mmsghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_hdr.msg_iov = &raw mut part;
    message.msg_hdr.msg_iovlen = 1;
    message.msg_hdr.msg_control = control.as_mut_ptr().cast();
    // SAFETY: CMSG_SPACE and CMSG_LEN only calculate; one descriptor takes 24 of the 32 bytes.
    // The header and its data are inside `control`.
    unsafe {
        message.msg_hdr.msg_controllen = libc::CMSG_SPACE(4) as _;
        let header = libc::CMSG_FIRSTHDR(&raw const message.msg_hdr);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(4) as _;
        libc::CMSG_DATA(header).cast::<RawFd>().write_unaligned(listener);
    }
    // SAFETY: the message and all that it points to outlive the call.
    let sent = unsafe { libc::syscall(libc::SYS_sendmmsg, socket, &raw mut message, 1, 0) };
    Errno::result(sent).map(drop).map_err(Into::into)
}

fn receive(socket: &OwnedFd) -> OwnedFd {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let buffers = &mut [IoSliceMut::new(&mut byte)];
    recvmsg(socket, buffers, &mut ancillary, RecvFlags::CMSG_CLOEXEC).expect("a message");
    let listener = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    listener.expect("the program was started under the filter")
}

/// Decides about calls until the program has ended.
fn supervise(listener: &OwnedFd, faults: &Faults) {
    loop {
        let mut event = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        match poll(&mut event, PollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            Ok(_) if event[0].revents().is_some_and(|it| it.contains(PollFlags::POLLIN)) => {}
            _ => return,
        }
        // A thread that was killed in the meantime has no question and takes no answer.
        let Ok(question) = next_call(listener) else { continue };
        let call = Call { number: question.data.nr.into(), arguments: question.data.args };
        let _ = answer(listener, question.id, faults.decide(call));
    }
}

fn next_call(listener: &OwnedFd) -> Result<libc::seccomp_notif, Errno> {
    // SAFETY: all-zero bytes are a notification, and the kernel demands them.
    let mut question: libc::seccomp_notif = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: the kernel writes one notification to where `question` is.
    unsafe { notif_recv(listener.as_raw_fd(), &raw mut question) }?;
    Ok(question)
}

fn answer(listener: &OwnedFd, id: u64, errno: Option<Errno>) -> Result<(), Errno> {
    let (error, flags) = match errno {
        Some(errno) => (-(errno as i32), 0),
        None => (0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32),
    };
    let mut answer = libc::seccomp_notif_resp { id, val: 0, error, flags };
    // SAFETY: the kernel reads one answer from where `answer` is.
    unsafe { notif_send(listener.as_raw_fd(), &raw mut answer) }.map(drop)
}

nix::ioctl_readwrite!(notif_recv, b'!', 0, libc::seccomp_notif);
nix::ioctl_readwrite!(notif_send, b'!', 1, libc::seccomp_notif_resp);
