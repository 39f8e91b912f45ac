//! `:watch`, on a terminal.

use std::sync::mpsc::{TryRecvError, channel};

use nix::sys::signal::{Signal, kill};

use crate::support::{Namespace, stop};
use crate::terminal::{CTRL_C, PROMPT, Terminal};

fn session() -> Terminal {
    let mut terminal = Terminal::new(&[]);
    terminal.expect(PROMPT);
    terminal
}

#[test]
fn events_of_other_namespaces_come_with_their_nsid() {
    let (own, other) = (Namespace::new(), Namespace::new());
    own.ip(&["netns", "set", &other.name, "7"]);
    let mut terminal = session();
    let request = "{open_in_netns, <<\"PATH\">>, 0, #{listen_all_nsid => true}}";
    terminal.line(&request.replace("PATH", &own.path()));
    terminal.keys(":watch 1 3600\r");
    terminal.expect("Ctrl-C ends it\n");
    other.ip(&["link", "add", "there0", "type", "veth", "peer", "name", "there1"]);
    own.ip(&["link", "add", "here0", "type", "veth", "peer", "name", "here1"]);
    let mut seen = terminal.expect(": here0, ");
    terminal.keys(CTRL_C);
    seen += ": here0, ";
    seen += &terminal.expect(&format!("\n{PROMPT}"));
    for name in ["there0", "there1", "here0", "here1"] {
        let of_it: Vec<&str> =
            seen.lines().filter(|line| line.contains(&format!(": {name}, "))).collect();
        assert!(!of_it.is_empty(), "{name}: {seen}");
        for line in of_it {
            assert_eq!(line.starts_with("nsid 7: + "), name.starts_with("there"), "{line}");
            assert_eq!(line.starts_with("+ "), name.starts_with("here"), "{line}");
        }
    }
}

#[test]
fn lost_events_are_told_and_the_watch_goes_on() {
    let namespace = Namespace::new();
    let mut terminal = session();
    let request = "{open_in_netns, <<\"PATH\">>, 0, #{rcvbuf => 1}}";
    terminal.line(&request.replace("PATH", &namespace.path()));
    terminal.keys(":watch 1 3600\r");
    terminal.expect("Ctrl-C ends it\n");
    stop(terminal.pid());
    for _ in 0..10 {
        namespace.ip(&["link", "set", "lo", "up"]);
        namespace.ip(&["link", "set", "lo", "down"]);
    }
    kill(terminal.pid(), Signal::SIGCONT).unwrap();
    terminal.expect("events were lost: the socket's buffer was full (ENOBUFS)\n");
    // Until the buffer is empty, the kernel drops what comes: one event alone could be among that.
    let (seen, unseen) = channel::<()>();
    let network = &namespace;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for mtu in (1400..1500).cycle() {
                network.ip(&["link", "set", "lo", "mtu", &mtu.to_string()]);
                if unseen.try_recv() == Err(TryRecvError::Disconnected) {
                    break;
                }
            }
        });
        let seen = seen;
        terminal.expect(", mtu 14");
        drop(seen);
    });
    terminal.keys(CTRL_C);
    terminal.expect(&format!("\n{PROMPT}"));
    // Nor does it keep anybody from asking.
    assert!(terminal.line(":links 1").contains(", mtu 14"));
}
