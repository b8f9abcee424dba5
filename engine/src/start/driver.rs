//! Which driver carries octets in this run, and why.

use crate::io::driver::{DriverKind, DriverRefusal, poll_refusal};
use crate::io::uring_refusal;
use crate::start::config::Io;
use std::fmt;

/// The driver of a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Choice {
    /// The driver.
    pub kind: DriverKind,
    /// Why it is not io_uring, where that was not asked for by name.
    pub instead: Option<DriverRefusal>,
    /// Whether the operator left it to the engine.
    is_found: bool,
}

impl fmt::Display for Choice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            DriverKind::Uring => {
                formatter.write_str("uring (io_uring carries sockets and commits)")?
            }
            DriverKind::Poll => {
                formatter.write_str(
                    "poll (epoll carries sockets, a thread beside each shard its commits)",
                )?;
            }
        }
        match &self.instead {
            Some(refusal) => write!(formatter, ", because {}", refusal.message),
            None if self.is_found => Ok(()),
            None => formatter.write_str(", as --io says"),
        }
    }
}

/// Finds the driver. Under `poll` nothing of io_uring is tried.
///
/// # Errors
/// Why none of those that are allowed can work.
pub fn choose(io: Io) -> Result<Choice, DriverRefusal> {
    let refusal = match io {
        Io::Poll => None,
        Io::Auto | Io::Uring => match uring_refusal() {
            None => {
                let is_found = io == Io::Auto;
                return Ok(Choice { kind: DriverKind::Uring, instead: None, is_found });
            }
            refusal => refusal,
        },
    };
    if let (Io::Uring, Some(DriverRefusal { message, .. })) = (io, &refusal) {
        let remedy =
            "use --io poll, or make io_uring available (`hayauma doctor --io auto` says how)";
        return Err(DriverRefusal { message: message.clone(), remedy });
    }
    if let Some(error) = poll_refusal() {
        let beside =
            refusal.map(|refusal| format!(", and {}", refusal.message)).unwrap_or_default();
        return Err(DriverRefusal {
            message: format!("neither epoll nor a thread for commits can be had ({error}){beside}"),
            remedy: "run with a profile that allows epoll_create1, epoll_ctl, epoll_wait and \
                eventfd2",
        });
    }
    Ok(Choice { kind: DriverKind::Poll, instead: refusal, is_found: io == Io::Auto })
}
