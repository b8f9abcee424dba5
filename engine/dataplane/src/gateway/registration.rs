//! A push client's registration, keyed by XPID: what the operator and the push client agreed on.

use super::broadcasting::BroadcastRule;
use super::certificate::CertificateDigest;
use super::limits::{
    CERTIFICATES_MAX, CLIENT_NAME_OCTETS_MAX, NETWORKS_MAX, RATE_PER_SECOND_MAX,
    SENDER_CHARACTERS_MAX, SENDERS_MAX, VOLUME_PER_DAY_MAX,
};
use super::permissions::{ClassSet, KindSet};
use super::price::Price;
use super::smpp::{SmppAccount, SmppAccountError};
use ipnet::IpNet;
use std::net::IpAddr;
use thiserror::Error;
use wire::push::notify_url::NotifyUrl;
use wire::push::sign::{SECRETS_MAX, Secret};
use wire::terms::ids::{Xpid, is_a_type};
use wire::terms::svcinst::Svcinst;
use wire::terms::time::WallMs;

/// One registration. Plain data: [`Registration::check`] says whether it can be used.
#[derive(Clone, PartialEq, Debug)]
pub struct Registration {
    /// The key.
    pub xpid: Xpid,
    /// The push client's name, 1 to 64 octets; one client may have several XPIDs.
    pub client: String,
    /// SHA-256 of the client's bearer token; `None` asks for none.
    pub token_sha256: Option<[u8; 32]>,
    /// SHA-256 of the one that is to follow it: both count.
    pub second_token_sha256: Option<[u8; 32]>,
    /// Networks that pushes may come from; none: from anywhere.
    pub networks: Vec<IpNet>,
    /// Certificates that pushes have to come with, one of them; none: they come without as well.
    pub certificates: Vec<CertificateDigest>,
    /// Pushes are refused (2004) while this is set.
    pub suspended: bool,
    /// First instant of the term.
    pub valid_from_ms: WallMs,
    /// First instant after the term; [`WallMs::NEVER`] leaves it open.
    pub valid_until_ms: WallMs,
    /// The classes it may push with.
    pub classes: ClassSet,
    /// The kinds it may push.
    pub kinds: KindSet,
    /// Originating addresses it may use, 1 to 16, each 1 to 11 characters of type A; the first is
    /// the default. Digits alone make a number, anything else a name.
    pub senders: Vec<String>,
    /// Whether a push may be cut into several SMS.
    pub segmentation: bool,
    /// The delivery-control flags.
    pub svcinst: Svcinst,
    /// Whether a push that does not say wants its notification.
    pub notify: bool,
    /// Where notifications go; without it nothing is notified.
    pub notify_url: Option<NotifyUrl>,
    /// Secrets that notifications are signed under, two at most; without one they are not signed.
    pub notify_secrets: Vec<Secret>,
    /// Connections to the notification URL per shard, at least 1.
    pub notify_connections: u16,
    /// Notifications on their way at once on each of those connections, at least 1.
    pub notify_depth: u16,
    /// Pushes per second; 0 is unlimited.
    pub rate_per_second: u32,
    /// Pushes accepted per day in Japan; 0 is unlimited.
    pub volume_per_day: u64,
    /// Rows of broadcasts a second, of all its broadcasts together; 0 is unlimited.
    pub broadcast_rate: u32,
    /// Whether the national language shift tables may be used.
    pub national_tables: bool,
    /// Its pushes go to phones of which the state of the line is known: by no carrier, since that
    /// alone knows the line.
    pub line_state: bool,
    /// What a carrier was sent of a push of its and did not answer is not sent again.
    pub doubt_is_final: bool,
    /// Whether it may send broadcasts, and who has to agree to one.
    pub broadcasts: BroadcastRule,
    /// What a short message costs it, if that is said: a dry run of a broadcast tells the sum.
    pub segment_price: Option<Price>,
    /// By what it binds over SMPP, if it may.
    pub smpp: Option<SmppAccount>,
}

