//! A registration as people and scripts write it: names and dates in place of sets and
//! milliseconds.
//!
//! [`ClientChange`] is what `client add`, `client set` and the admin port take: every field may be
//! absent. [`ClientDocument`] is what they show; it never holds the token, only whether there is
//! one.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::carriers::InDoubtSetting;
use super::certificates::parse_certificates;
use super::limits::{NOTIFY_CONNECTIONS_MAX, NOTIFY_DEPTH_MAX, TOKEN_OCTETS_MAX};
use super::smpp_account::{SmppChange, SmppDocument};
use crate::gateway::broadcasting::BroadcastRule;
use crate::gateway::permissions::{ClassSet, KindSet};
use crate::gateway::price::Price;
use crate::gateway::registration::Registration;
use crate::gateway::registry::token_sha256;
use crate::gateway::smpp::PasswordDigest;
use wire::push::notify_url::NotifyUrl;
use wire::push::sign::Secret;
use wire::terms::calendar::Day;
use wire::terms::ids::Xpid;
use wire::terms::svcinst::Svcinst;
use wire::terms::time::WallMs;

/// Fields to set on a registration; an absent one keeps its value, or its default on a new
/// registration. An empty `token`, `notify_url`,
/// `from`, `until` or `segment_price` takes the value away.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClientChange {
    /// The XPID of a new registration, eleven digits; elsewhere absent or the one that is changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xpid: Option<String>,
    /// Name of the push client; the XPIDs of one name share its tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Bearer token in clear, in place of those there are; the store keeps its SHA-256 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The token that is to follow the one there is; both count until that is retired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
    /// Whether the older of two tokens goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retire_token: Option<bool>,
    /// Networks that pushes may come from, such as `192.0.2.0/24`; none of them: from anywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub networks: Option<Vec<String>>,
    /// SHA-256 of the certificates that pushes have to come with, one of two at most; none of them:
    /// they come without as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificates: Option<Vec<String>>,
    /// Whether requests are refused with 2004.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspended: Option<bool>,
    /// First day of the term, `YYYY-MM-DD` or `YYYYMMDD`, JST.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Last day of the term, the day itself included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Classes allowed beside standard: urgent, emergency, exercise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<String>>,
    /// Kinds allowed: control, text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kinds: Option<Vec<String>>,
    /// Originating addresses allowed; the first is the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub senders: Option<Vec<String>>,
    /// Whether a long push is segmented.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segmentation: Option<bool>,
    /// The five service instruction values, such as `00011`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub svcinst: Option<String>,
    /// Whether a push without `dlvntf` is notified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify: Option<bool>,
    /// Where notifications go, `http://host:port/path`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify_url: Option<String>,
    /// Secrets that notifications are signed under, in clear, two at most; none: not signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify_secrets: Option<Vec<String>>,
    /// Connections per shard to that URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify_connections: Option<u16>,
    /// Notifications pipelined on one connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify_depth: Option<u16>,
    /// Pushes per second; 0 is without limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_per_second: Option<u32>,
    /// Pushes per JST day; 0 is without limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_per_day: Option<u64>,
    /// Recipients of its broadcasts per second; 0 is without limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broadcast_rate: Option<u32>,
    /// Whether text may use the national language tables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub national_tables: Option<bool>,
    /// Whether its pushes go by no carrier, since that alone knows the state of the line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line_state: Option<bool>,
    /// What becomes of an SMS that a carrier was sent and did not answer: sent again, or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_doubt: Option<InDoubtSetting>,
    /// Whether it may send broadcasts, and who has to agree to one: no, class, two, one, none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broadcasts: Option<BroadcastRule>,
    /// What a short message costs it, in yen with two decimals at most, such as `3.30`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment_price: Option<String>,
    /// Its account of SMPP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smpp: Option<SmppChange>,
}

