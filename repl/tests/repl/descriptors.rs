//! Descriptors of every kind, and namespaces that are made.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::built::port_program;
use crate::support::{Directory, Namespace, copy_program, repl, script};

/// A user other than root, who has no name.
const USER: &str = "61917";

/// Runs lines without a terminal: stdout's lines, and stderr.
fn lines(lines: &[&str]) -> (Vec<String>, String) {
    let arguments: Vec<&str> = lines.iter().flat_map(|line| ["-e", line]).collect();
    let (_, stdout, stderr) = script(&[&["--keep-going"], &arguments[..]].concat(), "");
    (stdout.lines().map(str::to_owned).collect(), stderr)
}

/// What is said of the descriptors that came, by their numbers from 1.
fn shown(lines: &[String]) -> Vec<&str> {
    let shown = lines.iter().filter_map(|line| line.strip_prefix('#')?.split_once(": "));
    shown.map(|(_, what)| what).collect()
}

#[test]
fn every_kind_is_shown_as_what_it_is() {
    let namespace = Namespace::new();
    namespace.ip(&["link", "set", "lo", "up"]);
    let (path, inode) = (namespace.path(), namespace.inode());
    let erlang = |what: &str| format!("{{open_in_netns,<<\"{path}\">>,{what}}}");
    let elixir = |what: &str| format!("{{:open_in_netns, \"{path}\", {what}}}");
    let requests = [
        erlang("{2,2,17},#{bind => <<2:16/native,5353:16,127,0,0,1,0:64>>}"),
        elixir("{2, 1, 6}, %{bind: <<2::native-16, 80::16, 0::96>>, listen: 8}"),
        erlang("{10,2,17}"),
        elixir("{2, 3, 1}, %{bindtodevice: \"lo\"}"),
        elixir("{10, 3, 58}, %{bind: <<10::native-16, 0::48, 1::128, 0::32>>}"),
        erlang("{17,3,768}"),
        elixir("{17, 2, 8}, %{bind: <<17::native-16, 0x0800::16, 1::native-32, 0::96>>}"),
        elixir(":netns"),
        erlang("{16,3,4}"),
    ];
    let requests: Vec<&str> = requests.iter().map(String::as_str).collect();
    let (stdout, stderr) = lines(&requests);
    assert_eq!(stderr, "");
    let expected = [
        "udp 127.0.0.1:5353, NET",
        "tcp 0.0.0.0:80, listening, NET",
        "udp6, not bound, NET",
        "inet raw icmp, not bound, device lo, NET",
        "inet6 raw icmpv6 ::1, NET",
        "packet raw, protocol 0x0003, NET",
        "packet dgram, protocol 0x0800, interface 1, NET",
        "the namespace NET",
        "netlink sock_diag, NET, port id 0, not bound",
    ];
    assert_eq!(shown(&stdout), expected.map(|what| what.replace("NET", &inode)));
}

#[test]
fn one_that_is_held_is_named_by_its_number() {
    let namespace = Namespace::new();
    let (stdout, stderr) = lines(&[
        &format!("{{open_in_netns,<<\"{}\">>,netns}}", namespace.path()),
        "{open_in_netns,{fd,\"#1\"},0}",
        ":restart",
        "{:open_many, [{{:fd, \"#1\"}, 0}, {{:fd, \"#1\"}, :netns}, {{:fd, \"#2\"}, 0}]}",
        ":close 1",
        "{9,{open_in_netns,{fd,<<\"#4\">>},{2,2,17}}}",
    ]);
    assert_eq!(stderr, "");
    let answers: Vec<&String> = stdout.iter().filter(|line| !line.starts_with('#')).collect();
    // A socket is no namespace.
    let expected = ["{1,ok}", "{2,ok}", "{3, {:ok, [:ok, :ok, {:error, {:setns, 22}}]}}", "{9,ok}"];
    assert_eq!(answers, expected);
    let inode = namespace.inode();
    let (named, socket) = (format!("the namespace {inode}"), format!("netlink route, {inode}"));
    let shown = shown(&stdout);
    assert_eq!(shown.len(), 5);
    for (what, begin) in shown.iter().zip([&named, &socket, &socket, &named, "udp, not bound, "]) {
        assert!(what.starts_with(begin) && what.contains(&inode), "{what}");
    }
}

#[test]
fn one_that_is_not_there_is_no_request() {
    let (stdout, stderr) = lines(&["{open_in_netns,{fd,\"#7\"},0}", "{1,info}"]);
    assert_eq!(stderr, "there is no #7; :fds shows what there is\n");
    assert!(stdout.len() == 1 && stdout[0].starts_with("{1,{ok,"), "{stdout:?}");
}

