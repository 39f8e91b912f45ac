//! Starting the program, up to the moment when it has introduced itself.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::poll::PollFlags;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, listen, socket_with,
};

use crate::client::Port;
use crate::etf::Term;
use crate::scene::Directory;
use crate::wire::{WAIT, process_of, receive, wait_exit, wait_for};

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_linx-netlink-port");

/// How to start the program.
pub struct Launch {
    directory: Directory,
    wrapper: Vec<OsString>,
    program: OsString,
    current_dir: Option<PathBuf>,
    name: OsString,
    client: Option<u32>,
    stderr: bool,
}

impl Launch {
    pub fn new() -> Launch {
        let directory = Directory::new();
        let name = directory.join("rendezvous").into_os_string();
        Launch {
            directory,
            wrapper: Vec::new(),
            program: PROGRAM.into(),
            current_dir: None,
            name,
            client: None,
            stderr: false,
        }
    }

    /// Meets in the abstract namespace instead of in a directory.
    pub fn in_the_abstract(mut self) -> Launch {
        self.name = OsString::from("@");
        self.name.push(self.directory.path());
        self
    }

    /// Starts the program by way of a command that executes it in its place.
    pub fn by(mut self, words: &[&str]) -> Launch {
        self.wrapper = words.iter().map(OsString::from).collect();
        self
    }

    /// Meets as if that user were the client: the directory, mode 0700, and
    /// the rendezvous are theirs alone. A copy of the program is in there
    /// too, so that the user can execute it.
    pub fn for_a_client_of(mut self, user: u32) -> Launch {
        let copy = self.directory.join("program");
        // By a process of its own, or else one that another test is starting
        // meanwhile might still have the file open for writing.
        let status = Command::new("cp").arg(PROGRAM).arg(&copy).status();
        assert!(status.expect("cp starts").success());
        for path in [self.directory.path(), &copy] {
            chown(path, Some(user), Some(user)).expect("chown");
        }
        self.program = copy.into_os_string();
        self.client = Some(user);
        self
    }

    /// With a pipe as stderr.
    pub fn with_stderr(mut self) -> Launch {
        self.stderr = true;
        self
    }

    /// The program's working directory.
    pub fn working_in(mut self, directory: &Path) -> Launch {
        self.current_dir = Some(directory.to_owned());
        self
    }

    /// The program's command line with these arguments, everything piped
    /// that a client pipes.
    fn command(&self) -> Command {
        let mut words = self.wrapper.iter().chain([&self.program]);
        let mut command = Command::new(words.next().expect("a program"));
        command.args(words).arg("--rendezvous").arg(&self.name);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        if self.stderr {
            command.stderr(Stdio::piped());
        }
        if let Some(directory) = &self.current_dir {
            command.current_dir(directory);
        }
        command
    }

    /// Starts the program and accepts its connection, and no more than that.
    pub fn arrive(self) -> Arrival {
        let listener = listen_at(&self.name);
        if let Some(user) = self.client {
            chown(&self.name, Some(user), Some(user)).expect("chown");
        }
        let mut child = self.command().spawn().expect("the program starts");
        let process = process_of(&child);
        let events = [(listener.as_fd(), PollFlags::POLLIN), (process.as_fd(), PollFlags::POLLIN)];
        match wait_for(events, WAIT) {
            Some([true, _]) => {}
            Some(_) => panic!("the program ended at once: {}", wait_exit(&mut child)),
            None => {
                let _ = child.kill();
                panic!("nobody connected in {WAIT:?}");
            }
        }
        let connection = accept_with(&listener, SocketFlags::CLOEXEC).expect("accept");
        Arrival { child, connection, listener, directory: self.directory }
    }

    /// Starts the program and reads its hello, as a client does.
    pub fn start(self) -> Port {
        self.arrive().greet()
    }
}

/// A program that has connected.
pub struct Arrival {
    pub child: Child,
    pub connection: OwnedFd,
    listener: OwnedFd,
    directory: Directory,
}

impl Arrival {
    /// Reads the hello, takes the pair that comes with it, waits for the end
    /// of the connection, and does away with the rendezvous.
    pub fn greet(self) -> Port {
        let (bytes, fds) = receive(&self.connection).expect("a hello");
        let hello = Term::decode(&bytes).expect("the hello is one term");
        let [pair] = <[OwnedFd; 1]>::try_from(fds).expect("the hello carries one descriptor");
        assert!(receive(&self.connection).is_none(), "nothing follows the hello");
        drop((self.connection, self.listener));
        // There is no file when they have met in the abstract namespace.
        let _ = std::fs::remove_file(self.directory.join("rendezvous"));
        Port::new(self.child, pair, hello, self.directory)
    }
}

/// A rendezvous: a listening socket at a path or, after an `@`, an abstract
/// name.
pub fn listen_at(name: &OsStr) -> OwnedFd {
    let socket = unbound(SocketType::SEQPACKET);
    bind(&socket, &address_of(name)).expect("bind");
    listen(&socket, 1).expect("listen");
    socket
}

/// A new unix socket.
pub fn unbound(kind: SocketType) -> OwnedFd {
    socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).expect("a unix socket")
}

/// The address that a rendezvous' name stands for.
pub fn address_of(name: &OsStr) -> SocketAddrUnix {
    match name.as_bytes() {
        [b'@', name @ ..] => SocketAddrUnix::new_abstract_name(name),
        name => SocketAddrUnix::new(name),
    }
    .expect("a name that fits")
}