/// A registration as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientDocument {
    /// The XPID, eleven digits.
    pub xpid: String,
    /// Name of the push client.
    pub client: String,
    /// Whether requests must bring a token.
    pub has_token: bool,
    /// How many tokens there are.
    pub tokens: usize,
    /// Told by a change alone: the client's other XPIDs that have a token which this one has lost.
    /// It proves the client as long as one of them has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost_token_still_at: Vec<String>,
    /// Networks that pushes may come from; none of them: from anywhere.
    pub networks: Vec<String>,
    /// SHA-256 of the certificates that pushes have to come with, one of them; none: they come
    /// without as well.
    #[serde(default)]
    pub certificates: Vec<String>,
    /// Whether whoever reaches the push port may push: neither token nor certificate nor networks
    /// are asked for.
    pub is_open: bool,
    /// Whether requests are refused with 2004.
    pub suspended: bool,
    /// First day of the term, if any.
    pub from: Option<String>,
    /// Last day of the term, if any.
    pub until: Option<String>,
    /// Classes allowed.
    pub classes: Vec<String>,
    /// Kinds allowed.
    pub kinds: Vec<String>,
    /// Originating addresses allowed; the first is the default.
    pub senders: Vec<String>,
    /// Whether a long push is segmented.
    pub segmentation: bool,
    /// The five service instruction values.
    pub svcinst: String,
    /// Whether a push without `dlvntf` is notified.
    pub notify: bool,
    /// Where notifications go, if anywhere.
    pub notify_url: Option<String>,
    /// How many signatures a notification carries: one for each secret, which is never shown.
    #[serde(default)]
    pub notify_signatures: usize,
    /// Connections per shard to that URL.
    pub notify_connections: u16,
    /// Notifications pipelined on one connection.
    pub notify_depth: u16,
    /// Pushes per second; 0 is without limit.
    pub rate_per_second: u32,
    /// Pushes per JST day; 0 is without limit.
    pub volume_per_day: u64,
    /// Recipients of its broadcasts per second; 0 is without limit.
    #[serde(default)]
    pub broadcast_rate: u32,
    /// Whether text may use the national language tables.
    pub national_tables: bool,
    /// Whether its pushes go by no carrier, since that alone knows the state of the line.
    #[serde(default)]
    pub line_state: bool,
    /// What becomes of an SMS that a carrier was sent and did not answer.
    #[serde(default)]
    pub in_doubt: InDoubtSetting,
    /// Whether it may send broadcasts, and who has to agree to one.
    #[serde(default)]
    pub broadcasts: BroadcastRule,
    /// What a short message costs it, in yen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment_price: Option<String>,
    /// Its account of SMPP, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smpp: Option<SmppDocument>,
}

impl ClientChange {
    /// A new registration with these fields and the defaults for the rest; refuses with one
    /// sentence.
    pub fn create(&self, xpid: Xpid) -> Result<Registration, String> {
        self.create_over(xpid, None)
    }

    /// The same in the place of one that was there. A password of SMPP that stays keeps what it is
    /// known by, so that the same document again changes nothing.
    pub fn create_over(
        &self,
        xpid: Xpid,
        before: Option<&Registration>,
    ) -> Result<Registration, String> {
        let client = self
            .client
            .as_deref()
            .ok_or("a registration needs the client's name: say which with --client")?;
        let mut registration = Registration::new(xpid, client);
        let account = before.and_then(|before| before.smpp.as_ref());
        let known = account.map_or(&[][..], |account| &account.passwords);
        self.apply_over(&mut registration, known)?;
        Ok(registration)
    }

    /// Sets these fields; on refusal, with one sentence, `registration` may be changed in part.
    pub fn apply(&self, registration: &mut Registration) -> Result<(), String> {
        self.apply_over(registration, &[])
    }

    /// The same where passwords of SMPP have been known by these.
    fn apply_over(
        &self,
        registration: &mut Registration,
        known: &[PasswordDigest],
    ) -> Result<(), String> {
        self.apply_term(registration)?;
        self.apply_permissions(registration)?;
        self.apply_notification(registration)?;
        if let Some(client) = &self.client {
            registration.client = checked_name(client)?;
        }
        self.apply_access(registration)?;
        set(&mut registration.suspended, self.suspended);
        set(&mut registration.segmentation, self.segmentation);
        set(&mut registration.rate_per_second, self.rate_per_second);
        set(&mut registration.volume_per_day, self.volume_per_day);
        set(&mut registration.broadcast_rate, self.broadcast_rate);
        set(&mut registration.national_tables, self.national_tables);
        set(&mut registration.line_state, self.line_state);
        let fails = self.in_doubt.map(|in_doubt| in_doubt == InDoubtSetting::Fail);
        set(&mut registration.doubt_is_final, fails);
        set(&mut registration.broadcasts, self.broadcasts);
        if let Some(price) = &self.segment_price {
            let is_given = !price.is_empty();
            registration.segment_price = is_given.then(|| Price::parse(price)).transpose()?;
        }
        if let Some(smpp) = &self.smpp {
            smpp.apply(registration, known)?;
        }
        registration.check().map_err(|error| error.to_string())
    }

