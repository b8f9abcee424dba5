//! Where a command writes: what was asked for on the one side, notes for a person who watches on
//! the other.

use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;

use super::CliError;

/// The two streams of a command: stdout and stderr, or buffers.
pub(crate) struct Output<'a> {
    wanted: &'a mut dyn Write,
    notes: &'a mut dyn Write,
    is_watched: bool,
    has_reader: bool,
}

/// Takes a result or a complaint; whether somebody reads what comes.
pub(crate) type Report<'a> = dyn FnMut(Result<String, String>) -> bool + 'a;

impl<'a> Output<'a> {
    /// Writes to these; a note may rewrite the line of the one before when a person watches.
    pub(crate) fn new(
        wanted: &'a mut dyn Write,
        notes: &'a mut dyn Write,
        is_watched: bool,
    ) -> Self {
        Self { wanted, notes, is_watched, has_reader: true }
    }

    /// Writes what was asked for; a reader that has gone away, such as `head`, is no failure.
    pub(crate) fn print(&mut self, text: &str) -> Result<(), CliError> {
        if self.has_reader {
            let written = self.wanted.write_all(text.as_bytes()).and_then(|()| self.wanted.flush());
            self.has_reader = unless_reader_gone(written)?;
        }
        Ok(())
    }

    /// Whether somebody may still read what is printed: a command that prints much stops when
    /// nobody does.
    pub(crate) fn has_reader(&self) -> bool {
        self.has_reader
    }

    /// Writes a document as one line of JSON.
    pub(crate) fn print_json(&mut self, document: &impl serde::Serialize) -> Result<(), CliError> {
        let text = simd_json::to_string(document).map_err(|error| {
            CliError::new(format!("the output cannot be written as JSON ({error})"))
        })?;
        self.print(&(text + "\n"))
    }

    /// Writes a line for the person; nobody there to read it is no failure.
    pub(crate) fn note(&mut self, line: &str) {
        let start = if self.is_watched { "\r" } else { "" };
        let _ = writeln!(self.notes, "{start}{line}");
    }

    /// Shows how far a long command has come, if a person watches.
    pub(crate) fn progress(&mut self, line: &str) {
        if self.is_watched {
            let _ = write!(self.notes, "\r{line} ").and_then(|()| self.notes.flush());
        }
    }

    /// Does work that reports results, which are printed a line each, and complaints, which are
    /// noted behind the command's name. Exit status 1 where there was a complaint.
    pub(crate) fn report_all(
        &mut self,
        command: &str,
        work: impl FnOnce(&mut Report<'_>),
    ) -> Result<ExitCode, CliError> {
        let (mut well, mut printed) = (true, Ok(()));
        work(&mut |result| {
            match result {
                Ok(text) if printed.is_ok() => {
                    printed = self.print(&format!("{}\n", text.trim_end_matches('\n')));
                }
                Ok(_) => {}
                Err(sentence) => {
                    well = false;
                    self.note(&format!("{command}: {sentence}"));
                }
            }
            printed.is_ok() && self.has_reader()
        });
        printed?;
        Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Does `work` with stdout and stderr.
pub(crate) fn with_standard_output<T>(work: impl FnOnce(&mut Output<'_>) -> T) -> T {
    let is_watched = io::stderr().is_terminal();
    work(&mut Output::new(&mut io::stdout(), &mut io::stderr(), is_watched))
}

/// Whether there is a reader; one that has gone away is no failure, an output that takes nothing is
/// one.
pub(crate) fn unless_reader_gone(written: io::Result<()>) -> Result<bool, CliError> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(CliError::new(format!(
            "the output cannot be written ({error}): check where it goes"
        ))),
    }
}

/// Writes to stdout; see [`Output::print`].
pub(crate) fn print(text: &str) -> Result<(), CliError> {
    with_standard_output(|output| output.print(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that has gone away, or a full device.
    struct Failing(io::ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_has_gone_away_is_no_failure_and_a_full_device_is_one() {
        let mut notes = Vec::new();
        let mut gone = Failing(io::ErrorKind::BrokenPipe);
        let mut output = Output::new(&mut gone, &mut notes, false);
        assert!(output.has_reader());
        assert_eq!((output.print("x"), output.has_reader()), (Ok(()), false));
        let mut full = Failing(io::ErrorKind::StorageFull);
        let error = Output::new(&mut full, &mut notes, false).print("x").expect_err("a failure");
        assert!(error.sentence.contains("cannot be written"), "{error}");
    }

    #[test]
    fn progress_is_for_a_person_only() {
        for (is_watched, expected) in [(false, "done\n"), (true, "\r1 line \rdone\n")] {
            let (mut wanted, mut notes) = (Vec::new(), Vec::new());
            let mut output = Output::new(&mut wanted, &mut notes, is_watched);
            output.progress("1 line");
            output.note("done");
            assert_eq!(String::from_utf8_lossy(&notes), expected);
        }
    }
}
