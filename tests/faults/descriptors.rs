//! The program can have no more descriptors: a clear error, and nothing is lost or mixed up.

use crate::program::{Answer, Program, Rest, error, open, open_many, open_pid};
use crate::scene::{Namespace, cookie};
use nix::errno::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, prlimit, setrlimit};
use std::collections::HashMap;
use std::os::unix::process::CommandExt;
use std::path::Path;

/// A program that may open so many more descriptors.
fn start_with_room(room: usize) -> (Program, Rest) {
    let mut program = Program::start();
    let rest = program.rest();
    leave_room(&program, room);
    (program, rest)
}

/// Lets the program open so many more descriptors. The limit is one of their numbers, and some
/// below it may be free.
fn leave_room(program: &Program, room: usize) {
    let taken = program.watch().descriptor_numbers();
    let is_free = |number: &u64| !taken.contains(number);
    let limit = (0..).filter(is_free).nth(room).expect("an unlimited range");
    limit_descriptors(program, limit);
}

fn limit_descriptors(program: &Program, limit: u64) {
    let pid = program.pid();
    // The hard limit is as it was, and the program looks at it no more.
    let maximum = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit { current: Some(limit), maximum };
    prlimit(Some(pid), Resource::Nofile, limit).expect("its own user may do it");
}

#[test]
fn each_stage_says_that_there_is_no_descriptor() {
    let namespace = Namespace::new();
    let full = error("open", Errno::EMFILE);
    // Without any, the file is not found.
    let (mut program, _) = start_with_room(0);
    assert_eq!(program.outcome(&open(&namespace.path())), full);
    assert_eq!(program.outcome(&open_pid(std::process::id())), full);
    // With one it is found, but not opened.
    let (mut program, rest) = start_with_room(1);
    assert_eq!(program.outcome(&open(&namespace.path())), full);
    assert_eq!(program.outcome(&open_pid(std::process::id())), full);
    rest.returns();
    // Two are enough, since none is kept that is not needed any more.
    let (mut program, _) = start_with_room(2);
    assert_eq!(cookie(&program.ask(&open(&namespace.path())).socket()), namespace.cookie);
}

#[test]
fn of_many_sockets_those_are_opened_that_there_are_descriptors_for() {
    let (one, other) = (Namespace::new(), Namespace::new());
    let (one_path, other_path) = (one.path(), other.path());
    let (mut program, rest) = start_with_room(3);
    // In the namespace where the thread is already, the socket is all that is needed.
    let answer = program.ask(&open_many([&*one_path; 5]));
    assert_eq!(answer.outcome, "{ok,[ok,ok,ok,{error,{socket,24}},{error,{socket,24}}]}");
    assert_eq!(cookies(&answer), [one.cookie; 3]);
    rest.returns();
    // The way into another takes two. Who found none is still where it was before.
    let answer = program.ask(&open_many([&*one_path, &*other_path, &*one_path, &*other_path]));
    assert_eq!(answer.outcome, "{ok,[ok,ok,{error,{open,24}},ok]}");
    assert_eq!(cookies(&answer), [one.cookie, other.cookie, other.cookie]);
    rest.returns();
    // And when none could be opened, the client is told so.
    leave_room(&program, 1);
    let outcome = program.outcome(&open_many([&*one_path, &*other_path]));
    assert_eq!(outcome, "{error,[{open,24},{open,24}]}");
}

fn cookies(answer: &Answer) -> Vec<u64> {
    answer.sockets.iter().map(cookie).collect()
}

#[test]
fn failing_1024_times_leaks_nothing_and_service_returns() {
    let namespace = Namespace::new();
    let path = namespace.path();
    let (mut program, rest) = start_with_room(1);
    let own = std::process::id();
    for _ in 0..256 {
        assert_eq!(program.outcome(&open(&path)), "{error,{open,24}}");
        assert_eq!(program.outcome(&open_pid(own)), "{error,{open,24}}");
        let many = program.outcome(&open_many([&*path; 2]));
        assert_eq!(many, "{error,[{open,24},{open,24}]}");
        assert_eq!(program.outcome(&open(Path::new("/dev/null"))), "{error,{setns,22}}");
    }
    rest.returns();
    limit_descriptors(&program, 1024);
    assert_eq!(cookie(&program.ask(&open(&path)).socket()), namespace.cookie);
}

#[test]
fn under_a_hard_limit_nothing_is_lost_or_mixed_up() {
    let namespaces: Vec<_> = (0..4).map(|_| Namespace::new()).collect();
    let paths: Vec<_> = namespaces.iter().map(Namespace::path).collect();
    let mut program = Program::start_with(&[], |command| {
        let limit = Rlimit { current: Some(16), maximum: Some(64) };
        let low = move || setrlimit(Resource::Nofile, limit).map_err(Into::into);
        // SAFETY: between fork and exec this makes one system call and nothing else.
        #[allow(unsafe_code)]
        unsafe {
            command.pre_exec(low)
        };
    });
    let rest = program.rest();
    // Which namespace each request of 40 sockets is for.
    let mut asked = HashMap::new();
    let (mut opened, mut failed) = (0, 0);
    for round in 0..256 {
        let index = round % 4;
        asked.insert(program.send(&open_many([&*paths[index]; 40])), index);
        // As many at a time as the limit does not allow for.
        while asked.len() >= if round == 255 { 1 } else { 16 } {
            let answer = program.receive();
            let index = asked.remove(&answer.id).expect("one reply to each request");
            let sockets = answer.sockets.len();
            let errors = answer.outcome.matches(",24}").count();
            assert_eq!(sockets + errors, 40, "{}", answer.outcome);
            assert!(answer.sockets.iter().all(|it| cookie(it) == namespaces[index].cookie));
            (opened, failed) = (opened + sockets, failed + errors);
        }
    }
    eprintln!("of 10,240 sockets, {opened} were opened and {failed} were too many");
    assert!(failed > 0, "the limit was not met");
    rest.returns();
    drop(program.ask(&open(&paths[0])).socket());
}
