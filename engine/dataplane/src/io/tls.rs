//! What TLS 1.3 is spoken with: certificates, keys and the authorities that are trusted, read from
//! PEM files beside the shards.
//!
//! The files are read at the start and again at each reload. What was read is checked as a whole
//! before anybody uses it: a certificate that does not fit its key replaces nothing. All shards
//! seal their resumption tickets by the same keys, so a client resumes on whichever it meets.
//!
//! Never here: a record, or a private key in a text; a socket in `stream` alone, for the command
//! line.

mod stream;

pub use stream::{AdminTrust, SecureStream};

mod asking;
mod bounds;
mod dates;
mod peers;

pub use dates::{Dates, dates_in};
pub(in crate::io) use peers::PeerSecurity;
pub use peers::{PeerFiles, PeerTls};

use crate::gateway::certificate::CertificateDigest;
use asking::Asking;
use bounds::{ShortChainsOfClients, ShortChainsOfServers};
use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ProducesTickets, WebPkiClientVerifier};
use rustls::sign::SigningKey;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, SignatureAlgorithm,
    SignatureScheme, StreamOwned,
};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Octets of a file of certificates or of a key, at most.
const PEM_OCTETS_MAX: u64 = 4 << 20;
/// Servers whose sessions a shard remembers.
const SESSIONS_MAX: usize = 1024;
/// What is spoken within TLS, for clients that ask (RFC 7301).
const HTTP: &[u8] = b"http/1.1";

/// The files of a port that speaks TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate with those that lead to its authority, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// The authorities of client certificates, PEM: with them every client needs one. Without them
    /// it may show any, which proves it to registrations that name that certificate.
    pub client_ca: Option<PathBuf>,
}

/// Why TLS cannot be spoken with these files; each message is one sentence with its remedy.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error(
        "the {what} {} cannot be read ({detail}): correct the path or its permissions",
        path.display()
    )]
    Unreadable {
        /// What it should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What reading it said.
        detail: String,
    },
    /// A file is not PEM, or holds something else.
    #[error("the {what} {} {detail}: give a PEM file", path.display())]
    NotPem {
        /// What it should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// Certificate and key do not go together, or cannot be used.
    #[error(
        "the certificate {} and the key {} cannot be used ({detail}): give a certificate and the \
         key that it was made with",
        certificate.display(),
        key.display()
    )]
    Unfit {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// What the library said.
        detail: String,
    },
    /// The system gives no chance, or no authority.
    #[error("TLS cannot be set up ({0}): report this line")]
    NotSetUp(String),
}

/// What a port's connections are secured with; shared by all shards.
#[derive(Clone)]
pub struct Acceptance {
    config: Arc<ServerConfig>,
    tickets: Arc<dyn ProducesTickets>,
    rsa_signing_ns: Option<u64>,
    needs_certificates: bool,
}

impl std::fmt::Debug for Acceptance {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Acceptance").finish_non_exhaustive()
    }
}

