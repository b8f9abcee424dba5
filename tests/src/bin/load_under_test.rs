//! The load generator as the tests start it: the very program, which is also the engine of its
//! drill.

use loadgen::drill::ENGINE_ARGUMENT;
use std::process::ExitCode;

fn main() -> ExitCode {
    loadgen::os::end_with_parent();
    tests::seccomp::obey_environment();
    let mut arguments = std::env::args_os();
    let program = arguments.next();
    let mut rest = arguments.peekable();
    if rest.next_if(|first| first == ENGINE_ARGUMENT).is_some() {
        return hayauma::cli::run(program.into_iter().chain(rest));
    }
    loadgen::cli::run(program.into_iter().chain(rest))
}
