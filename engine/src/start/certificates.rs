//! The certificates of the push port, the SMPP port, the admin port and of notifications: read at
//! the start, and again when SIGHUP asks for it.
//!
//! What cannot be used replaces nothing: the ports go on with what they have, and the log says why.

use crate::io::tls::{Acceptance, Calling, CallingFiles, TlsError, TlsFiles};
use host::fatal::{Fatal, FatalReason};
use std::sync::{Mutex, PoisonError};

/// The certificates in use.
pub(super) struct Certificates {
    files: TlsFiles,
    /// Whether SMPP is spoken within it.
    is_of_smpp: bool,
    current: Mutex<Acceptance>,
}

impl Certificates {
    /// Reads the files.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn read(files: TlsFiles) -> Result<Self, Fatal> {
        Self::read_for(files, false)
    }

    /// Reads the files of the SMPP port.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn read_for_smpp(files: TlsFiles) -> Result<Self, Fatal> {
        Self::read_for(files, true)
    }

    fn read_for(files: TlsFiles, is_of_smpp: bool) -> Result<Self, Fatal> {
        let acceptance = accepting(&files, is_of_smpp, None)
            .map_err(|error| Fatal::told(FatalReason::Configuration, error.to_string()))?;
        warn_if_slow(&acceptance);
        Ok(Self { files, is_of_smpp, current: Mutex::new(acceptance) })
    }

    /// What is in use.
    pub(super) fn acceptance(&self) -> Acceptance {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the files anew and has what is good taken by `tell`.
    pub(super) fn reload(&self, tell: impl FnOnce(Acceptance)) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        match accepting(&self.files, self.is_of_smpp, Some(&current)) {
            Ok(acceptance) => {
                warn_if_slow(&acceptance);
                *current = acceptance.clone();
                tell(acceptance);
                let certificate = self.files.certificate.display();
                tracing::info!(
                    "SIGHUP: the certificate {certificate} is in use for new connections"
                );
            }
            Err(error) => {
                tracing::error!(
                    "SIGHUP: the certificate in use stays, the new one is not taken: {error}"
                );
            }
        }
    }
}

fn accepting(
    files: &TlsFiles,
    is_of_smpp: bool,
    before: Option<&Acceptance>,
) -> Result<Acceptance, TlsError> {
    let acceptance = Acceptance::read(files, before)?;
    Ok(if is_of_smpp { acceptance.of_smpp() } else { acceptance })
}

/// Reads anew what notifications over TLS are sent with; `None` where it cannot be used.
pub(super) fn reload_calling(files: &CallingFiles) -> Option<Calling> {
    match Calling::read(files) {
        Ok(calling) => {
            tracing::info!("SIGHUP: what notifications over TLS are sent with was read anew");
            Some(calling)
        }
        Err(error) => {
            tracing::error!(
                "SIGHUP: what notifications over TLS are sent with stays, the new files are not \
                 taken: {error}"
            );
            None
        }
    }
}

fn warn_if_slow(acceptance: &Acceptance) {
    if let Some(signing_ns) = acceptance.slow_signing_ns() {
        let signing_ms = signing_ns as f64 / 1e6;
        tracing::warn!(
            "the key of the certificate is an RSA key: each TLS handshake keeps a shard busy for \
             {signing_ms:.1} ms on this host, many times as long as with an ECDSA key on P-256"
        );
    }
}