impl Acceptance {
    /// Reads the files. Tickets that were given `before` stay good. Where every client needs a
    /// certificate of an authority there are none: nobody looks at it again when a ticket is shown,
    /// and neither one that has expired nor an authority that is trusted no more may go on for so
    /// long.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn read(files: &TlsFiles, before: Option<&Self>) -> Result<Self, TlsError> {
        let unfit = |error: rustls::Error| TlsError::Unfit {
            certificate: files.certificate.clone(),
            key: files.key.clone(),
            detail: error.to_string(),
        };
        let chain = certificates("certificate", &files.certificate)?;
        let key = private_key("key", &files.key)?;
        let signing = rustls::crypto::ring::sign::any_supported_type(&key).map_err(unfit)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier: Arc<dyn ClientCertVerifier> = match &files.client_ca {
            None => Arc::new(Asking::new(Arc::clone(&provider))),
            Some(path) => {
                let roots = Arc::new(authorities("client authority", path)?);
                let builder =
                    WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider));
                let chains =
                    builder.build().map_err(|error| TlsError::NotSetUp(error.to_string()))?;
                Arc::new(ShortChainsOfClients(chains))
            }
        };
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| TlsError::NotSetUp(error.to_string()))?;
        let config = builder.with_client_cert_verifier(verifier).with_single_cert(chain, key);
        let mut config = config.map_err(unfit)?;
        let tickets = match before {
            Some(before) if files.client_ca.is_none() => Arc::clone(&before.tickets),
            _ => rustls::crypto::ring::Ticketer::new()
                .map_err(|error| TlsError::NotSetUp(error.to_string()))?,
        };
        if files.client_ca.is_none() {
            config.ticketer = Arc::clone(&tickets);
        } else {
            config.send_tls13_tickets = 0;
        }
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.alpn_protocols = vec![HTTP.to_vec()];
        Ok(Self {
            config: Arc::new(config),
            tickets,
            rsa_signing_ns: rsa_signing_ns(signing.as_ref()),
            needs_certificates: files.client_ca.is_some(),
        })
    }

    /// The same for SMPP, which has no name among the protocols within TLS.
    #[must_use]
    pub fn of_smpp(mut self) -> Self {
        Arc::make_mut(&mut self.config).alpn_protocols.clear();
        self
    }

    /// How long a signature takes by an RSA key, nanoseconds; `None`: it is of another kind, and
    /// quick.
    pub fn slow_signing_ns(&self) -> Option<u64> {
        self.rsa_signing_ns
    }

    /// Whether every client needs a certificate of an authority: then those that came in by an
    /// earlier acceptance have to come in anew.
    pub fn needs_certificates(&self) -> bool {
        self.needs_certificates
    }

    /// What a connection that is accepted now is secured with.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

/// The files of notifications over TLS.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct CallingFiles {
    /// Authorities that are trusted beside those of this system, PEM.
    pub authorities: Option<PathBuf>,
    /// The certificate that is shown to servers that ask for one, and its key, PEM.
    pub shown: Option<(PathBuf, PathBuf)>,
}

/// What connections to others are secured with.
#[derive(Clone)]
pub struct Calling {
    config: Arc<ClientConfig>,
}

impl std::fmt::Debug for Calling {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Calling").finish_non_exhaustive()
    }
}

impl Calling {
    /// Reads the authorities of this system and the files. A system without authorities is no
    /// error: its connections say whom they do not trust.
    ///
    /// # Errors
    /// The first thing that is wrong with the files.
    pub fn read(files: &CallingFiles) -> Result<Self, TlsError> {
        let names = ["notification authority", "notification certificate", "notification key"];
        Self::read_named(files, names)
    }

    /// The same for a carrier, whose files they are.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_for_carrier(files: &CallingFiles) -> Result<Self, TlsError> {
        let names = ["carrier's authority", "certificate for the carrier", "key for the carrier"];
        Ok(Self::read_named(files, names)?.of_smpp())
    }

    fn read_named(
        files: &CallingFiles,
        [authority, certificate, key]: [&'static str; 3],
    ) -> Result<Self, TlsError> {
        let mut roots = match &files.authorities {
            Some(path) => authorities(authority, path)?,
            None => RootCertStore::empty(),
        };
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let config = client_config(roots, files.shown.as_ref(), [certificate, key])?;
        Ok(Self { config: Arc::new(config) })
    }

    /// The same for SMPP, which has no name among the protocols within TLS.
    #[must_use]
    pub fn of_smpp(mut self) -> Self {
        Arc::make_mut(&mut self.config).alpn_protocols.clear();
        self
    }

    /// The same with a memory of sessions of its own: each shard resumes its own, and waits for no
    /// other.
    pub(crate) fn of_a_shard(&self) -> Self {
        let mut config = ClientConfig::clone(&self.config);
        config.resumption = Resumption::in_memory_sessions(SESSIONS_MAX);
        Self { config: Arc::new(config) }
    }

    /// Whether a certificate can be made for this name or address.
    ///
    /// # Errors
    /// That it cannot, in one sentence.
    pub fn check_name(host: &str) -> Result<(), String> {
        server_name(host).map(drop).map_err(|clause| format!("{clause}: give another one"))
    }

    /// A call of a server that has to have this name or address; nothing is reckoned yet.
    ///
    /// # Errors
    /// Why it cannot be called, as a clause.
    pub fn call(&self, host: &str) -> Result<Call, String> {
        Ok(Call { config: Arc::clone(&self.config), name: server_name(host)? })
    }
}

