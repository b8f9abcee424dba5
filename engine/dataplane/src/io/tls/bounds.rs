//! Bounds of the certificates that a peer shows, before anybody looks at them.
//!
//! A chain is put together by trying: each certificate that may have issued another one, in every
//! order, and all of them are read for each try. That comes before the peer has proved anything, on
//! a shard's own time, and within the library's own budget it may take a minute. So a chain is
//! refused at sight that has more certificates than an honest one needs.

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible,
    RootCertStore, SignatureScheme,
};
use std::sync::Arc;

/// Certificates that lead from a peer's own to an authority. Of so many there are some 300 orders;
/// of eight there are 30,000.
const INTERMEDIATES_MAX: usize = 5;
/// Octets of all of them: they are kept as long as the connection.
const SHOWN_OCTETS_MAX: usize = 16 * 1024;

/// Whether so many certificates are looked at.
pub(super) fn check_shown(
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
) -> Result<(), Error> {
    let octets = intermediates.iter().map(|one| one.len()).sum::<usize>() + end_entity.len();
    if intermediates.len() > INTERMEDIATES_MAX || octets > SHOWN_OCTETS_MAX {
        return Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure));
    }
    Ok(())
}

/// Lets clients in whose chain is short and leads to an authority.
#[derive(Debug)]
pub(super) struct ShortChainsOfClients(pub(super) Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for ShortChainsOfClients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        check_shown(end_entity, intermediates)?;
        self.0.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Calls servers whose chain is short and leads to an authority.
#[derive(Debug)]
pub(super) struct ShortChainsOfServers {
    provider: Arc<CryptoProvider>,
    /// None where no authority is trusted.
    chains: Option<Arc<WebPkiServerVerifier>>,
}

impl ShortChainsOfServers {
    /// Those that lead to one of these.
    pub(super) fn new(provider: Arc<CryptoProvider>, roots: RootCertStore) -> Self {
        let builder =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        // It refuses nothing but to have no authority.
        Self { provider, chains: builder.build().ok() }
    }
}

impl ServerCertVerifier for ShortChainsOfServers {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        check_shown(end_entity, intermediates)?;
        match &self.chains {
            Some(chains) => chains.verify_server_cert(end_entity, intermediates, name, ocsp, now),
            None => Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// TLS 1.2 is not built in: nobody signs by it.
pub(super) fn no_tls12() -> Error {
    Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
    };
    use rustls::server::WebPkiClientVerifier;
    use std::time::Duration;

    type Issuer = CertifiedIssuer<'static, KeyPair>;

    fn params(name: &str, is_authority: bool) -> CertificateParams {
        let mut params = CertificateParams::new(vec!["peer.example".to_owned()]).expect("a name");
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2090, 1, 1);
        if is_authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        params
    }

    fn root(name: &str) -> Issuer {
        let key = KeyPair::generate().expect("a key");
        CertifiedIssuer::self_signed(params(name, true), key).expect("an authority")
    }

    fn below(name: &str, issuer: &Issuer) -> Issuer {
        let key = KeyPair::generate().expect("a key");
        CertifiedIssuer::signed_by(params(name, true), key, issuer).expect("an authority")
    }

    fn peer_of(issuer: &Issuer) -> CertificateDer<'static> {
        let key = KeyPair::generate().expect("a key");
        params("peer", false).signed_by(&key, issuer).expect("a certificate").der().clone()
    }

    /// Whether either side takes the chain, and how long the slower one needed.
    fn judge(
        trusted: &Issuer,
        end_entity: &CertificateDer<'static>,
        intermediates: &[CertificateDer<'static>],
    ) -> (bool, bool, Duration) {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(trusted.der().clone()).expect("an authority");
        let builder = WebPkiClientVerifier::builder_with_provider(
            Arc::new(roots.clone()),
            Arc::clone(&provider),
        );
        let clients = ShortChainsOfClients(builder.build().expect("authorities"));
        let servers = ShortChainsOfServers::new(provider, roots);
        let begun = host::clock::instant();
        let client = clients.verify_client_cert(end_entity, intermediates, UnixTime::now());
        let after_one = begun.elapsed();
        let name = ServerName::try_from("peer.example").expect("a name");
        let server =
            servers.verify_server_cert(end_entity, intermediates, &name, &[], UnixTime::now());
        let longer = after_one.max(begun.elapsed() - after_one);
        (client.is_ok(), server.is_ok(), longer)
    }

    #[test]
    fn a_chain_of_a_few_certificates_is_taken_and_a_longer_one_is_not() {
        let trusted = root("the root");
        let mut chain = vec![below("1", &trusted)];
        for number in 2..=9 {
            let next = below(&number.to_string(), &chain[chain.len() - 1]);
            chain.push(next);
        }
        for (count, taken) in [(1, true), (3, true), (5, true), (6, false), (9, false)] {
            let peer = peer_of(&chain[count - 1]);
            let shown: Vec<_> = chain[..count].iter().rev().map(|one| one.der().clone()).collect();
            let (client, server, _) = judge(&trusted, &peer, &shown);
            assert_eq!((client, server), (taken, taken), "{count} between");
        }
    }

    /// Ten authorities of one name that may each have issued the others, among as many as a message
    /// holds of other names: within the library's budget that is a hundred thousand orders.
    #[test]
    fn a_chain_that_is_made_to_be_tried_in_every_order_is_refused_at_once() {
        let trusted = root("the root");
        let circle: Vec<Issuer> = (0..10).map(|_| root("a circle")).collect();
        let others: Vec<Issuer> = (0..40).map(|number| root(&number.to_string())).collect();
        let shown = |circle: &[Issuer]| -> Vec<CertificateDer<'static>> {
            circle.iter().chain(&others).map(|one| one.der().clone()).collect()
        };
        let peer = peer_of(&circle[0]);
        let most = circle[..INTERMEDIATES_MAX].iter().map(|one| one.der().clone()).collect();
        for shown in [shown(&circle), most] {
            let (client, server, within) = judge(&trusted, &peer, &shown);
            assert_eq!((client, server), (false, false));
            assert!(within < Duration::from_millis(250), "{within:?}");
        }
    }
}
