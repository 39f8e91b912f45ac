//! On a terminal.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Directory, Namespace, await_death, stop, unique};
use crate::terminal::{CTRL_C, CTRL_D, PROMPT, Terminal, UP};

/// A session that has come to its first prompt, and the port program's process.
fn begin(terminal: &mut Terminal) -> Pid {
    terminal.expect("os_pid => ");
    let pid = terminal.expect(",");
    terminal.expect(PROMPT);
    Pid::from_raw(pid.parse().unwrap())
}

fn session() -> (Terminal, Pid) {
    let mut terminal = Terminal::new(&[]);
    let pid = begin(&mut terminal);
    (terminal, pid)
}

#[test]
fn a_session_from_beginning_to_end() {
    let namespace = Namespace::new();
    namespace.ip(&["link", "add", "probe0", "type", "veth", "peer", "name", "probe1"]);
    let (mut terminal, _) = session();

    let answer = terminal.line(&format!("{{open_in_netns, <<\"{}\">>, 0}}", namespace.path()));
    let (first, second) = answer.split_once('\n').unwrap();
    assert!(first.starts_with("{1,ok}  ") && first.ends_with('s'), "{answer}");
    assert_eq!(second, format!("#1: netlink route, {}, port id 0, not bound", namespace.inode()));

    let request = "{:open_in_netns, \"PATH\", 0, %{groups: 1}}";
    let answer = terminal.line(&request.replace("PATH", &namespace.path()));
    assert!(answer.starts_with("{2, :ok}  "), "{answer}");
    assert!(answer.ends_with(", bound, groups 1"), "{answer}");

    assert!(terminal.line(":links 1").contains(": probe0, down, mtu 1500"));
    assert!(terminal.line(":info").starts_with("{3, {:ok, %{capabilities: ["));
    let answer = terminal.line("{:open_in_netns, \"/nowhere\", 0}");
    assert!(answer.contains("{4, {:error, {:open, 2}}}  "), "{answer}");
    assert!(answer.ends_with("\n  open: ENOENT, No such file or directory"), "{answer}");

    assert_eq!(terminal.line(":close 1"), "");
    assert!(terminal.line(":fds").starts_with("#2: netlink route, "));
    assert!(terminal.line(":help").contains(":watch N SECONDS"));
    terminal.keys(CTRL_D);
    let (status, _) = terminal.end();
    assert!(status.success());
}

#[test]
fn a_fault_points_at_its_column() {
    let (mut terminal, _) = session();
    let answer = terminal.line("{open_in_netns, <<300>>, 0}");
    assert_eq!(
        answer,
        "{open_in_netns, <<300>>, 0}\n                  ^\n\
         column 19: a byte is 0 to 255; a wider integer takes a size"
    );
}

#[test]
fn ctrl_c_drops_the_line() {
    let (mut terminal, _) = session();
    terminal.keys("{this is not");
    terminal.expect("{this is not");
    terminal.keys(CTRL_C);
    terminal.expect(PROMPT);
    assert!(terminal.line("{5,info}").starts_with("{5,{ok,"));
    assert!(terminal.line(":quit-not").contains("column 1"));
    terminal.keys(":quit\r");
    assert!(terminal.end().0.success());
}

#[test]
fn the_history_is_kept_in_the_users_state_directory() {
    use std::os::unix::fs::PermissionsExt;
    let state = Directory::new();
    let mut terminal = Terminal::with(&[], state.path(), &[]);
    begin(&mut terminal);
    terminal.line("{77,info}");
    terminal.line(" {78,info}");
    terminal.keys(CTRL_D);
    terminal.end();

    let directory = state.path().join("linx-netlink-port");
    let history = std::fs::read_to_string(directory.join("history")).unwrap();
    assert!(history.contains("{77,info}"), "{history}");
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o77;
    assert_eq!((mode(&directory), mode(&directory.join("history"))), (0, 0));

    let mut terminal = Terminal::with(&[], state.path(), &[]);
    begin(&mut terminal);
    terminal.keys(UP);
    terminal.expect("{77,info}");
    terminal.keys("\r");
    terminal.expect("{77,{ok,");
}

#[test]
fn without_a_state_directory_it_is_below_home() {
    let home = Directory::new();
    let nowhere = [("XDG_STATE_HOME", ""), ("HOME", home.path().to_str().unwrap())];
    let mut terminal = Terminal::with(&[], home.path(), &nowhere);
    begin(&mut terminal);
    terminal.line("{77,info}");
    assert!(home.path().join(".local/state/linx-netlink-port/history").is_file());
}

#[test]
fn tab_completes_commands_namespaces_and_paths() {
    // No other name begins like this one.
    let namespace = Namespace::named(format!("{}-tab", unique("ns")));
    let (mut terminal, _) = session();
    terminal.keys(":wat\t");
    terminal.expect(":watch");
    terminal.keys(CTRL_C);
    terminal.expect(PROMPT);

    let begin = namespace.name.strip_suffix("ab").unwrap();
    terminal.keys(&format!("{{open_in_n\t, <<\"{begin}\t\">>, 0}}"));
    terminal.expect(&format!("{{open_in_netns, <<\"{}\">>, 0}}", namespace.path()));
    terminal.keys("\r");
    terminal.expect("{1,ok}");
    terminal.expect(PROMPT);

    terminal.keys("{:open_in_netns, \"/proc/self/ns/ne\t\", 0}");
    terminal.expect("\"/proc/self/ns/net\", 0}");
    terminal.keys("\r");
    terminal.expect("{2, :ok}");
}