fn server_name(host: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(host.to_owned())
        .map_err(|_| format!("no certificate can be made for the name {host}"))
}

/// What a client is set up with that trusts these authorities and shows this certificate, if any.
/// `names` are those of its two files.
fn client_config(
    roots: RootCertStore,
    shown: Option<&(PathBuf, PathBuf)>,
    names: [&'static str; 2],
) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = ShortChainsOfServers::new(Arc::clone(&provider), roots);
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| TlsError::NotSetUp(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match shown {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(names[0], certificate)?;
            let signing = private_key(names[1], key)?;
            builder.with_client_auth_cert(chain, signing).map_err(|error| TlsError::Unfit {
                certificate: certificate.clone(),
                key: key.clone(),
                detail: error.to_string(),
            })?
        }
    };
    config.alpn_protocols = vec![HTTP.to_vec()];
    Ok(config)
}

/// A server that is about to be called.
pub struct Call {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Call {
    /// Makes the first word, which takes a key.
    pub(crate) fn begin(&self) -> Result<UnbufferedClientConnection, rustls::Error> {
        UnbufferedClientConnection::new(Arc::clone(&self.config), self.name.clone())
    }
}

impl Call {
    /// The same over a socket that is waited for.
    pub fn over<S: Read + Write>(
        self,
        socket: S,
    ) -> Result<StreamOwned<ClientConnection, S>, rustls::Error> {
        ClientConnection::new(self.config, self.name)
            .map(|connection| StreamOwned::new(connection, socket))
    }
}

/// How long an RSA key takes to sign, tried once.
fn rsa_signing_ns(key: &dyn SigningKey) -> Option<u64> {
    if key.algorithm() != SignatureAlgorithm::RSA {
        return None;
    }
    let signer = key.choose_scheme(&[SignatureScheme::RSA_PSS_SHA256])?;
    let begun_ns = host::clock::monotonic_ns();
    signer.sign(b"a handshake").ok()?;
    Some(host::clock::monotonic_ns() - begun_ns)
}

/// What failed, as a clause that a person understands.
pub(crate) fn clause(error: &rustls::Error) -> String {
    use rustls::{AlertDescription as Alert, CertificateError as Bad, Error, PeerIncompatible};
    let clause = match error {
        Error::InvalidCertificate(bad) => match bad {
            Bad::Expired | Bad::ExpiredContext { .. } => "the certificate has expired",
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => "the certificate is not valid yet",
            // An authority of that name is known, and has another kind of key.
            Bad::UnknownIssuer
            | Bad::BadSignature
            | Bad::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                "no authority that is trusted has issued the certificate"
            }
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                "the certificate is made for another name"
            }
            Bad::InvalidPurpose | Bad::InvalidPurposeContext { .. } => {
                "the certificate is made for another purpose"
            }
            other if other.to_string().contains("CaUsedAsEndEntity") => {
                "the certificate is an authority's own and no server's"
            }
            Bad::ApplicationVerificationFailure => {
                "more certificates are shown than five that lead to an authority, or 16 KiB"
            }
            other => return format!("the certificate is no good ({other})"),
        },
        Error::NoCertificatesPresented => {
            "the client shows no certificate, which is asked for here"
        }
        Error::AlertReceived(alert) => match alert {
            Alert::CertificateRequired => "the other side asks for a client certificate",
            Alert::UnknownCA | Alert::BadCertificate | Alert::CertificateUnknown => {
                "the other side does not trust the certificate"
            }
            Alert::CertificateExpired => "the other side says that the certificate has expired",
            Alert::ProtocolVersion => "the other side does not speak TLS 1.3",
            other => return format!("the other side ended it ({other:?})"),
        },
        Error::PeerIncompatible(
            PeerIncompatible::SupportedVersionsExtensionRequired
            | PeerIncompatible::Tls13RequiredForQuic
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => "the other side does not speak TLS 1.3",
        Error::InvalidMessage(_) => "the other side does not speak TLS",
        other => return other.to_string(),
    };
    clause.to_owned()
}

/// What failed on a socket that speaks TLS, as a clause that a person understands.
pub fn cause(error: &std::io::Error) -> String {
    let of_tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    of_tls.map_or_else(|| error.to_string(), clause)
}

