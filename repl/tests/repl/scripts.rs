//! Without a terminal.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::built::port_program;
use crate::support::{Directory, Namespace, await_death, copy_program, piped, repl, run, script};

#[test]
fn answers_and_nothing_else() {
    let namespace = Namespace::new();
    let input = format!("% a comment\n\n{{open_in_netns, <<\"{}\">>, 0}}\n", namespace.path());
    let (status, stdout, stderr) = script(&[], &input);
    let socket = format!("#1: netlink route, {}, port id 0, not bound", namespace.inode());
    assert_eq!((status, stdout, stderr), (Some(0), format!("{{1,ok}}\n{socket}\n"), String::new()));
}

#[test]
fn single_terms() {
    let terms = ["-e", "{41, info}", "-e", "{:open_in_netns, \"/nowhere\", 0}"];
    let (status, stdout, stderr) = script(&terms, "this is not read");
    let answers: Vec<&str> = stdout.lines().collect();
    assert!(answers[0].starts_with("{41,{ok,#{capabilities => ["), "{stdout}");
    assert_eq!(answers[1..], ["{1, {:error, {:open, 2}}}"]);
    assert_eq!((status, stderr.as_str()), (Some(1), ""));
}

#[test]
fn the_first_error_ends_it() {
    let lines = "{a, 1\n{open_in_netns, <<\"/nowhere\">>, 0}\n{7,info}\n";
    let (status, stdout, stderr) = script(&[], lines);
    assert_eq!((status, stdout.as_str()), (Some(1), ""));
    assert_eq!(stderr, "{a, 1\n     ^\ncolumn 6: `,` or `}` is expected here\n");

    let (status, stdout, _) = script(&[], lines.split_once('\n').unwrap().1);
    assert_eq!((status, stdout.as_str()), (Some(1), "{1,{error,{open,2}}}\n"));
}

#[test]
fn unless_it_is_told_to_keep_going() {
    let lines = "{a, 1\n{open_in_netns, <<\"/nowhere\">>, 0}\n:nonsense\n:close 9\n{7,nonsense}\n";
    let (status, stdout, stderr) = script(&["--keep-going"], lines);
    let answers: Vec<&str> = stdout.lines().collect();
    assert_eq!(answers[0], "{1,{error,{open,2}}}");
    assert!(answers[1].starts_with("{7,{error,{badarg,<<\""), "{stdout}");
    assert_eq!((status, answers.len()), (Some(1), 2));
    for part in ["column 6", "column 1: :nonsense is no command", "there is no #9"] {
        assert!(stderr.contains(part), "{stderr}");
    }
    assert_eq!(script(&["--keep-going"], "{7,info}\n:quit\n{a, 1\n").0, Some(0));
}

#[test]
fn a_command_without_its_colon_is_told_so() {
    for (line, name) in [("help", ":help"), ("close 1", ":close"), ("quit", ":quit")] {
        let (status, stdout, stderr) = script(&["-e", line], "");
        assert_eq!((status, stdout.as_str()), (Some(1), ""), "{line}");
        assert!(stderr.ends_with(&format!("column 1: the command is {name}\n")), "{stderr}");
    }
}

#[test]
fn many_at_once() {
    let (one, two) = (Namespace::new(), Namespace::new());
    let request = format!(
        "{{open_many, [{{<<\"{}\">>, 0}}, {{<<\"/nowhere\">>, 0}}, {{\"{}\", 16, #{{groups => 1}}}}]}}",
        one.path(),
        two.path()
    );
    let (status, stdout, _) = script(&["-e", &request, "-e", ":close #1", "-e", ":fds"], "");
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines[0], "{1,{ok,[ok,{error,{open,2}},ok]}}");
    assert_eq!(lines[1], format!("#1: netlink route, {}, port id 0, not bound", one.inode()));
    assert!(lines[2].starts_with(&format!("#2: netlink generic, {}, port id ", two.inode())));
    assert!(lines[2].ends_with(", bound, groups 1"), "{stdout}");
    assert_eq!((status, &lines[3..]), (Some(0), &lines[2..3]));
}

