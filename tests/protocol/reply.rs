//! Taking replies apart: each of these fails unless the reply has the shape
//! that the outcome must have, on the channel where it must be.

use std::os::fd::{AsRawFd, OwnedFd};

use crate::client::{Reply, STAGES};
use crate::etf::Term;

/// Which step failed, and its error number.
pub type Failure = (String, i32);

impl Reply {
    fn term(&self) -> &Term {
        match self {
            Reply::Stdout(term) | Reply::Pair(term, _) => term,
        }
    }

    /// The id, when this is the reply to a request.
    pub fn id(&self) -> Option<i128> {
        let [id, _] = self.term().tuple_of()?;
        id.as_int()
    }

    /// The body of a reply on stdout.
    fn on_stdout(&self) -> &Term {
        match self {
            Reply::Stdout(Term::Tuple(pair)) if pair.len() == 2 && self.id().is_some() => &pair[1],
            other => panic!("expected {{Id, _}} on stdout, got {other:?}"),
        }
    }

    /// `{Id, ok}` on the pair, with its one descriptor.
    pub fn opened(self) -> OwnedFd {
        match self {
            Reply::Pair(term, fds) if term.tuple_of().is_some_and(|[_, ok]| ok.is("ok")) => {
                let [fd] = <[OwnedFd; 1]>::try_from(fds).expect("one descriptor");
                fd
            }
            other => panic!("expected {{Id, ok}} on the pair, got {other:?}"),
        }
    }

    /// Whether it is `{Id, ok}`, with its descriptor.
    pub fn was_opened(self) -> bool {
        matches!(self, Reply::Pair(..)) && self.opened().as_raw_fd() >= 0
    }

    /// `{error, What}` on stdout.
    fn error(&self) -> &Term {
        match self.on_stdout().tuple_of() {
            Some([error, what]) if error.is("error") => what,
            _ => panic!("expected an error, got {self:?}"),
        }
    }

    /// `{Id, {error, {Stage, Errno}}}`.
    pub fn failure(&self) -> Failure {
        failure(self.error())
    }

    /// `{Id, {error, {badarg, Reason}}}`, `Reason` for a person to read.
    pub fn is_badarg(&self) -> bool {
        let Reply::Stdout(term) = self else { return false };
        let Some([Term::Int(_), body]) = term.tuple_of() else { return false };
        let Some([error, what]) = body.tuple_of() else { return false };
        let Some([badarg, Term::Binary(reason)]) = what.tuple_of() else { return false };
        let readable = !reason.is_empty() && std::str::from_utf8(reason).is_ok();
        error.is("error") && badarg.is("badarg") && readable
    }

    /// `Reason` of a `{protocol_error, Reason}`.
    pub fn protocol_error(&self) -> Option<&str> {
        match self {
            Reply::Stdout(term) => match term.tuple_of() {
                Some([name, Term::Atom(reason)]) if name.is("protocol_error") => Some(reason),
                _ => None,
            },
            Reply::Pair(..) => None,
        }
    }

    /// The map that `info` answers.
    pub fn info(&self) -> Term {
        match self.on_stdout().tuple_of() {
            Some([ok, map @ Term::Map(_)]) if ok.is("ok") => map.clone(),
            _ => panic!("expected {{ok, Map}}, got {self:?}"),
        }
    }

    /// `{Id, {ok, [ok | {error, {Stage, Errno}}]}}` on the pair: an outcome
    /// for every entry, with the descriptors dealt to those that worked.
    pub fn opened_many(self) -> Vec<Result<OwnedFd, Failure>> {
        let Reply::Pair(term, fds) = self else { panic!("expected a pair message, got {self:?}") };
        let outcomes = match term.tuple_of() {
            Some([_, body]) => match body.tuple_of() {
                Some([ok, outcomes]) if ok.is("ok") => outcomes.as_list(),
                _ => None,
            },
            None => None,
        };
        let outcomes = outcomes.unwrap_or_else(|| panic!("expected {{ok, List}}, got {term:?}"));
        let worked = outcomes.iter().filter(|o| o.is("ok")).count();
        assert_eq!(fds.len(), worked, "one descriptor for every ok in {term:?}");
        let mut fds = fds.into_iter();
        let deal = |outcome: &Term| match outcome.tuple_of() {
            Some([error, what]) if error.is("error") => Err(failure(what)),
            None if outcome.is("ok") => Ok(fds.next().expect("a descriptor for every ok")),
            _ => panic!("no outcome: {outcome:?}"),
        };
        outcomes.iter().map(deal).collect()
    }

    /// `{Id, {error, [{Stage, Errno}]}}` on stdout: no entry worked.
    pub fn failed_many(&self) -> Vec<Failure> {
        let what = self.error();
        let all = what.as_list().unwrap_or_else(|| panic!("expected a list, got {what:?}"));
        all.iter().map(failure).collect()
    }

    /// Whether this is an answer that the contract knows at all. For input so
    /// odd that several answers are right.
    pub fn matches_some_outcome(self) -> bool {
        if self.protocol_error().is_some() || self.is_badarg() {
            return true;
        }
        let Some([_, body]) = self.term().tuple_of() else { return false };
        match (&self, body) {
            (Reply::Pair(..), Term::Atom(_)) => drop(self.opened()),
            (Reply::Pair(..), _) => drop(self.opened_many()),
            (Reply::Stdout(_), Term::Tuple(parts)) => match parts.as_slice() {
                [ok, _] if ok.is("ok") => drop(self.info()),
                [_, Term::List(_)] => drop(self.failed_many()),
                _ => drop(self.failure()),
            },
            _ => return false,
        }
        true
    }
}

/// `{Stage, Errno}`.
fn failure(term: &Term) -> Failure {
    match term.tuple_of() {
        Some([Term::Atom(stage), Term::Int(errno)]) => {
            assert!(STAGES.contains(&stage.as_str()), "no stage is called {stage}");
            assert!(*errno > 0, "an error number is positive, {errno} isn't");
            (stage.clone(), i32::try_from(*errno).expect("an error number"))
        }
        _ => panic!("expected {{Stage, Errno}}, got {term:?}"),
    }
}

/// What a step that failed looks like.
pub fn at(stage: &str, errno: i32) -> Failure {
    (stage.to_owned(), errno)
}