    fn apply_access(&self, registration: &mut Registration) -> Result<(), String> {
        let (first, second) =
            (&mut registration.token_sha256, &mut registration.second_token_sha256);
        if let Some(token) = &self.token {
            *second = None;
            *first = if token.is_empty() { None } else { Some(checked_digest(token)?) };
        }
        if self.retire_token == Some(true) {
            *first = Some(second.take().ok_or("there is no second token that could take over")?);
        }
        if let Some(token) = &self.next_token {
            let place = if first.is_none() { first } else { second };
            if place.is_some() {
                return Err(
                    "there are two tokens: take the older one away first, with --retire-token"
                        .to_owned(),
                );
            }
            *place = Some(checked_digest(token)?);
        }
        if let Some(networks) = &self.networks {
            registration.networks = parse_networks(networks)?;
        }
        if let Some(certificates) = &self.certificates {
            registration.certificates = parse_certificates(certificates)?;
        }
        Ok(())
    }

    fn apply_term(&self, registration: &mut Registration) -> Result<(), String> {
        match self.from.as_deref() {
            Some("") => registration.valid_from_ms = WallMs::ZERO,
            Some(text) => registration.valid_from_ms = parse_day(text)?.start_ms(),
            None => {}
        }
        match self.until.as_deref() {
            Some("") => registration.valid_until_ms = WallMs::NEVER,
            Some(text) => registration.valid_until_ms = parse_day(text)?.next().start_ms(),
            None => {}
        }
        Ok(())
    }

    fn apply_permissions(&self, registration: &mut Registration) -> Result<(), String> {
        if let Some(names) = &self.classes {
            registration.classes = parse_classes(names)?;
        }
        if let Some(names) = &self.kinds {
            registration.kinds = parse_kinds(names)?;
        }
        if let Some(senders) = &self.senders {
            registration.senders.clone_from(senders);
        }
        if let Some(text) = &self.svcinst {
            registration.svcinst = parse_svcinst(text)?;
        }
        Ok(())
    }

    fn apply_notification(&self, registration: &mut Registration) -> Result<(), String> {
        match self.notify_url.as_deref() {
            Some("") => registration.notify_url = None,
            Some(text) => registration.notify_url = Some(NotifyUrl::parse(text)?),
            None => {}
        }
        if let Some(secrets) = &self.notify_secrets {
            let secrets: Result<_, _> = secrets.iter().map(|text| Secret::new(text)).collect();
            registration.notify_secrets = secrets?;
        }
        set(&mut registration.notify, self.notify);
        set(&mut registration.notify_connections, self.notify_connections);
        set(&mut registration.notify_depth, self.notify_depth);
        if !(1..=NOTIFY_CONNECTIONS_MAX).contains(&registration.notify_connections) {
            return Err(format!(
                "{} notification connections are out of range: use 1 to {NOTIFY_CONNECTIONS_MAX}",
                registration.notify_connections
            ));
        }
        if !(1..=NOTIFY_DEPTH_MAX).contains(&registration.notify_depth) {
            return Err(format!(
                "a notification depth of {} is out of range: use 1 to {NOTIFY_DEPTH_MAX}",
                registration.notify_depth
            ));
        }
        Ok(())
    }
}

impl ClientDocument {
    /// The registration `after` as a change of `before` tells it, among all that there are then.
    pub fn of_change(before: &Registration, after: &Registration, all: &[Registration]) -> Self {
        let lost: Vec<[u8; 32]> =
            before.tokens().filter(|token| after.tokens().all(|kept| kept != *token)).collect();
        let still = all.iter().filter(|other| {
            other.client == before.client
                && other.xpid != after.xpid
                && other.tokens().any(|token| lost.contains(&token))
        });
        let lost_token_still_at = still.map(|other| other.xpid.to_string()).collect();
        Self { lost_token_still_at, ..Self::of(after) }
    }

