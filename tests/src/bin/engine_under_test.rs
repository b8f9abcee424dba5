//! The engine as the tests start it: the very program, which ends with the test that started it,
//! and on demand without what some containers and older kernels lack.

use std::process::ExitCode;

fn main() -> ExitCode {
    loadgen::os::end_with_parent();
    tests::seccomp::obey_environment();
    hayauma::cli::run(std::env::args_os())
}
