//! What the REPL's own commands do.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use eetf::{Atom, Term};

use super::command::{COMMANDS, Command};
use super::interrupt::Interrupts;
use super::kernel::{self, AskError, Descriptor, NAMES, Namespace, Seen};
use super::out::Tone;
use super::session::{End, Outcome, Session};
use super::spelling;
use super::text::Notation;

impl Session {
    /// Does what a command says.
    pub(super) fn command(&mut self, command: &Command) -> Outcome {
        match command {
            Command::Fds => self.fds(),
            Command::Close(number) => self.close(*number),
            Command::Links(number) => self.with_socket(*number, Self::links),
            Command::Addrs(number) => self.with_socket(*number, Self::addresses),
            Command::Watch(number, period) => {
                self.with_socket(*number, |session, fd| session.watch(fd, *period))
            }
            Command::Info => self.request(Term::from(Atom::from("info"))),
            Command::Netns => self.namespaces(),
            Command::Hex(on) => {
                self.hex = *on;
                Outcome::Done
            }
            Command::Send(bytes) => self.exchange(bytes, None, &[]),
            Command::Restart => self.restart(),
            Command::Help => self.help(),
            Command::Quit => Outcome::Quit,
        }
    }

    fn fds(&mut self) -> Outcome {
        let lines: Vec<String> = self
            .held
            .iter()
            .map(|(number, fd)| format!("#{number}: {}", kernel::describe(fd.as_fd())))
            .collect();
        self.print(&lines)
    }

    fn close(&mut self, number: u32) -> Outcome {
        match self.held.remove(&number) {
            Some(_) => Outcome::Done,
            None => self.no_such(number),
        }
    }

    /// Runs something on a route socket among the descriptors.
    fn with_socket(
        &mut self,
        number: u32,
        run: impl FnOnce(&mut Self, BorrowedFd<'_>) -> Result<(), AskError>,
    ) -> Outcome {
        // Out of the map while it is used, so that the session is free.
        let Some(fd): Option<OwnedFd> = self.held.remove(&number) else {
            return self.no_such(number);
        };
        let outcome = match kernel::describe(fd.as_fd()) {
            Descriptor::Netlink { protocol: 0, .. } => match run(self, fd.as_fd()) {
                Ok(()) => Outcome::Done,
                Err(error) => self.failed(format_args!("#{number}: {error}")),
            },
            other => self.no_route_socket(number, &other),
        };
        self.held.insert(number, fd);
        outcome
    }

    fn no_route_socket(&mut self, number: u32, descriptor: &Descriptor) -> Outcome {
        let hint = match (descriptor, self.notation) {
            (Descriptor::Namespace(_), Notation::Erlang) => {
                format!("; {{open_in_netns, {{fd, \"#{number}\"}}, 0}} opens one there")
            }
            (Descriptor::Namespace(_), Notation::Elixir) => {
                format!("; {{:open_in_netns, {{:fd, \"#{number}\"}}, 0}} opens one there")
            }
            _ => String::new(),
        };
        self.failed(format_args!("#{number} is no netlink route socket: {descriptor}{hint}"))
    }

    fn links(&mut self, fd: BorrowedFd<'_>) -> Result<(), AskError> {
        let links = kernel::links(fd, self.interrupts.as_ref().map(Interrupts::fd))?;
        self.print(&links);
        Ok(())
    }

    fn addresses(&mut self, fd: BorrowedFd<'_>) -> Result<(), AskError> {
        let stop = self.interrupts.as_ref().map(Interrupts::fd);
        let links = kernel::links(fd, stop)?;
        for address in kernel::addresses(fd, stop)? {
            let name = links.iter().find(|link| link.index == address.index);
            let name = name.map_or("?", |link| &link.name);
            self.out.line(format_args!("{}: {name}, {address}", address.index));
        }
        Ok(())
    }

    fn watch(&mut self, fd: BorrowedFd<'_>, period: Duration) -> Result<(), AskError> {
        let Self { out, interrupts, settings, .. } = self;
        let note = settings.interactive.then(|| {
            out.toned(Tone::Faint, format_args!("watching for {period:?}; Ctrl-C ends it"))
        });
        let out = std::cell::RefCell::new(out);
        kernel::watch(
            fd,
            interrupts.as_ref().map(Interrupts::fd),
            period,
            || note.iter().for_each(|note| out.borrow_mut().line(note)),
            |seen| match seen {
                Seen::Event(..) => out.borrow_mut().line(seen),
                Seen::Lost => out.borrow_mut().fault(seen),
            },
        )
    }

    fn namespaces(&mut self) -> Outcome {
        let lines: Vec<String> =
            kernel::namespaces().iter().map(|found| place(found, self.notation)).collect();
        self.print(&lines)
    }

    fn restart(&mut self) -> Outcome {
        if let Some(program) = self.program.take() {
            match program.stop() {
                Ok(status) if status.success() => {}
                Ok(status) => {
                    self.out.fault(format_args!("the port program {}", End(status)));
                }
                Err(error) => self.out.fault(format_args!("the port program is gone ({error})")),
            }
        }
        self.begin()
    }

    fn help(&mut self) -> Outcome {
        let (example, held) = match self.notation {
            Notation::Erlang => ("{open_in_netns, <<\"/run/netns/blue\">>, 0}", "{fd, \"#3\"}"),
            Notation::Elixir => ("{:open_in_netns, \"/run/netns/blue\", 0}", "{:fd, \"#3\"}"),
        };
        self.out.line(format_args!(
            "A line is a term, in Erlang's notation or Elixir's, with an id around it or without:\n\
             \x20 {example}\n\
             In it, {held} names a descriptor that is open here.\n\
             Or it is a command:"
        ));
        for (name, arguments, what) in COMMANDS {
            let usage = format!("{name} {arguments}");
            self.out.line(format_args!("  {usage:18} {what}"));
        }
        Outcome::Done
    }

    fn print(&mut self, lines: &[impl std::fmt::Display]) -> Outcome {
        lines.iter().for_each(|line| self.out.line(line));
        Outcome::Done
    }

    pub(super) fn no_such(&mut self, number: u32) -> Outcome {
        self.failed(format_args!("there is no #{number}; :fds shows what there is"))
    }

    fn failed(&mut self, message: impl std::fmt::Display) -> Outcome {
        self.out.fault(message);
        Outcome::Failed
    }
}

/// A namespace, and what to write to open it.
fn place(namespace: &Namespace, notation: Notation) -> String {
    let mut text = format!("net:[{}]", namespace.inode);
    for name in &namespace.names {
        text += &format!("  {NAMES}/{}", spelling::shown(name.as_bytes()));
    }
    if let Some((pid, command)) = &namespace.process {
        let command = spelling::shown(command);
        text += &match notation {
            Notation::Erlang => format!("  {{pid,{pid}}} {command}"),
            Notation::Elixir => format!("  {{:pid, {pid}}} {command}"),
        };
    }
    text
}