#[test]
fn frames_that_no_client_would_send() {
    let (status, stdout, _) = script(&["--keep-going"], ":send 83 ff\n:send\n:send 836a00\ninfo\n");
    let answers: Vec<&str> = stdout.lines().collect();
    assert_eq!(answers[0], "{protocol_error,bad_tag}");
    assert_eq!(answers[1], "{protocol_error,truncated_term}");
    assert_eq!(answers[2], "{protocol_error,trailing_bytes}");
    assert!(answers[3].starts_with("{1,{ok,"), "{stdout}");
    assert_eq!(status, Some(1));
}

#[test]
fn frames_are_shown_byte_by_byte() {
    let (_, stdout, _) =
        script([":hex on", "{9, {a, -1}}"].map(|line| ["-e", line]).as_flattened(), "");
    let sent = "to the port program:\n  \
                0000  00 00 00 0f              length 15\n  \
                0004  83                       version 131\n  \
                0005  68 02                    SMALL_TUPLE, 2 elements\n  \
                0007  61 09                      SMALL_INTEGER 9\n  \
                0009  68 02                      SMALL_TUPLE, 2 elements\n  \
                000b  77 01                        SMALL_ATOM_UTF8, 1 byte\n  \
                000d  61                             |a|\n  \
                000e  62 ff ff ff ff               INTEGER -1\n\
                from the port program:\n  0000  00 00 00 ";
    assert!(stdout.starts_with(sent), "{stdout}");
    assert!(
        stdout.contains("SMALL_ATOM_UTF8, 6 bytes\n") && stdout.contains("|badarg|"),
        "{stdout}"
    );
}

#[test]
fn links_and_addresses_prove_where_a_socket_is() {
    let namespace = Namespace::new();
    namespace.ip(&["link", "add", "probe0", "type", "veth", "peer", "name", "probe1"]);
    namespace.ip(&["addr", "add", "192.0.2.7/24", "dev", "probe0"]);
    let open = format!("{{open_in_netns, <<\"{}\">>, 0}}", namespace.path());
    let generic = format!("{{open_in_netns, <<\"{}\">>, 16}}", namespace.path());
    let lines = [&open, ":links 1", ":addrs 1", &generic, ":links 2"].map(|line| ["-e", line]);
    let (status, stdout, stderr) = script(lines.as_flattened(), "");
    assert!(stdout.contains(": probe0, down, mtu 1500, "), "{stdout}");
    assert!(stdout.contains(": probe1, down, mtu 1500, "), "{stdout}");
    assert!(stdout.contains(": probe0, 192.0.2.7/24\n"), "{stdout}");
    assert_eq!(status, Some(1));
    assert!(stderr.starts_with("#2 is no netlink route socket: netlink generic, "), "{stderr}");
}

#[test]
fn what_there_is_to_open() {
    let namespace = Namespace::new();
    let mut process = Command::new("unshare").args(["--net", "sleep", "1000"]).spawn().unwrap();
    let inode = || {
        let link = std::fs::read_link(format!("/proc/{}/ns/net", process.id())).unwrap();
        link.into_os_string().into_string().unwrap()
    };
    let own =
        std::fs::read_link("/proc/self/ns/net").unwrap().into_os_string().into_string().unwrap();
    // It is there once the process has left the namespace that it was born in.
    let deadline = std::time::Instant::now() + crate::support::BOUND;
    while inode() == own {
        assert!(std::time::Instant::now() < deadline);
        std::thread::yield_now();
    }
    let (_, erlang, _) = script(&["-e", ":netns"], "");
    let (_, elixir, _) = script(&["-e", "{:ok, 1}", "-e", ":netns", "--keep-going"], "");
    let (pid, inode) = (process.id(), inode());
    process.kill().unwrap();
    process.wait().unwrap();
    let named = format!("{}  {}\n", namespace.inode(), namespace.path());
    assert!(erlang.contains(&named), "{erlang}");
    assert!(erlang.contains(&format!("{inode}  {{pid,{pid}}} ")), "{erlang}");
    assert!(elixir.contains(&format!("{inode}  {{:pid, {pid}}} ")), "{elixir}");
}

#[test]
fn no_colours_in_a_pipe() {
    let (_, stdout, stderr) = script(&["--keep-going"], "info\n{a\n:help\n");
    assert!(!stdout.contains('\x1b') && !stderr.contains('\x1b'), "{stdout}{stderr}");
}