impl Registration {
    /// A registration with the defaults: no token, open term, standard class, both kinds, the
    /// XPID's own digits as its sender, segmentation on, notifications on but without a URL, no
    /// limits, no broadcasts.
    pub fn new(xpid: Xpid, client: impl Into<String>) -> Self {
        Self {
            xpid,
            client: client.into(),
            token_sha256: None,
            second_token_sha256: None,
            networks: Vec::new(),
            certificates: Vec::new(),
            suspended: false,
            valid_from_ms: WallMs::ZERO,
            valid_until_ms: WallMs::NEVER,
            classes: ClassSet::default(),
            kinds: KindSet::default(),
            senders: vec![xpid.to_string()],
            segmentation: true,
            svcinst: Svcinst::default(),
            notify: true,
            notify_url: None,
            notify_secrets: Vec::new(),
            notify_connections: 4,
            notify_depth: 1,
            rate_per_second: 0,
            volume_per_day: 0,
            broadcast_rate: 0,
            national_tables: false,
            line_state: false,
            doubt_is_final: false,
            broadcasts: BroadcastRule::No,
            segment_price: None,
            smpp: None,
        }
    }

    /// The digests of its tokens, the older one first.
    pub fn tokens(&self) -> impl Iterator<Item = [u8; 32]> {
        [self.token_sha256, self.second_token_sha256].into_iter().flatten()
    }

    /// Whether whoever reaches the push port may push with this XPID: it asks for no token and no
    /// certificate, and not where pushes come from.
    pub fn is_open(&self) -> bool {
        self.tokens().next().is_none() && self.networks.is_empty() && self.certificates.is_empty()
    }

    /// Whether it is in its term and not suspended.
    #[inline]
    pub fn is_in_force(&self, now_ms: WallMs) -> bool {
        !self.suspended && (self.valid_from_ms..self.valid_until_ms).contains(&now_ms)
    }

    /// Whether a session of SMPP may come from this address: from one of its networks, if it names
    /// any.
    pub fn may_come_from(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.networks.is_empty() || self.networks.iter().any(|network| network.contains(&peer))
    }

    /// Whether a connection with this certificate, or none, may be used for it: with one of its
    /// own, if it names any.
    pub fn takes_certificate(&self, shown: Option<CertificateDigest>) -> bool {
        self.certificates.is_empty()
            || shown.is_some_and(|shown| self.certificates.contains(&shown))
    }

    /// Whether the registration can be used on its own; whether it goes together with the others,
    /// [`Registry::new`](super::registry::Registry::new) says.
    ///
    /// # Errors
    /// The first thing that is wrong, as a sentence for the operator.
    pub fn check(&self) -> Result<(), RegistrationError> {
        if self.client.trim().is_empty() || self.client.len() > CLIENT_NAME_OCTETS_MAX {
            return Err(RegistrationError::ClientName);
        }
        if self.senders.is_empty() || self.senders.len() > SENDERS_MAX {
            return Err(RegistrationError::SenderCount { given: self.senders.len() });
        }
        for (position, sender) in self.senders.iter().enumerate() {
            let fits = (1..=SENDER_CHARACTERS_MAX).contains(&sender.len());
            if !fits || !sender.bytes().all(is_a_type) {
                return Err(RegistrationError::Sender { sender: sender.clone() });
            }
            if self.senders[..position].contains(sender) {
                return Err(RegistrationError::SenderTwice { sender: sender.clone() });
            }
        }
        if self.networks.len() > NETWORKS_MAX {
            return Err(RegistrationError::Networks { given: self.networks.len() });
        }
        if self.certificates.len() > CERTIFICATES_MAX {
            return Err(RegistrationError::Certificates { given: self.certificates.len() });
        }
        if self.valid_from_ms >= self.valid_until_ms {
            return Err(RegistrationError::Term);
        }
        if self.notify_connections == 0 || self.notify_depth == 0 {
            return Err(RegistrationError::NotifyConnections);
        }
        if self.notify_secrets.len() > SECRETS_MAX {
            return Err(RegistrationError::NotifySecrets);
        }
        if self.rate_per_second.max(self.broadcast_rate) > RATE_PER_SECOND_MAX {
            return Err(RegistrationError::Rate);
        }
        if self.volume_per_day > VOLUME_PER_DAY_MAX {
            return Err(RegistrationError::Volume);
        }
        if let Some(account) = &self.smpp {
            account.check(!self.networks.is_empty())?;
        }
        Ok(())
    }
}

