//! The port program that runs.
use std::ffi::OsString;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Instant;

use eetf::Term;

#[derive(Debug)]
pub struct Start {
    pub executable: PathBuf,
    pub launcher: Vec<OsString>,
    pub arguments: Vec<OsString>,
}
#[derive(Debug)]
pub struct Message {
    pub bytes: Vec<u8>,
    pub on_pair: bool,
    pub fds: Vec<OwnedFd>,
    pub truncated: bool,
}
#[derive(Debug)]
pub enum Wait {
    Message(Message),
    TimedOut,
    Interrupted,
    Gone,
}
#[derive(Debug)]
pub struct Program;
impl Program {
    pub fn start(_: &Start) -> io::Result<Self> {
        todo!()
    }
    pub fn hello(&self) -> &Term {
        todo!()
    }
    pub fn send(&mut self, _: &[u8]) -> io::Result<()> {
        todo!()
    }
    pub fn wait(&mut self, _: Instant, _: Option<BorrowedFd<'_>>) -> io::Result<Wait> {
        todo!()
    }
    pub fn bury(self) -> io::Result<ExitStatus> {
        todo!()
    }
    pub fn stop(self) -> io::Result<ExitStatus> {
        todo!()
    }
}
