//! `hayauma shield`: keeps the kernel's threads off CPUs until it is ended.

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use super::{CliError, Output};
use host::cpu_list::CpuList;
use host::shield::Shield;

/// Keep the kernel's own threads off CPUs until Ctrl-C or SIGTERM, so that answers come in time
/// there
///
/// Needs root. Run it beside an engine whose `--cpus` are the same. Threads that the kernel has
/// bound to their CPUs stay; programs are not touched (`taskset`, or AllowedCPUs of systemd, keep
/// these off). What was moved may go back at the end, but not after SIGKILL: `taskset -p MASK
/// PROCESS` lets a thread back by hand.
#[derive(clap::Args, Debug)]
pub(super) struct ShieldCommand {
    /// CPUs to keep clear, such as 2-15; at least one must be left over
    #[arg(long, value_name = "LIST")]
    cpus: CpuList,
    /// Print what was moved as JSON
    #[arg(long)]
    json: bool,
}

#[derive(serde::Serialize)]
struct ShieldDocument<'a> {
    cpus: String,
    moved: &'a [String],
    staying: &'a [String],
}

impl ShieldCommand {
    pub(super) fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        // Before anything is moved: no signal may end this process without letting the threads
        // back.
        let mut signals =
            signal_hook::iterator::Signals::new([SIGTERM, SIGINT, SIGHUP, SIGQUIT])
                .map_err(|error| CliError::new(format!("signals cannot be handled ({error})")))?;
        let shield =
            Shield::raise(&self.cpus.0).map_err(|error| CliError::new(error.to_string()))?;
        let (moved, staying) = (shield.moved(), shield.staying());
        if self.json {
            output.print_json(&ShieldDocument {
                cpus: self.cpus.to_string(),
                moved: &moved,
                staying,
            })?;
        } else {
            output.print(&told(&self.cpus, &moved, staying))?;
        }
        signals.forever().next();
        Ok(())
    }
}

fn told(cpus: &CpuList, moved: &[String], staying: &[String]) -> String {
    let names = |names: &[String]| if names.is_empty() { "-".to_owned() } else { names.join(" ") };
    format!(
        "CPUs {cpus} are kept clear until Ctrl-C or SIGTERM\nmoved   {:>3}  {}\n\
         staying {:>3}  {}\n",
        moved.len(),
        names(moved),
        staying.len(),
        names(staying)
    )
}