/// Why a registration cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum RegistrationError {
    /// Empty or too long.
    #[error("the client's name must have 1 to {CLIENT_NAME_OCTETS_MAX} octets; give another one")]
    ClientName,
    /// None or too many.
    #[error("a registration needs 1 to {SENDERS_MAX} senders, not {given}; add or remove some")]
    SenderCount {
        /// How many there are.
        given: usize,
    },
    /// Not of type A or too long.
    #[error(
        "the sender {sender:?} must be 1 to {SENDER_CHARACTERS_MAX} of 0-9 A-Z a-z . _ -; change it"
    )]
    Sender {
        /// Which.
        sender: String,
    },
    /// Listed twice.
    #[error("the sender {sender:?} is listed twice; remove one")]
    SenderTwice {
        /// Which.
        sender: String,
    },
    /// Too many.
    #[error("a registration has {NETWORKS_MAX} networks at most, not {given}; name larger ones")]
    Networks {
        /// How many there are.
        given: usize,
    },
    /// Too many.
    #[error(
        "a registration has {CERTIFICATES_MAX} certificates at most, not {given}; name the one in \
         use and the one that is to follow it"
    )]
    Certificates {
        /// How many there are.
        given: usize,
    },
    /// The end is not after the beginning.
    #[error("the term ends before it begins; give a later end or leave it open")]
    Term,
    /// No connection to notify over.
    #[error(
        "notifications need at least one connection and a depth of at least 1; raise both to 1 or \
         more"
    )]
    NotifyConnections,
    /// Too many.
    #[error("a registration has at most {SECRETS_MAX} notification secrets; give fewer")]
    NotifySecrets,
    /// Above the limit.
    #[error("the rate must be 0 (unlimited) to {RATE_PER_SECOND_MAX} pushes a second; lower it")]
    Rate,
    /// Above the limit.
    #[error("the volume must be 0 (unlimited) to {VOLUME_PER_DAY_MAX} pushes a day; lower it")]
    Volume,
    /// What is wrong with its account of SMPP.
    #[error(transparent)]
    Smpp(#[from] SmppAccountError),
    /// The XPID is registered already.
    #[error("the XPID is registered twice; remove one of the registrations")]
    XpidTwice,
    /// The token is another client's.
    #[error(
        "the token already belongs to the client {client:?}; give each client a token of its own"
    )]
    TokenOfAnother {
        /// Whose it is.
        client: String,
    },
    /// The certificate is another client's.
    #[error(
        "the certificate already belongs to the client {client:?}; give each client one of its own"
    )]
    CertificateOfAnother {
        /// Whose it is.
        client: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registration() -> Registration {
        Registration::new(Xpid::from_value(100_000_001).expect("legal"), "demo")
    }

    #[test]
    fn the_defaults_can_be_used() {
        let registration = registration();
        assert_eq!(registration.check(), Ok(()));
        assert_eq!(registration.senders, ["00100000001"]);
        assert_eq!(registration.svcinst.to_string(), "00011");
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        type Change = fn(&mut Registration);
        let wrong: [(RegistrationError, Change); 12] = [
            (RegistrationError::Networks { given: 65 }, |r| {
                r.networks = vec!["10.0.0.0/8".parse().expect("a network"); 65]
            }),
            (RegistrationError::Certificates { given: 3 }, |r| {
                r.certificates = vec![CertificateDigest::of(b"one"); 3]
            }),
            (RegistrationError::ClientName, |r| r.client.clear()),
            (RegistrationError::ClientName, |r| r.client = "x".repeat(65)),
            (RegistrationError::SenderCount { given: 0 }, |r| r.senders.clear()),
            (RegistrationError::SenderCount { given: 17 }, |r| {
                r.senders = (0..17).map(|n| n.to_string()).collect()
            }),
            (RegistrationError::Sender { sender: "twelve chars".into() }, |r| {
                r.senders = vec!["twelve chars".into()]
            }),
            (RegistrationError::SenderTwice { sender: "a".into() }, |r| {
                r.senders = vec!["a".into(), "a".into()]
            }),
            (RegistrationError::Term, |r| r.valid_until_ms = WallMs::ZERO),
            (RegistrationError::NotifyConnections, |r| r.notify_depth = 0),
            (RegistrationError::Rate, |r| r.rate_per_second = 1_000_001),
            (RegistrationError::Volume, |r| r.volume_per_day = 1 << 44),
        ];
        for (error, change) in wrong {
            let mut registration = registration();
            change(&mut registration);
            assert_eq!(registration.check(), Err(error));
        }
    }
}
