//! `cargo run --release -p bench -- limit|peers|append|waiting|smpp|tls|broadcast|trend`. Behind
//! hidden first arguments this executable is also the engine and the bare responder that are
//! measured, each in a
//! process of its own.

use bench::append::Append;
use bench::broadcast::Broadcast;
use bench::limit::Limit;
use bench::peers::{CHILD_ARGUMENT, Peers};
use bench::responder::{QUICK_SMSC_ARGUMENT, RESPONDER_ARGUMENT, SMSC_ARGUMENT, be_smsc, respond};
use bench::smpp::Smpp;
use bench::tls::TlsBench;
use bench::trend::Trend;
use bench::waiting::Waiting;
use clap::{Parser, Subcommand};
use loadgen::drill::ENGINE_ARGUMENT;
use std::process::ExitCode;

#[derive(Parser)]
#[command(
    name = "bench",
    about = "Sets the engine beside the physical limit and beside its peers",
    arg_required_else_help = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The engine and a responder that only answers, in turn: CPU time per request of each, and
    /// their ratio
    Limit(Limit),
    /// Kannel and the engine in turn at the same job: rates, latencies and CPU time per message of
    /// each
    Peers(Peers),
    /// The journal's append and commit beside the device's write and sync of the same octets; the
    /// answer beside one sync
    Append(Append),
    /// An engine with ten million waiting pushes: its rate beside one with few, its memory, its
    /// start after kill -9
    Waiting(Waiting),
    /// The SMPP codec and two sessions in memory, and the load generator's senders against its
    /// SMSC: rates and CPU time of each
    Smpp(Smpp),
    /// The engine over TLS and over plain TCP in turn: rates and CPU time of each, and their ratio
    Tls(TlsBench),
    /// A broadcast's recipients beside single pushes: CPU time of each, and how long ten million
    /// take
    Broadcast(Broadcast),
    /// Draw all results so far as one page
    Trend(Trend),
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let program = arguments.next();
    let mut rest = arguments.peekable();
    if rest.next_if(|first| first == ENGINE_ARGUMENT).is_some() {
        loadgen::os::end_with_parent();
        return hayauma::cli::run(program.into_iter().chain(rest));
    }
    if rest.next_if(|first| first == RESPONDER_ARGUMENT).is_some() {
        return respond(rest);
    }
    if rest.next_if(|first| first == SMSC_ARGUMENT).is_some() {
        return be_smsc(rest, false);
    }
    if rest.next_if(|first| first == QUICK_SMSC_ARGUMENT).is_some() {
        return be_smsc(rest, true);
    }
    if rest.next_if(|first| first == CHILD_ARGUMENT).is_some() {
        return bench::peers::become_child(rest);
    }
    loadgen::os::raise_file_limit();
    let outcome = match Arguments::parse_from(program.into_iter().chain(rest)).command {
        Command::Limit(limit) => limit.run(),
        Command::Peers(peers) => peers.run(),
        Command::Append(append) => append.run(),
        Command::Waiting(waiting) => waiting.run(),
        Command::Smpp(smpp) => smpp.run(),
        Command::Tls(tls) => tls.run(),
        Command::Broadcast(broadcast) => broadcast.run(),
        Command::Trend(trend) => trend.run(),
    };
    outcome.map_or_else(
        |sentence| {
            eprintln!("bench: {sentence}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}