#[test]
fn link_events_are_shown_as_they_come() {
    let namespace = Namespace::new();
    let (mut terminal, pid) = session();
    terminal.line(&format!("{{open_in_netns, <<\"{}\">>, 0}}", namespace.path()));
    terminal.keys(":watch 1 3600\r");
    terminal.expect("Ctrl-C ends it");
    namespace.ip(&["link", "add", "probe0", "type", "veth", "peer", "name", "probe1"]);
    terminal.expect(": probe1, ");
    terminal.expect("+ ");
    terminal.expect(": probe0, ");
    namespace.ip(&["link", "del", "probe0"]);
    terminal.expect("- ");
    terminal.keys(CTRL_C);
    terminal.expect(&format!("\n{PROMPT}"));

    // The group is left again, and Ctrl-C has ended nothing else.
    assert!(terminal.line(":fds").ends_with(", bound"));
    assert!(terminal.line("info").contains(&format!("os_pid => {pid},")));
    assert_eq!(terminal.line(":watch 1 0").lines().count(), 1);
}

#[test]
fn ctrl_c_ends_the_wait_and_the_answer_comes_late() {
    let (mut terminal, pid) = session();
    stop(pid);
    terminal.keys("{31,info}\r");
    terminal.expect("{31,info}");
    terminal.expect("\n");
    terminal.keys(CTRL_C);
    terminal.expect("no longer waiting; the answer is shown if it still comes");
    terminal.expect(PROMPT);
    kill(pid, Signal::SIGCONT).unwrap();
    let answer = terminal.line("{32,info}");
    assert!(answer.starts_with("{31,{ok,") && answer.contains("  late\n{32,{ok,"), "{answer}");
    assert!(answer.contains(&format!("os_pid => {pid},")));
}

#[test]
fn an_answer_may_take_too_long() {
    let mut terminal = Terminal::new(&["--timeout", "0.2"]);
    let pid = begin(&mut terminal);
    stop(pid);
    assert!(terminal.line("{31,info}").starts_with("no answer in 200ms"));
    kill(pid, Signal::SIGCONT).unwrap();
}

#[test]
fn a_port_program_that_dies_is_mourned_and_replaced() {
    let namespace = Namespace::new();
    let (mut terminal, pid) = session();
    terminal.line(&format!("{{open_in_netns, <<\"{}\">>, 0}}", namespace.path()));
    kill(pid, Signal::SIGKILL).unwrap();
    await_death(pid);
    terminal.keys("info\r");
    terminal.expect("the port program was killed by signal 9 (SIGKILL); starting a new one");
    terminal.expect("{2,{ok,");
    terminal.expect("os_pid => ");
    let new = terminal.expect(",");
    terminal.expect(PROMPT);
    assert_ne!(new, pid.to_string());
    // What it had handed over is the REPL's, and still works.
    assert!(terminal.line(":links 1").contains("1: lo, "));

    // In the middle of a request, too.
    let new = Pid::from_raw(new.parse().unwrap());
    stop(new);
    terminal.keys("{50,info}\r");
    terminal.expect("{50,info}");
    terminal.expect("\n");
    kill(new, Signal::SIGKILL).unwrap();
    terminal.expect("the port program was killed by signal 9 (SIGKILL); starting a new one");
    terminal.expect(PROMPT);
    assert!(terminal.line("{51,info}").starts_with("{51,{ok,"));
}

#[test]
fn restarting_keeps_the_descriptors() {
    let (mut terminal, pid) = session();
    terminal.line("{open_in_netns, <<\"/proc/self/ns/net\">>, 0}");
    let hello = terminal.line(":restart");
    assert!(hello.starts_with("{hello,#{"), "{hello}");
    assert!(!hello.contains(&format!("os_pid => {pid},")), "{hello}");
    assert!(kill(pid, None).is_err());
    assert!(terminal.line(":fds").starts_with("#1: netlink route, "));
    assert!(terminal.line("{open_in_netns, <<\"/proc/self/ns/net\">>, 0}").contains("\n#2: "));
}

#[test]
fn colours_unless_nobody_wants_them() {
    let state = Directory::new();
    let mut terminal = Terminal::with(&[], state.path(), &[]);
    begin(&mut terminal);
    terminal.line("{a");
    terminal.line("{1,info}");
    assert!(terminal.raw().contains("\x1b[31m") && terminal.raw().contains("\x1b[1m{1,"));

    let mut terminal = Terminal::with(&[], state.path(), &[("NO_COLOR", "1")]);
    begin(&mut terminal);
    terminal.line("{a");
    terminal.line("{1,info}");
    let raw = terminal.raw();
    let coloured = raw.split("\x1b[").skip(1).any(|rest| {
        let end = rest.find(|c| matches!(c, '@'..='~')).unwrap_or(0);
        rest[end..].starts_with('m')
    });
    assert!(!coloured, "{raw:?}");
}
