//! What a carrier is set up with.

use crate::network::smpp::meanings::Meanings;
use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;
use wire::smpp::address::{Country, DestinationForm};
use wire::smpp::coding::{Alphabet, data_coding_of};
use wire::smpp::id::IdForms;
use wire::smpp::pdu::BindKind;

/// Most carriers of one engine.
pub const CARRIERS_MAX: usize = 7;
/// Most sessions with one carrier.
pub const SESSIONS_MAX: u16 = 8;
/// Most requests outstanding on a session.
pub const WINDOW_MAX: u16 = 1_000;
/// Most SMS a second of one carrier.
pub const RATE_MAX: u32 = 100_000;

/// How a carrier is told when an SMS expires.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Validity {
    /// The time, UTC.
    #[default]
    Absolute,
    /// How long from now on.
    Relative,
    /// Not at all: some drop an SMS that says it.
    None,
}

/// What connections to a carrier are secured with.
#[derive(Clone, Debug)]
pub struct CarrierTls {
    /// The name or address that the certificate of each host has to be made for, in their order.
    pub names: Vec<String>,
    /// What TLS is spoken with: made beside the shards, and understood by whoever connects.
    pub spoken_with: Arc<dyn Any + Send + Sync>,
}

/// How a push of several segments is submitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Long {
    /// Each segment with its user data header.
    #[default]
    Udh,
    /// Each segment without the header and with sar_msg_ref_num, sar_total_segments and
    /// sar_segment_seqnum.
    Sar,
    /// All of it at once, in message_payload.
    Payload,
}

/// One carrier.
#[derive(Clone, Debug)]
pub struct Carrier {
    /// Its number, from 1 on; records name it by that, and no other carrier ever has it.
    pub number: u8,
    /// Its name, for the operator.
    pub name: String,
    /// HOST:PORT, as the operator gave them.
    pub host_names: Vec<String>,
    /// Their addresses, as far as they are known, in the order in which they are tried.
    pub hosts: Vec<SocketAddr>,
    /// Of each address: which of the names has it.
    pub host_of: Vec<usize>,
    /// What connections to them are secured with; `None`: nothing.
    pub tls: Option<CarrierTls>,
    /// Who we are there: 1 to 15 octets.
    pub system_id: String,
    /// Our password: at most 8 octets.
    pub password: String,
    /// What kind of system we are: at most 12 octets.
    pub system_type: String,
    /// Sessions at a time, 1 to [`SESSIONS_MAX`].
    pub sessions: u16,
    /// Each is a transmitter and a receiver, where the carrier knows no transceivers.
    pub pairs: bool,
    /// Requests outstanding on each, 1 to [`WINDOW_MAX`].
    pub window: u16,
    /// SMS a second of all sessions together; 0: no limit.
    pub rate: u32,
    /// How it writes ids.
    pub ids: IdForms,
    /// The country whose numbers msns are.
    pub country: Country,
    /// How it wants destinations.
    pub destination: DestinationForm,
    /// How it is told of expiries.
    pub validity: Validity,
    /// Whether it sends receipts; where not, what it takes counts as delivered.
    pub receipts: bool,
    /// Whether it is told of priorities.
    pub priority: bool,
    /// What its default alphabet is, in which text of TP-DCS 00 is submitted.
    pub alphabet: Alphabet,
    /// How a push of several segments is submitted. A push client's own header always goes as it
    /// is.
    pub long: Long,
    /// The data_coding of octets that are no text: 2 or 4.
    pub binary_coding: u8,
    /// Its own data_coding for these TP-DCS.
    pub codings: Vec<(u8, u8)>,
    /// Type of number of a sender of digits.
    pub source_ton: u8,
    /// Numbering plan of a sender of digits.
    pub source_npi: u8,
    /// The messaging mode in esm_class.
    pub mode: u8,
    /// service_type, at most 5 octets.
    pub service_type: String,
    /// After so long without an octet an enquire_link goes out, milliseconds; 0: never.
    pub enquire_link_ms: u64,
    /// How long an answer is waited for, milliseconds.
    pub response_ms: u64,
    /// What its statuses and error codes mean, where that is not what the specification says.
    pub meanings: Meanings,
    /// It is sent optional parameters, where its version of SMPP knows them.
    pub tlvs: bool,
    /// How often the operator has had its sessions bound anew.
    pub rebinds: u32,
    /// It takes cancel_sm.
    pub cancels: bool,
    /// It takes query_sm.
    pub queries: bool,
    /// What was sent and not answered is not sent again: its push ends.
    pub doubt_is_final: bool,
    /// It takes no push for now; what it has is awaited all the same.
    pub paused: bool,
}

