//! The boot order of the port program.

#![forbid(unsafe_code)]

use linx_netlink_port::cli::{self, Invocation, Settings};
use linx_netlink_port::confine::{self, Scope};
use linx_netlink_port::handover::{Pair, Rendezvous, RendezvousError};
use linx_netlink_port::netns::Finder;
use linx_netlink_port::serve::{self, Policy, Server};
use linx_netlink_port::socket::{Buffers, Families};
use linx_netlink_port::wire::Reply;
use std::convert::Infallible;
use std::error::Error;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const NO_RENDEZVOUS: u8 = 3;
const BAD_STREAM: u8 = 4;

fn main() -> ExitCode {
    // First, and without a word: to write one could be what its caller may not do himself.
    if !confine::standard_streams_are_harmless() {
        return ExitCode::from(BAD_STREAM);
    }
    confine::end_on_panic();
    confine::start_again_without_environment();
    if let Err(error) = confine::start_afresh() {
        return complain(&error, FAILED);
    }
    match cli::parse(std::env::args_os().skip(1)) {
        Ok(Invocation::Help) => print(cli::HELP),
        Ok(Invocation::Version) => print(cli::VERSION),
        Ok(Invocation::ByHand) => explain(cli::BY_HAND, USAGE),
        Ok(Invocation::Serve(settings)) if settings.widen() && confine::is_more_than_caller() => {
            explain(cli::WIDENS, USAGE)
        }
        Ok(Invocation::Serve(settings)) => {
            let Err(error) = serve(settings);
            let status = if error.is::<RendezvousError>() { NO_RENDEZVOUS } else { FAILED };
            complain(&error, status)
        }
        Err(error) => complain(&format!("{error}; {}", cli::USAGE), USAGE),
    }
}

/// Confines the process, meets the client and serves it. A client that leaves ends the process.
fn serve(settings: Settings) -> Result<Infallible, Box<dyn Error>> {
    serve::run(meet(settings)?)
}

fn meet(settings: Settings) -> Result<Server, Box<dyn Error>> {
    confine::raise_descriptor_limit().map_err(cannot("raise the limit of open descriptors"))?;
    // The client's directory is its own: behind sudo it takes CAP_DAC_OVERRIDE to connect.
    let rendezvous = Rendezvous::connect(&settings.rendezvous)?;
    let (pair, client_end) = Pair::new().map_err(cannot("make the pair"))?;
    let read_only = settings.read_only
        || !confine::caller_may_configure().map_err(cannot("ask for capabilities"))?;
    let scope = Scope {
        ptrace: settings.ptrace,
        userns: settings.userns,
        new: settings.makes_namespaces(),
        families: Families {
            families: settings.families.clone(),
            protocols: settings.protocols.clone(),
        },
    };
    let privileges = confine::give_up_privileges(&scope).map_err(cannot("give up capabilities"))?;
    let report =
        confine::Report::new(privileges, settings.seccomp).map_err(cannot("ask what is left"))?;
    let policy = Policy {
        finder: Finder::new(&settings.netns_dirs, settings.pid),
        families: scope.families.clone(),
        buffers: Buffers::up_to(settings.max_buffer),
        read_only,
        userns: scope.userns,
        new: scope.new,
        netns: settings.netns,
        descriptors: settings.takes_descriptors(),
        max_in_flight: settings.max_in_flight,
    };
    let server = Server::new(pair, policy, report).map_err(cannot("wait for stdin"))?;
    if settings.seccomp {
        confine::restrict_system_calls(&scope)?;
    }
    // Nothing of the client is read before this.
    rendezvous
        .hand_over(&Reply::Hello(server.hello()).encode(), client_end)
        .map_err(cannot("say hello"))?;
    Ok(server)
}

/// Says what the program could not do before it served anybody.
fn cannot<E: Error>(what: &str) -> impl FnOnce(E) -> Box<dyn Error> {
    move |cause| format!("cannot {what}: {cause}").into()
}

fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(FAILED),
    }
}

/// Says in one line what went wrong, which may have anything in it that the client chose.
fn complain(error: &impl Display, status: u8) -> ExitCode {
    explain(&format!("linx-netlink-port: {}\n", cli::line(&error.to_string())), status)
}

fn explain(text: &str, status: u8) -> ExitCode {
    // Nothing is left to be done about a stderr that can't be written.
    let _ = io::stderr().write_all(text.as_bytes());
    ExitCode::from(status)
}
