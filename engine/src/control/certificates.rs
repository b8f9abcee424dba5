//! Client certificates as people name them: a file, or the SHA-256 of what is in it.

use crate::gateway::certificate::CertificateDigest;
use crate::io::tls::digest_in;
use std::path::Path;

/// Reads the SHA-256s of certificates.
///
/// # Errors
/// One sentence about the first that is none.
pub fn parse_certificates(texts: &[String]) -> Result<Vec<CertificateDigest>, String> {
    let mut found = Vec::new();
    for text in texts {
        let digest = CertificateDigest::parse(text)?;
        if !found.contains(&digest) {
            found.push(digest);
        }
    }
    Ok(found)
}

/// The SHA-256 of the first certificate in a PEM file.
///
/// # Errors
/// One sentence with a remedy.
pub fn digest_of_file(path: &Path) -> Result<CertificateDigest, String> {
    digest_in(path).map_err(|error| error.to_string())
}