#[test]
fn the_port_programs_own_arguments() {
    let arguments = ["-e", "info", "--", "--max-in-flight", "7"];
    let (status, stdout, _) = script(&arguments, "");
    assert!(stdout.contains("max_in_flight => 7,"), "{stdout}");
    assert_eq!(status, Some(0));

    let (status, stdout, stderr) = script(&["-e", "info", "--", "--nonsense"], "");
    assert_eq!((status, stdout.as_str()), (Some(1), ""));
    assert!(stderr.contains("the port program does not start: "), "{stderr}");
    assert!(stderr.contains("exit status: 2"), "{stderr}");
}

#[test]
fn another_executable_and_a_launcher() {
    let directory = Directory::new();
    let copy = directory.path().join("another name");
    copy_program(port_program(), &copy);
    let copy = copy.to_str().unwrap();
    let launcher = "env LINX_NETLINK_TEST=1 nice -n 5";
    let arguments = ["--executable", copy, "--launcher", launcher, "-e", "info"];
    let (status, stdout, stderr) = script(&arguments, "");
    assert!(stdout.starts_with("{1,{ok,"), "{stdout}{stderr}");
    assert_eq!(status, Some(0));

    let (status, _, stderr) = script(&["--executable", "/nowhere", "-e", "info"], "");
    assert_eq!(status, Some(1));
    assert!(stderr.starts_with("the port program does not start: "), "{stderr}");
}

#[test]
fn a_user_without_privileges_sees_the_cookie() {
    let namespace = Namespace::new();
    // A port program that may enter namespaces, and a REPL that may do nothing.
    let directory = Directory::new();
    let program = directory.path().join("linx-netlink-port");
    copy_program(port_program(), &program);
    let program = program.to_str().unwrap();
    run("setcap", &["cap_sys_admin,cap_net_admin+ep", program]);
    let unprivileged = directory.path().join("repl");
    copy_program(repl(), &unprivileged);
    for (path, mode) in
        [(directory.path(), 0o755), (program.as_ref(), 0o755), (&unprivileged, 0o755)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let open = format!("{{open_in_netns, <<\"{}\">>, 0}}", namespace.path());
    let output = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(&unprivileged)
        .args(["--executable", program, "-e", &open, "-e", ":links 1"])
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stdout.starts_with("{1,ok}\n#1: netlink route, namespace cookie "), "{stdout}{stderr}");
    assert!(stdout.contains("\n1: lo, down, loopback, "), "{stdout}{stderr}");
}

#[test]
fn the_port_programs_death_is_an_error() {
    for keep_going in [false, true] {
        let mut repl = piped(keep_going.then_some("--keep-going").as_slice());
        let mut stdin = repl.stdin.take().unwrap();
        let mut stdout = BufReader::new(repl.stdout.take().unwrap());
        stdin.write_all(b"info\n").unwrap();
        let mut answer = String::new();
        stdout.read_line(&mut answer).unwrap();
        let (_, rest) = answer.split_once("os_pid => ").unwrap();
        let pid = Pid::from_raw(rest.split(',').next().unwrap().parse().unwrap());
        kill(pid, Signal::SIGTERM).unwrap();
        await_death(pid);
        // Without --keep-going, nobody may read the second line any more.
        let _ = stdin.write_all(b"info\n{9,info}\n");
        drop(stdin);
        let output = repl.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        let expected = "the port program was killed by signal 15 (SIGTERM); starting a new one\n";
        assert_eq!((output.status.code(), stderr.as_str()), (Some(1), expected));
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest.starts_with("{2,{ok,") && rest.contains("\n{9,{ok,"), keep_going, "{rest}");
    }
}

#[test]
fn wrong_arguments() {
    let (status, _, stderr) = script(&["--timeout", "0", "-e", "info"], "");
    assert_eq!(status, Some(2));
    assert!(stderr.contains("a number of seconds above 0 is expected"), "{stderr}");
    assert_eq!(script(&["--nonsense"], "").0, Some(2));
}

#[test]
fn completion_knows_every_argument() {
    let complete = |shell| {
        let output = Command::new(repl()).args(["--completion", shell]).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty());
        String::from_utf8(output.stdout).unwrap()
    };
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = complete(shell);
        for argument in ["executable", "launcher", "keep-going", "timeout", "completion"] {
            assert!(script.contains(argument), "{shell}: {argument}");
        }
    }
    let mut bash = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().unwrap();
    bash.stdin.take().unwrap().write_all(complete("bash").as_bytes()).unwrap();
    assert!(bash.wait().unwrap().success());
}
