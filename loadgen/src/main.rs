//! `hayauma-load`, and behind a hidden first argument the engine that a drill starts.

use loadgen::drill::ENGINE_ARGUMENT;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let program = arguments.next();
    let mut rest = arguments.peekable();
    if rest.next_if(|first| first == ENGINE_ARGUMENT).is_some() {
        loadgen::os::end_with_parent();
        return hayauma::cli::run(program.into_iter().chain(rest));
    }
    loadgen::cli::run(program.into_iter().chain(rest))
}
