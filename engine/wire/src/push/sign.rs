//! The signature of a notification: who has the secret can tell that the gateway sent it, what it
//! said, and when.
//!
//! `X-Hayauma-Signature: t=SECONDS,v1=HEX`, where SECONDS is Unix time and HEX the HMAC-SHA256 of
//! `SECONDS.BODY` under the secret (RFC 2104). While a secret is being replaced there are two, and
//! a `v1` for each: whoever checks takes either. A later form will have another name than `v1`.
//!
//! Never here: a secret in a text for people. `Secret` shows nothing of itself.

use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use std::sync::Arc;

/// The header that carries it.
pub const SIGNATURE_HEADER: &str = "X-Hayauma-Signature";
/// Fewest characters of a secret: what can be guessed proves nothing.
pub const SECRET_CHARACTERS_MIN: usize = 16;
/// Most characters of a secret.
pub const SECRET_CHARACTERS_MAX: usize = 128;
/// Secrets that a client may have at a time.
pub const SECRETS_MAX: usize = 2;

/// A secret that the gateway shares with a push client.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret")
    }
}

impl Secret {
    /// A secret of printable ASCII characters without blanks.
    ///
    /// # Errors
    /// One sentence that does not hold it.
    pub fn new(text: &str) -> Result<Self, String> {
        let is_long_enough = (SECRET_CHARACTERS_MIN..=SECRET_CHARACTERS_MAX).contains(&text.len());
        if !is_long_enough || !text.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(format!(
                "a notification secret has {SECRET_CHARACTERS_MIN} to {SECRET_CHARACTERS_MAX} \
                 printable ASCII characters without blanks"
            ));
        }
        Ok(Self(text.into()))
    }

    /// The secret itself, for where it is kept.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// Appends the header's line, CRLF included, for a body that is sent at that Unix time; nothing
/// without a secret.
pub fn write_signature(out: &mut Vec<u8>, secrets: &[Secret], unix_s: u64, body: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    if secrets.is_empty() {
        return;
    }
    let time = unix_s.to_string();
    out.extend_from_slice(SIGNATURE_HEADER.as_bytes());
    out.extend_from_slice(b": t=");
    out.extend_from_slice(time.as_bytes());
    for secret in secrets {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.0.as_bytes()) else {
            unreachable!("HMAC takes a key of any length")
        };
        mac.update(time.as_bytes());
        mac.update(b".");
        mac.update(body);
        out.extend_from_slice(b",v1=");
        for octet in mac.finalize().into_bytes() {
            let digits = [HEX[usize::from(octet >> 4)], HEX[usize::from(octet & 15)]];
            out.extend_from_slice(&digits);
        }
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_what_another_implementation_reckons() {
        // By Python: hmac.new(secret, b"1764410400.<code>0000</code>", "sha256").hexdigest()
        let first = "ce6002e61e15531ed1e0969ca0ba936ffdf6cb258acb6bdfa1cd40c7f71e5bb4";
        let second = "21a446c89181280cb5ea4d26416c12f57d4d120cb786c76dcba8e99e8ab9bd6b";
        let secrets = ["a secret of the tests", "another secret, newer"];
        let secrets = secrets.map(|text| Secret(text.into()));
        let signed = |secrets: &[Secret]| {
            let mut out = Vec::new();
            write_signature(&mut out, secrets, 1_764_410_400, b"<code>0000</code>");
            String::from_utf8(out).expect("text")
        };
        assert_eq!(signed(&[]), "");
        let one = format!("X-Hayauma-Signature: t=1764410400,v1={first}\r\n");
        assert_eq!(signed(&secrets[..1]), one);
        let both = format!("X-Hayauma-Signature: t=1764410400,v1={first},v1={second}\r\n");
        assert_eq!(signed(&secrets), both);
    }

    #[test]
    fn a_secret_is_long_enough_and_shows_itself_to_nobody() {
        let secret = Secret::new("0123456789abcdef").expect("a secret");
        assert_eq!((format!("{secret:?}").as_str(), secret.reveal().len()), ("Secret", 16));
        for wrong in ["", "0123456789abcde", "0123456789 abcdef", "0123456789abcdeé"] {
            let sentence = Secret::new(wrong).expect_err(wrong);
            assert!(wrong.is_empty() || !sentence.contains(wrong), "{sentence}");
        }
        assert!(Secret::new(&"x".repeat(SECRET_CHARACTERS_MAX + 1)).is_err());
    }
}
