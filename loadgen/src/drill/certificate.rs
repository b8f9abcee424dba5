//! The certificate of a drill: made in its directory, for this one engine, trusted by this one run.

use super::DrillError;
use crate::tls::{TargetTls, TlsIdentity};
use rcgen::generate_simple_self_signed;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// A certificate for this host on the curve P-256, and its key.
pub struct OwnCertificate {
    /// The certificate, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM, readable by its owner alone.
    pub key: PathBuf,
    trusted: TargetTls,
}

impl OwnCertificate {
    /// Makes one in this directory.
    pub(super) fn make(directory: &Path) -> Result<Self, DrillError> {
        let unmade = |detail: String| DrillError::Certificate(detail);
        let made = generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()])
            .map_err(|error| unmade(error.to_string()))?;
        let own = (directory.join("cert.pem"), directory.join("key.pem"));
        let write = |path: &Path, text: &str| {
            let mut options = std::fs::OpenOptions::new();
            let file = options.write(true).create_new(true).mode(0o600).open(path);
            file.and_then(|mut file| file.write_all(text.as_bytes()))
                .map_err(|source| DrillError::System { doing: "write its certificate", source })
        };
        write(&own.0, &made.cert.pem())?;
        write(&own.1, &made.signing_key.serialize_pem())?;
        let identity = TlsIdentity { authorities: Some(own.0.clone()), shown: None };
        let trusted =
            TargetTls::read(&identity, "127.0.0.1").map_err(|fault| unmade(fault.to_string()))?;
        Ok(Self { certificate: own.0, key: own.1, trusted })
    }

    /// What the run speaks with the engine that has it.
    pub(super) fn trusted(self) -> TargetTls {
        self.trusted
    }
}