#[test]
fn as_many_are_named_as_the_port_program_keeps() {
    let many = |count: usize| {
        let entries = vec!["{{fd,\"#1\"},netns}"; count].join(",");
        format!("{{open_many,[{entries}]}}")
    };
    let (stdout, stderr) = lines(&["{open_in_netns,new,netns}", &many(64), &many(65)]);
    assert_eq!(stderr, "the port program keeps 64 descriptors, and this names 65\n");
    assert_eq!(shown(&stdout).len(), 65, "{stdout:?}");
}

#[test]
fn a_descriptor_is_seen_on_its_way() {
    let (stdout, _) =
        lines(&["{open_in_netns,new,netns}", ":hex on", "{9,{open_in_netns,{fd,\"#1\"},netns}}"]);
    let at = stdout.iter().position(|line| line == "on the pair, with #1:").unwrap();
    let there = stdout[at..].join("\n");
    let sent = "on the pair, with #1:\n  \
                0000  83                       version 131\n  \
                0001  61 01                    SMALL_INTEGER 1\n\
                to the port program:\n";
    assert!(there.starts_with(sent), "{there}");
    // In the request, it is the key.
    let (_, request) = there.split_once("|fd|\n").unwrap();
    assert!(request.lines().next().unwrap().ends_with("SMALL_INTEGER 1"), "{there}");
}

#[test]
fn what_works_on_route_sockets_says_what_it_was_given() {
    let (stdout, stderr) = lines(&[
        "{open_in_netns,new,netns}",
        "{open_in_netns,{fd,\"#1\"},{2,2,17}}",
        ":links 1",
        ":addrs 2",
        ":watch 1 0",
        "{:open_in_netns, {:fd, \"#1\"}, 0}",
        ":watch 1 0",
        ":links 3",
    ]);
    let inode = shown(&stdout)[0].strip_prefix("the namespace ").unwrap();
    let namespace = format!("#1 is no netlink route socket: the namespace {inode}; ");
    let expected = [
        format!("{namespace}{{open_in_netns, {{fd, \"#1\"}}, 0}} opens one there"),
        format!("#2 is no netlink route socket: udp, not bound, {inode}"),
        format!("{namespace}{{open_in_netns, {{fd, \"#1\"}}, 0}} opens one there"),
        format!("{namespace}{{:open_in_netns, {{:fd, \"#1\"}}, 0}} opens one there"),
    ];
    assert_eq!(stderr.lines().collect::<Vec<_>>(), expected);
    assert!(stdout.last().unwrap().starts_with("1: lo, down, "), "{stdout:?}");
}

/// What is shown of namespaces that were made, and of a socket in the first of them.
fn made_ones(stdout: &[String]) {
    let shown = shown(stdout);
    let [first, second, third, socket] = shown[..] else { panic!("{stdout:?}") };
    let inodes: Vec<&str> = [first, second, third]
        .map(|what| what.strip_prefix("the namespace ").expect("a namespace"))
        .into();
    let own = std::fs::read_link("/proc/self/ns/net").unwrap();
    assert!(!inodes.contains(&own.to_str().unwrap()));
    assert!(inodes[0] != inodes[1] && inodes[1] != inodes[2] && inodes[0] != inodes[2]);
    assert_eq!(socket, format!("netlink route, {}, port id 0, not bound", inodes[0]));
    assert!(stdout.last().unwrap().starts_with("1: lo, down, loopback, "), "{stdout:?}");
}

const MAKING: [&str; 4] = [
    "{open_many,[{new,netns},{{new,user},netns}]}",
    "{:open_in_netns, :new, :netns}",
    "{:open_in_netns, {:fd, \"#1\"}, 0}",
    ":links 4",
];

#[test]
fn namespaces_are_made() {
    let (stdout, stderr) = lines(&MAKING);
    assert_eq!(stderr, "");
    made_ones(&stdout);
}

#[test]
fn an_ordinary_user_makes_namespaces_and_sees_what_they_are() {
    let directory = Directory::new();
    let copy = |from: &str, name: &str| -> PathBuf {
        let to = directory.path().join(name);
        copy_program(from, &to);
        std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o755)).unwrap();
        to
    };
    copy(port_program().to_str().unwrap(), "linx-netlink-port");
    let unprivileged = copy(repl(), "repl");
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let Output { stdout, stderr, .. } = Command::new("setpriv")
        .args(["--reuid", USER, "--regid", USER, "--clear-groups", "--bounding-set", "-all"])
        .arg(unprivileged)
        .args(MAKING.iter().flat_map(|line| ["-e", line]))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&stderr), "");
    let stdout = String::from_utf8(stdout).unwrap();
    made_ones(&stdout.lines().map(str::to_owned).collect::<Vec<_>>());
}