    /// The registration as it is shown.
    pub fn of(registration: &Registration) -> Self {
        let (from, until) = (registration.valid_from_ms, registration.valid_until_ms);
        Self {
            xpid: registration.xpid.to_string(),
            client: registration.client.clone(),
            has_token: registration.token_sha256.is_some(),
            tokens: registration.tokens().count(),
            lost_token_still_at: Vec::new(),
            networks: registration.networks.iter().map(ToString::to_string).collect(),
            certificates: registration.certificates.iter().map(ToString::to_string).collect(),
            is_open: registration.is_open(),
            suspended: registration.suspended,
            from: (from > WallMs::ZERO).then(|| render_day(Day::of(from))),
            until: (until < WallMs::NEVER).then(|| render_day(Day::of(until.saturating_sub(1)))),
            classes: words(&registration.classes.to_string()),
            kinds: words(&registration.kinds.to_string()),
            senders: registration.senders.clone(),
            segmentation: registration.segmentation,
            svcinst: registration.svcinst.to_string(),
            notify: registration.notify,
            notify_url: registration.notify_url.as_ref().map(ToString::to_string),
            notify_signatures: registration.notify_secrets.len(),
            notify_connections: registration.notify_connections,
            notify_depth: registration.notify_depth,
            rate_per_second: registration.rate_per_second,
            volume_per_day: registration.volume_per_day,
            broadcast_rate: registration.broadcast_rate,
            national_tables: registration.national_tables,
            line_state: registration.line_state,
            in_doubt: match registration.doubt_is_final {
                true => InDoubtSetting::Fail,
                false => InDoubtSetting::Resend,
            },
            broadcasts: registration.broadcasts,
            segment_price: registration.segment_price.map(|price| price.to_string()),
            smpp: registration.smpp.as_ref().map(SmppDocument::of),
        }
    }
}

/// Reads class names; standard is always in the set.
pub fn parse_classes(names: &[String]) -> Result<ClassSet, String> {
    match names
        .iter()
        .find(|name| name.contains(',') || name.is_empty() || ClassSet::parse(name).is_none())
    {
        Some(name) => {
            Err(format!("{name:?} is not a class: use standard, urgent, emergency or exercise"))
        }
        None => Ok(ClassSet::parse(&names.join(",")).unwrap_or_default()),
    }
}

/// Reads kind names, at least one.
pub fn parse_kinds(names: &[String]) -> Result<KindSet, String> {
    if names.is_empty() {
        return Err("a registration allows at least one kind: use control, text or both".to_owned());
    }
    match names
        .iter()
        .find(|name| name.contains(',') || name.is_empty() || KindSet::parse(name).is_none())
    {
        Some(name) => Err(format!("{name:?} is not a kind: use control or text")),
        None => Ok(KindSet::parse(&names.join(",")).unwrap_or_default()),
    }
}

/// Reads networks: an address and the bits that count, or an address alone.
pub fn parse_networks(texts: &[String]) -> Result<Vec<IpNet>, String> {
    let network = |text: &String| {
        let alone = text.parse::<IpAddr>().map(IpNet::from);
        let parsed = text.parse::<IpNet>().or(alone).map(|network| canonical(network.trunc()));
        parsed.map_err(|_| {
            format!("{text:?} is no network: use 192.0.2.0/24, 2001:db8::/32 or an address")
        })
    };
    texts.iter().map(network).collect()
}

/// An IPv4 network that is written as IPv6 as what it is: so count the peers from it.
fn canonical(network: IpNet) -> IpNet {
    const MAPPED_BITS: u8 = 96;
    let bits = network.prefix_len().checked_sub(MAPPED_BITS);
    match (network.addr().to_canonical(), bits) {
        (address @ IpAddr::V4(_), Some(bits)) if network.addr().is_ipv6() => {
            IpNet::new(address, bits).unwrap_or(network)
        }
        _ => network,
    }
}

/// Reads five digits 0 or 1.
pub fn parse_svcinst(text: &str) -> Result<Svcinst, String> {
    Svcinst::parse(text).ok_or_else(|| {
        format!("{text} are not service instruction values: use five digits 0 or 1, such as 00011")
    })
}

/// The words of a list with commas between them.
pub fn words(list: &str) -> Vec<String> {
    list.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// The name as it is kept; how long it may be, the registration's own check says.
fn checked_name(name: &str) -> Result<String, String> {
    if name.chars().any(char::is_control) {
        return Err(
            "a client's name holds printable characters only: leave the others out".to_owned()
        );
    }
    Ok(name.trim().to_owned())
}

/// What the store keeps of a token.
fn checked_digest(token: &str) -> Result<[u8; 32], String> {
    if token.len() > TOKEN_OCTETS_MAX || !token.bytes().all(|octet| octet.is_ascii_graphic()) {
        return Err(format!(
            "a token has 1 to {TOKEN_OCTETS_MAX} printable ASCII characters without blanks"
        ));
    }
    Ok(token_sha256(token.as_bytes()))
}

fn parse_day(text: &str) -> Result<Day, String> {
    Day::parse(text).ok_or_else(|| format!("{text} is not a date: use YYYY-MM-DD"))
}

fn render_day(day: Day) -> String {
    let number = day.number();
    format!("{:04}-{:02}-{:02}", number / 10_000, number / 100 % 100, number % 100)
}

fn set<T: Copy>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

#[cfg(test)]
mod tests;
