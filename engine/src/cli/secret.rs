//! Secrets that a command needs: from a file, from standard input, or from the environment. Never
//! from the command line, which other users see in the list of processes.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;

use super::CliError;

/// Octets of a file that may be a secret.
const SECRET_OCTETS_MAX: u64 = 4096;

/// The first line of a file, or of standard input for `-`: a token or a password, as `what` says.
pub(super) fn read_secret(what: &str, path: &Path) -> Result<String, CliError> {
    let is_input = path == Path::new("-");
    let shown = if is_input { "standard input".into() } else { path.display().to_string() };
    let read = |input: &mut dyn Read| {
        let mut line = String::new();
        BufReader::new(input.take(SECRET_OCTETS_MAX)).read_line(&mut line).map(|_| line)
    };
    let line = if is_input {
        read(&mut std::io::stdin().lock())
    } else {
        File::open(path).and_then(|mut file| read(&mut file))
    };
    let line = line.map_err(|error| {
        CliError::new(format!(
            "the {what} cannot be read from {shown} ({error}): name a file that holds it"
        ))
    })?;
    let secret = line.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(CliError::new(format!(
            "{shown} begins with no {what}: write it into the first line"
        )));
    }
    Ok(secret.to_owned())
}

/// The secret in a file, or else in this variable of the environment, where either is named.
pub(super) fn secret(file: Option<&Path>, variable: &str) -> Result<Option<String>, CliError> {
    match (file, std::env::var(variable)) {
        (Some(path), _) => read_secret("token", path).map(Some),
        (None, Ok(secret)) if !secret.is_empty() => Ok(Some(secret)),
        (None, _) => Ok(None),
    }
}

/// The secret in a file, or in the variable that is named.
pub(super) fn named_secret(
    what: &str,
    file: Option<&Path>,
    variable: Option<&str>,
) -> Result<Option<String>, CliError> {
    let Some(variable) = variable else {
        return file.map(|file| read_secret(what, file)).transpose();
    };
    match std::env::var(variable) {
        Ok(secret) if !secret.is_empty() => Ok(Some(secret)),
        _ => Err(CliError::new(format!(
            "the environment holds no {variable}: export it with the {what}"
        ))),
    }
}
