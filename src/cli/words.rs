//! What the program says to people: its help, its complaints.

/// What is written of a text that a client chose, in bytes.
const MOST_OF_A_LINE: usize = 400;

/// What `--version` prints.
pub const VERSION: &str = concat!("linx-netlink-port ", env!("CARGO_PKG_VERSION"), "\n");

/// What `--help` prints; the manual page is made of it too.
pub const HELP: &str = "\
Opens sockets in other network namespaces, makes such namespaces, and hands the descriptors to its
client, usually a BEAM that started it with Port.open.

Usage: linx-netlink-port --rendezvous PATH [OPTIONS]

Options:
  --rendezvous PATH    the unix socket (SOCK_SEQPACKET) on which the client listens; a leading @
                       means the abstract namespace
  --max-in-flight N    requests that may be in flight, from 1 to 4096; those beyond fail
                       with {thread, EAGAIN} [default: 256]
  --max-buffer BYTES   the largest rcvbuf and sndbuf; more fails with {setsockopt, EACCES}. No more
                       than the default where the program has more privileges than its caller
                       [default: 8388608]
  --netns-dir DIR      open only names directly inside DIR, none of them a symbolic link; anything
                       else fails with {open, EACCES}, and no namespace is made. May be given
                       several times
  --family FAMILY      open only sockets of this family: a name such as inet, inet6, packet, netlink
                       (or AF_INET and so on), or a number; others fail with {socket, EACCES}. May
                       be given several times
  --protocol N         of the netlink sockets, open only those of protocol N; others fail with
                       {socket, EACCES}. May be given several times
  --no-pid             open no {pid, Pid} and no path through /proc; they fail with {open, EACCES}
  --no-fd              take no namespace by a descriptor of the client's; {fd, Key} fails with
                       {open, EACCES}
  --no-netns           hand over no namespace itself, only sockets; netns fails with {open, EACCES}
  --no-new             make no namespaces; new and {new, user} fail with {unshare, EACCES}
  --no-userns          neither enter nor make user namespaces: what belongs to the user's own then
                       takes privilege, like everything else; {new, user} fails with
                       {unshare, EACCES}
  --no-ptrace          give up CAP_SYS_PTRACE, which only the namespaces of other users' processes
                       take
  --read-only          open sockets over which nothing can be changed, whoever sends; it is so in
                       any case where the program has more privileges than its caller, unless
                       he has CAP_NET_ADMIN in his inheritable set
  --no-seccomp         do not restrict system calls; for debugging, and refused where the program
                       has more privileges than its caller
  --help               print this and exit
  --version            print the version and exit

Exit status: 0 after the end of file on stdin, 1 if that came inside a frame or the system failed
the program, 2 for wrong arguments, 3 if the rendezvous can't be reached, 4 if stdin, stdout or
stderr is no pipe, file, terminal, null device or unix socket, 101 for a fault in it.
";

/// What follows a complaint about an argument.
pub const USAGE: &str = "usage: linx-netlink-port --rendezvous PATH [OPTIONS]; see --help";

/// What somebody is told who starts the program by hand.
pub const BY_HAND: &str = "\
linx-netlink-port opens sockets in other network namespaces, for a program that starts it.
Usage: linx-netlink-port --rendezvous PATH [OPTIONS], with pipes as stdin and stdout; see --help.
Run linx-netlink-repl to try it by hand.
";

/// What somebody is told who would take a restriction off a program that can do more than he can.
pub const WIDENS: &str = "\
linx-netlink-port: --no-seccomp, and a --max-buffer over 8388608, are refused, since the program has \
more privileges than its caller; leave them out, or take a copy without file capabilities
";

/// One line of what may hold anything that the client chose, such as an argument: without characters
/// that would do something to a terminal or to the line, and not much longer than a line.
///
/// ```
/// use linx_netlink_port::cli::line;
///
/// assert_eq!(line("unknown argument --café"), "unknown argument --café");
/// assert_eq!(line("\u{1b}[2J\n\u{202e}"), r"\u{1b}[2J\n\u{202e}");
/// assert!(line(&"x".repeat(100_000)).len() < 500);
/// ```
pub fn line(text: &str) -> String {
    let mut line = String::new();
    for character in text.chars() {
        if line.len() > MOST_OF_A_LINE {
            line.push_str("...");
            break;
        }
        match character {
            '"' | '\'' | '\\' => line.push(character),
            _ => line.extend(character.escape_debug()),
        }
    }
    line
}
