//! The program `hayauma`; everything is in the library.

fn main() -> std::process::ExitCode {
    hayauma::cli::run(std::env::args_os())
}