/// Permits that a shard has at least, where the carrier can use so many.
const PERMITS_PER_SHARD: usize = 32;

/// Permits that each of so many shards has for a carrier at most.
pub fn permits_max(shards: usize) -> usize {
    permits(WINDOW_MAX, SESSIONS_MAX, RATE_MAX, shards)
}

/// A shard has its share of what the carrier can use: its windows twice, since what answers make
/// room for is at hand then, and what its rate lets go in a moment. However many shards there are,
/// each has so many that one session whose answers do not come has not all of them. One more than
/// others use is an emergency's.
fn permits(window: u16, sessions: u16, rate: u32, shards: usize) -> usize {
    let most = 2 * usize::from(window) * usize::from(sessions) + rate as usize / 50;
    let least = most.min(2 * usize::from(window)).min(PERMITS_PER_SHARD);
    most.div_ceil(shards.max(1)).max(least).max(1) + 1
}

impl Carrier {
    /// The data_coding that it wants for a TP-DCS.
    pub fn data_coding(&self, tp_dcs: u8) -> u8 {
        let own = self.codings.iter().find(|(dcs, _)| *dcs == tp_dcs);
        own.map_or_else(|| data_coding_of(tp_dcs, self.binary_coding), |&(_, coding)| coding)
    }

    /// Permits that each of so many shards has for it, the one of emergencies among them.
    pub fn permits(&self, shards: usize) -> usize {
        permits(self.window, self.sessions, self.rate, shards)
    }

    /// Connections at a time.
    pub fn lines(&self) -> usize {
        usize::from(self.sessions) * if self.pairs { 2 } else { 1 }
    }

    /// As what a connection is bound.
    pub fn kind_of(&self, line: usize) -> BindKind {
        match line % 2 {
            _ if !self.pairs => BindKind::Transceiver,
            0 => BindKind::Transmitter,
            _ => BindKind::Receiver,
        }
    }

    /// Whether its sessions have to be bound anew for these settings to count.
    pub fn rebinds_for(&self, other: &Self) -> bool {
        let said = |carrier: &Self| {
            (
                (carrier.host_names.clone(), carrier.rebinds, carrier.pairs),
                carrier.tls.as_ref().map(|tls| tls.names.clone()),
                carrier.system_id.clone(),
                carrier.password.clone(),
                carrier.system_type.clone(),
                (carrier.window, carrier.enquire_link_ms, carrier.response_ms),
            )
        };
        said(self) != said(other)
    }

    /// The thread, of so many, that is its home.
    pub fn home(&self, threads: usize) -> usize {
        usize::from(self.number - 1) % threads.max(1)
    }
}

/// The first carrier, without a name or a host, and every setting as it is where nobody says
/// otherwise.
impl Default for Carrier {
    fn default() -> Self {
        Self {
            number: 1,
            name: String::new(),
            host_names: Vec::new(),
            hosts: Vec::new(),
            host_of: Vec::new(),
            tls: None,
            system_id: String::new(),
            password: String::new(),
            system_type: String::new(),
            sessions: 1,
            pairs: false,
            window: 10,
            rate: 0,
            ids: IdForms::default(),
            country: Country::JAPAN,
            destination: DestinationForm::International,
            validity: Validity::Absolute,
            receipts: true,
            priority: true,
            alphabet: Alphabet::Gsm,
            long: Long::Udh,
            binary_coding: 4,
            codings: Vec::new(),
            source_ton: 1,
            source_npi: 1,
            mode: 0,
            service_type: String::new(),
            enquire_link_ms: 30_000,
            response_ms: 60_000,
            meanings: Default::default(),
            tlvs: true,
            rebinds: 0,
            cancels: false,
            queries: false,
            doubt_is_final: false,
            paused: false,
        }
    }
}

#[cfg(test)]
impl Carrier {
    /// One of which nothing is set.
    pub(crate) fn of_tests() -> Self {
        Self { name: "alpha".to_owned(), system_id: "hayauma".to_owned(), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_shards_there_are_no_one_session_can_have_all_permits_of_one() {
        for (window, sessions) in [(1, 1), (2, 2), (10, 1), (10, 8), (1_000, 8)] {
            for shards in [1, 4, 16, 256] {
                let own = permits(window, sessions, 0, shards) - 1;
                let can_use = 2 * usize::from(window) * usize::from(sessions);
                assert!(own <= can_use && own * shards >= can_use, "{window} × {sessions}: {own}");
                let has_another = sessions == 1 || own > usize::from(window).min(31);
                assert!(has_another, "{window} × {sessions}, {shards} shards: {own}");
                assert!(own < permits_max(shards));
            }
        }
    }
}