/// The digest of the first certificate in a PEM file.
///
/// # Errors
/// When it holds none.
pub fn digest_in(path: &Path) -> Result<CertificateDigest, TlsError> {
    let what = "client certificate";
    let found = certificates(what, path)?;
    found.first().map(|first| CertificateDigest::of(first)).ok_or_else(|| TlsError::NotPem {
        what,
        path: path.to_owned(),
        detail: "holds no certificate".to_owned(),
    })
}

/// The octets of a file, up to a bound.
fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    host::reading::read_bounded(path, PEM_OCTETS_MAX).map(String::into_bytes).map_err(|error| {
        TlsError::Unreadable { what, path: path.to_owned(), detail: error.to_string() }
    })
}

fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let not_pem = |detail| TlsError::NotPem { what, path: path.to_owned(), detail };
    let octets = read(what, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&octets).collect();
    let found = found.map_err(|error| not_pem(format!("is no PEM ({error})")))?;
    match found.is_empty() {
        false => Ok(found),
        true => Err(not_pem("holds no certificate".to_owned())),
    }
}

fn private_key(what: &'static str, path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let octets = read(what, path)?;
    PrivateKeyDer::from_pem_slice(&octets).map_err(|error| TlsError::NotPem {
        what,
        path: path.to_owned(),
        detail: format!("holds no private key without a password ({error})"),
    })
}

fn authorities(what: &'static str, path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(what, path)? {
        roots.add(certificate).map_err(|error| TlsError::NotPem {
            what,
            path: path.to_owned(),
            detail: format!("holds a certificate that is no authority's ({error})"),
        })?;
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};

    fn write(directory: &Path, name: &str, text: &str) -> PathBuf {
        let path = directory.join(name);
        std::fs::write(&path, text).expect("a writable directory");
        path
    }

    fn made() -> CertifiedKey<KeyPair> {
        generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate")
    }

    #[test]
    fn files_that_do_not_go_together_are_refused_in_one_sentence_that_names_them() {
        let place = tempfile::tempdir().expect("a directory");
        let (one, other) = (made(), made());
        let certificate = write(place.path(), "cert.pem", &one.cert.pem());
        let key = write(place.path(), "key.pem", &one.signing_key.serialize_pem());
        let other = write(place.path(), "other.pem", &other.signing_key.serialize_pem());
        let text = write(place.path(), "text.pem", "no PEM at all");
        let files = |certificate: &Path, key: &Path, client_ca: Option<&Path>| TlsFiles {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            client_ca: client_ca.map(Path::to_owned),
        };
        assert!(Acceptance::read(&files(&certificate, &key, None), None).is_ok());
        assert!(Acceptance::read(&files(&certificate, &key, Some(&certificate)), None).is_ok());
        for (wrong, named) in [
            (files(&certificate, &other, None), "other.pem"),
            (files(&text, &key, None), "text.pem"),
            (files(&key, &key, None), "key.pem"),
            (files(&certificate, &certificate, None), "cert.pem"),
            (files(&certificate, &place.path().join("gone.pem"), None), "gone.pem"),
            (files(&certificate, &key, Some(&text)), "text.pem"),
        ] {
            let sentence = Acceptance::read(&wrong, None).expect_err(named).to_string();
            assert!(sentence.contains(named) && !sentence.contains('\n'), "{sentence}");
            assert!(!sentence.contains("PRIVATE KEY"), "{sentence}");
        }
    }

    #[test]
    fn tickets_outlive_a_reload_but_not_where_client_certificates_are_asked_for() {
        let place = tempfile::tempdir().expect("a directory");
        let made = made();
        let certificate = write(place.path(), "cert.pem", &made.cert.pem());
        let key = write(place.path(), "key.pem", &made.signing_key.serialize_pem());
        let mut files = TlsFiles { certificate: certificate.clone(), key, client_ca: None };
        let before = Acceptance::read(&files, None).expect("good files");
        let sealed = before.tickets.encrypt(b"a session").expect("a ticket");
        let after = Acceptance::read(&files, Some(&before)).expect("good files");
        assert_eq!(after.tickets.decrypt(&sealed).as_deref(), Some(&b"a session"[..]));
        files.client_ca = Some(certificate);
        let after = Acceptance::read(&files, Some(&before)).expect("good files");
        assert_eq!(after.tickets.decrypt(&sealed), None);
    }
}
