//! The digest of a push client's certificate, by which a registration knows it.

use sha2::{Digest, Sha256};

/// SHA-256 of a certificate's DER octets: what `openssl x509 -noout -fingerprint -sha256` prints.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CertificateDigest([u8; 32]);

impl CertificateDigest {
    /// Of a certificate in DER.
    pub fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }

    /// Reads 64 hexadecimal digits, in either case, with or without colons between them, and behind
    /// `…=` as openssl prints it.
    ///
    /// # Errors
    /// One sentence that says what it should look like.
    pub fn parse(text: &str) -> Result<Self, String> {
        let refused = || {
            format!(
                "{text:?} is no SHA-256 of a certificate: give 64 hexadecimal digits, as `openssl \
                 x509 -noout -fingerprint -sha256` prints them"
            )
        };
        let printed = text.rsplit_once('=').map_or(text, |(_, digits)| digits).trim();
        let mut digits = printed.bytes().filter(|&octet| octet != b':');
        let mut octets = [0; 32];
        for octet in &mut octets {
            let mut digit = || char::from(digits.next()?).to_digit(16);
            let (high, low) = digit().zip(digit()).ok_or_else(refused)?;
            *octet = (high << 4 | low) as u8;
        }
        if digits.next().is_some() {
            return Err(refused());
        }
        Ok(Self(octets))
    }
}

impl std::fmt::Display for CertificateDigest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|octet| write!(formatter, "{octet:02x}"))
    }
}

impl std::fmt::Debug for CertificateDigest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_as_it_and_as_openssl_prints_it() {
        // FIPS 180-4: the digest of "abc".
        let printed = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let digest = CertificateDigest::of(b"abc");
        assert_eq!(digest.to_string(), printed);
        let pairs: Vec<&str> =
            printed.as_bytes().chunks(2).map(|two| str::from_utf8(two).expect("hex")).collect();
        let colons = pairs.join(":").to_uppercase();
        for text in [printed, &colons, &format!("sha256 Fingerprint={colons}\n")] {
            assert_eq!(CertificateDigest::parse(text), Ok(digest), "{text}");
        }
        for text in ["", "ba78", &printed[1..], &format!("{printed}0"), &printed.replace('b', "x")]
        {
            let refused = CertificateDigest::parse(text).expect_err(text);
            assert!(refused.contains("64 hexadecimal digits"), "{refused}");
        }
    }
}
