//! The registrations as the data path sees them: an immutable snapshot, replaced as a whole when
//! one changes.

use super::certificate::CertificateDigest;
use super::limits::AUTHORIZATION_OCTETS_MAX;
use super::meter::Meter;
use super::networks::Networks;
use super::registration::{Registration, RegistrationError};
use super::smpp::{Seats, SmppAccountError};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use wire::sms::relay::OriginatingAddress;
use wire::terms::code::Code;
use wire::terms::ids::Xpid;
use wire::terms::mix::mix;
use wire::terms::time::WallMs;

/// A hasher for keys that are one number, such as an XPID. The numbers come from the operator, not
/// from the network: no protection against chosen collisions is needed.
#[derive(Default)]
pub(super) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn write_u64(&mut self, value: u64) {
        self.0 = mix(self.0 ^ value);
    }

    fn write(&mut self, octets: &[u8]) {
        for &octet in octets {
            self.write_u64(u64::from(octet));
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Builds [`NumberHasher`]s.
pub(super) type NumberState = BuildHasherDefault<NumberHasher>;

/// SHA-256 of a bearer token: what [`Registration::token_sha256`] holds.
pub fn token_sha256(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// One registration inside a snapshot, with what the data path needs made ready.
#[derive(Clone, Debug)]
pub struct Registered {
    /// As registered.
    pub registration: Registration,
    /// The registration's senders in their order, and each as TP-Originating-Address.
    pub senders: Vec<(String, OriginatingAddress)>,
    /// Position in the snapshot.
    pub index: u32,
    /// Rate and volume, carried on from snapshot to snapshot.
    pub meter: Arc<Meter>,
    /// Its bound sessions of SMPP, carried on likewise.
    pub seats: Arc<Seats>,
    client: u32,
    /// It asks where pushes come from, or for a certificate.
    is_guarded: bool,
}

/// What goes on from snapshot to snapshot.
type Kept = (Arc<Meter>, Arc<Seats>);

/// A snapshot of every usable registration.
#[derive(Debug)]
pub struct Registry {
    registered: Vec<Registered>,
    by_xpid: HashMap<Xpid, u32, NumberState>,
    clients: Vec<String>,
    client_by_token: HashMap<[u8; 32], u32>,
    client_by_certificate: HashMap<CertificateDigest, u32>,
    by_system_id: HashMap<String, u32>,
    /// Where some account may bind from.
    binders: Networks,
    refused: Vec<(Xpid, RegistrationError)>,
    /// Tells snapshots apart: no two of a process have the same.
    snapshot: u64,
}

impl Default for Registry {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl Registry {
    /// A snapshot with fresh meters. A registration that cannot be used, or whose XPID or token
    /// another one before it has, is left out and listed by [`Self::refused`]: one bad row does not
    /// stop the others.
    pub fn new(registrations: Vec<Registration>) -> Self {
        Self::build(registrations, |_| None)
    }

    /// The next snapshot: XPIDs that this one has keep their meters, with the new limits.
    pub fn succeed(&self, registrations: Vec<Registration>) -> Self {
        Self::build(registrations, |xpid| {
            let earlier = self.find(xpid)?;
            Some((Arc::clone(&earlier.meter), Arc::clone(&earlier.seats)))
        })
    }

    /// Of a cluster's node, which has so many of all partitions: it lets through that share of each
    /// limit, and something of every one. Pushes come to partitions evenly, so together the nodes
    /// let through about what is allowed.
    pub fn share_limits(&self, owned: usize, partitions: usize) {
        let (owned, partitions) = (owned as u64, partitions.max(1) as u64);
        let share = |limit: u64| match limit {
            0 => 0,
            limit => (u128::from(limit) * u128::from(owned)).div_ceil(partitions.into()) as u64,
        };
        for Registered { registration, meter, .. } in &self.registered {
            let rate = share(u64::from(registration.rate_per_second));
            let volume = share(registration.volume_per_day);
            // 0 would be no limit at all.
            let at_least = |share: u64, whole: u64| if whole == 0 { 0 } else { share.max(1) };
            meter.set_limits(
                at_least(rate, registration.rate_per_second.into()) as u32,
                at_least(volume, registration.volume_per_day),
            );
            let rows = u64::from(registration.broadcast_rate);
            meter.set_broadcast_rate(at_least(share(rows), rows) as u32);
        }
    }

    /// The registration of `xpid`.
    #[inline]
    pub fn find(&self, xpid: Xpid) -> Option<&Registered> {
        self.by_xpid.get(&xpid).map(|&index| &self.registered[index as usize])
    }

    /// The registration that binds over SMPP by this name.
    pub fn of_system_id(&self, system_id: &[u8]) -> Option<&Registered> {
        let index = self.by_system_id.get(str::from_utf8(system_id).ok()?)?;
        Some(&self.registered[*index as usize])
    }

    /// Whether any account may be bound to over SMPP from this address.
    pub fn may_bind_from(&self, peer: IpAddr) -> bool {
        self.binders.contain(peer)
    }

    /// The name of the client that has this bearer token. Hashes the token: for once per
    /// connection.
    pub fn client_of_token(&self, token: &[u8]) -> Option<&str> {
        self.client_number(token).map(|client| self.clients[client as usize].as_str())
    }

    /// Every usable registration, in the order they were given.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Registered> {
        self.registered.iter()
    }

    /// The number of usable registrations.
    pub fn len(&self) -> usize {
        self.registered.len()
    }

    /// Whether there is no usable registration.
    pub fn is_empty(&self) -> bool {
        self.registered.is_empty()
    }

    /// The registrations that were left out, and why: for the operator.
    pub fn refused(&self) -> &[(Xpid, RegistrationError)] {
        &self.refused
    }

    fn build(registrations: Vec<Registration>, kept: impl Fn(Xpid) -> Option<Kept>) -> Self {
        static SNAPSHOTS: AtomicU64 = AtomicU64::new(1);
        let mut registry = Self {
            registered: Vec::with_capacity(registrations.len()),
            by_xpid: HashMap::with_capacity_and_hasher(registrations.len(), NumberState::default()),
            clients: Vec::new(),
            client_by_token: HashMap::new(),
            client_by_certificate: HashMap::new(),
            by_system_id: HashMap::new(),
            binders: Networks::default(),
            refused: Vec::new(),
            snapshot: SNAPSHOTS.fetch_add(1, Ordering::Relaxed),
        };
        let mut client_by_name = HashMap::new();
        for registration in registrations {
            let xpid = registration.xpid;
            if let Err(error) = registry.add(registration, &kept, &mut client_by_name) {
                registry.refused.push((xpid, error));
            }
        }
        registry
    }

    fn add(
        &mut self,
        registration: Registration,
        kept: impl Fn(Xpid) -> Option<Kept>,
        client_by_name: &mut HashMap<String, u32>,
    ) -> Result<(), RegistrationError> {
        registration.check()?;
        if self.by_xpid.contains_key(&registration.xpid) {
            return Err(RegistrationError::XpidTwice);
        }
        if let Some(account) = &registration.smpp
            && self.by_system_id.contains_key(&account.system_id)
        {
            return Err(SmppAccountError::SystemIdTwice(account.system_id.clone()).into());
        }
        let mut senders = Vec::with_capacity(registration.senders.len());
        for sender in &registration.senders {
            let address = OriginatingAddress::parse(sender)
                .map_err(|_| RegistrationError::Sender { sender: sender.clone() })?;
            senders.push((sender.clone(), address));
        }
        let known = client_by_name.get(&registration.client).copied();
        self.check_proofs(&registration, known)?;
        let client = known.unwrap_or_else(|| {
            self.clients.push(registration.client.clone());
            self.clients.len() as u32 - 1
        });
        client_by_name.insert(registration.client.clone(), client);
        self.client_by_token.extend(registration.tokens().map(|token| (token, client)));
        let certificates = registration.certificates.iter();
        self.client_by_certificate.extend(certificates.map(|&shown| (shown, client)));
        let (rate, volume) = (registration.rate_per_second, registration.volume_per_day);
        let (meter, seats) = kept(registration.xpid).unwrap_or_default();
        meter.set_limits(rate, volume);
        meter.set_broadcast_rate(registration.broadcast_rate);
        let index = self.registered.len() as u32;
        self.by_xpid.insert(registration.xpid, index);
        if let Some(account) = &registration.smpp {
            self.by_system_id.insert(account.system_id.clone(), index);
            self.binders.add(&registration.networks);
        }
        let is_guarded = !registration.networks.is_empty() || !registration.certificates.is_empty();
        self.registered.push(Registered {
            registration,
            senders,
            index,
            meter,
            seats,
            client,
            is_guarded,
        });
        Ok(())
    }

    /// What proves a client is nobody else's. Looked at before anything of it is kept: a part of a
    /// registration that is left out would prove whoever has its number next.
    fn check_proofs(
        &self,
        registration: &Registration,
        client: Option<u32>,
    ) -> Result<(), RegistrationError> {
        let another = |owner: Option<&u32>| {
            let owner = owner.copied().filter(|&owner| Some(owner) != client)?;
            Some(self.clients[owner as usize].clone())
        };
        for token in registration.tokens() {
            if let Some(client) = another(self.client_by_token.get(&token)) {
                return Err(RegistrationError::TokenOfAnother { client });
            }
        }
        for certificate in &registration.certificates {
            if let Some(client) = another(self.client_by_certificate.get(certificate)) {
                return Err(RegistrationError::CertificateOfAnother { client });
            }
        }
        Ok(())
    }

    fn client_number(&self, token: &[u8]) -> Option<u32> {
        self.client_by_token.get(&token_sha256(token)).copied()
    }
}

/// What a connection has proved: where it comes from, which certificate it has, the last value of
/// `Authorization` and whose that is. One per connection, so that a token is hashed once and every
/// further push costs a comparison of the raw header.
#[derive(Clone, Debug, Default)]
pub struct Credential {
    value: Vec<u8>,
    snapshot: u64,
    client: Option<u32>,
    peer: Option<IpAddr>,
    certificate: Option<CertificateDigest>,
    is_known: bool,
}

impl Credential {
    /// A connection that has proved nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A connection from this address; an IPv4 one that came in as IPv6 counts as what it is.
    pub fn of_peer(peer: Option<IpAddr>) -> Self {
        Self { peer: peer.map(|peer| peer.to_canonical()), ..Self::default() }
    }

    /// Whether a request of a registered client came on the connection, with all that its
    /// registration asks for: whether that is in force is another matter.
    #[inline]
    pub fn is_known(&self) -> bool {
        self.is_known
    }

    /// The connection has proved to have this certificate, or none.
    pub fn certify(&mut self, certificate: Option<CertificateDigest>) {
        self.certificate = certificate;
    }

    /// Whether the connection has a certificate of this registration, and comes from a network of
    /// it, as far as it asks for either. A certificate that nobody is registered with proves
    /// nothing.
    #[cold]
    fn check(&self, registry: &Registry, registration: &Registration) -> Result<(), Code> {
        let networks = &registration.networks;
        if !registration.takes_certificate(self.certificate) {
            let owner = |shown| registry.client_by_certificate.contains_key(&shown);
            return Err(match self.certificate.is_some_and(owner) {
                true => Code::NOT_THIS_CLIENTS,
                false => Code::NOT_AUTHENTICATED,
            });
        }
        let within = |peer: IpAddr| networks.iter().any(|network| network.contains(&peer));
        if !networks.is_empty() && !self.peer.is_some_and(within) {
            return Err(Code::NOT_THIS_CLIENTS);
        }
        Ok(())
    }

    /// The client that `value` proves to be, in `registry`.
    #[inline]
    fn client(&mut self, registry: &Registry, value: &[u8]) -> Option<u32> {
        if self.snapshot != registry.snapshot || self.value != value {
            self.prove(registry, value);
        }
        self.client
    }

    #[cold]
    fn prove(&mut self, registry: &Registry, value: &[u8]) {
        self.value.clear();
        self.client = None;
        // Snapshots count from 1: 0 is proof of nothing.
        self.snapshot = 0;
        if value.len() <= AUTHORIZATION_OCTETS_MAX {
            self.client = bearer_token(value).and_then(|token| registry.client_number(token));
            self.value.extend_from_slice(value);
            self.snapshot = registry.snapshot;
        }
    }
}

/// Who pushes, and whether it may at `now_ms`.
///
/// # Errors
/// 2001: the header names no client, or the XPID has a token and no header came, or a certificate
/// and none that anybody is registered with came; 2002: the XPID is not registered; 2003: it is
/// another client's, by token or certificate, or the push comes from none of its networks; 2004: it
/// is suspended or outside its term.
#[inline]
pub fn identify<'r>(
    registry: &'r Registry,
    authorization: Option<&[u8]>,
    credential: &mut Credential,
    xpid: Xpid,
    now_ms: WallMs,
) -> Result<&'r Registered, Code> {
    let client = match authorization {
        None => None,
        Some(value) => Some(credential.client(registry, value).ok_or(Code::NOT_AUTHENTICATED)?),
    };
    let registered = registry.find(xpid).ok_or(Code::NOT_REGISTERED)?;
    let registration = &registered.registration;
    match client {
        None if registration.token_sha256.is_some() => return Err(Code::NOT_AUTHENTICATED),
        Some(client) if client != registered.client => return Err(Code::NOT_THIS_CLIENTS),
        _ => {}
    }
    if registered.is_guarded {
        credential.check(registry, registration)?;
    }
    credential.is_known = true;
    if !registration.is_in_force(now_ms) {
        return Err(Code::SUSPENDED_CLIENT);
    }
    Ok(registered)
}

/// The token of `Bearer TOKEN` (RFC 6750 section 2.1).
fn bearer_token(value: &[u8]) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"bearer";
    let (scheme, rest) = value.split_at_checked(SCHEME.len())?;
    if !scheme.eq_ignore_ascii_case(SCHEME) || rest.first() != Some(&b' ') {
        return None;
    }
    let token = rest.trim_ascii();
    let legal = !token.is_empty() && token.iter().all(u8::is_ascii_graphic);
    legal.then_some(token)
}
