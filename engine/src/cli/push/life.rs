//! A push's life put together from the records of its journal, whatever cleaning has left of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::cli::push::wanted::Wanted;
use crate::control::pushes::LivePushDocument;
use crate::control::queue::reason_word;
use crate::journal::{
    ArchivedAccepted, ArchivedEnded, ArchivedNotified, Handed, Held, Key, Record,
};
use crate::shard::Standing;
use crate::smsc::state::State;
use crate::smsc::wait_reason::WaitReason;
use wire::terms::calendar;
use wire::terms::ids::{Class, Kind as PushKind, Xpid};

/// A push and all that is known of it.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub(in crate::cli) struct PushDocument {
    /// The shard that keeps it.
    pub shard: u16,
    /// The push's number within the shard.
    pub push: u64,
    /// Eleven digits.
    pub msn: String,
    /// Eleven digits; absent where only its key is left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xpid: Option<String>,
    /// The client's request id; absent where the record of the acceptance is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reqid: Option<String>,
    /// standard, urgent, emergency or exercise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<&'static str>,
    /// control or text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    /// Segments, 1 to 10.
    pub segments: u8,
    /// The originating address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// The alert it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert: Option<String>,
    /// Its place in the alert.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert_sequence: Option<u8>,
    /// `waiting`, or the final state.
    pub state: String,
    /// Cleaning has moved the push forward in the journal: what was recorded before is gone.
    pub carried_forward: bool,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// What the running engine knows at this moment; absent when it knows nothing more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<LivePushDocument>,
}

/// Something that happened to a push.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub(in crate::cli) struct Event {
    /// Unix milliseconds.
    pub at_ms: u64,
    /// The same as a time in Japan.
    pub at: String,
    /// `accepted`, `held`, `handed-over`, `goes-elsewhere`, `progress`, `cancel-accepted`,
    /// `ended`, `acknowledged`, `parked` or `let-go`.
    pub event: &'static str,
    /// accepted: when it expires, Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<u64>,
    /// accepted: whether the client wants to be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notification_wanted: Option<bool>,
    /// accepted: lifetime 00.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub single_attempt: Option<bool>,
    /// held, progress: attempts so far in which something was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u16>,
    /// held, progress, ended: segments that arrived so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arrived: Option<u32>,
    /// held: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// held: when it is due again, Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_ms: Option<u64>,
    /// held: the code that expiry would carry; ended: the final code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// ended: the final state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// ended: two hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tp_status: Option<String>,
    /// held, ended: the domain of the last attempt that sent something, CS or PS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<&'static str>,
    /// handed-over: the carrier's number; goes-elsewhere: the one that could not deliver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carrier: Option<u8>,
    /// handed-over: the carrier's ids of the segments that it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_ids: Option<Vec<String>>,
    /// ended: segments withdrawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<u8>,
    /// ended as replaced: the request id of the push that took its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<String>,
    /// ended: whether the client is to be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notification_due: Option<bool>,
    /// acknowledged, parked, let go: `E5`, `E7` or `E5+E7`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notification: Option<&'static str>,
    /// acknowledged, parked: tries made of the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tries: Option<u16>,
}

/// The lives of the pushes that are looked for.
#[derive(Default)]
pub(super) struct Lives {
    shard: u16,
    done: Vec<Life>,
    lives: BTreeMap<u64, Life>,
    /// Pushes whose number is known from a first reading.
    known: BTreeSet<u64>,
    /// A push was met first by another record than its own acceptance.
    missed: bool,
}

#[derive(Default)]
struct Life {
    document: PushDocument,
    arrived_mask: u16,
    failed_mask: u16,
    taken_mask: u16,
    attempts: u16,
    alert_key: u64,
    is_cancelled: bool,
    has_ended: bool,
    is_done: bool,
}

impl Lives {
    pub(super) fn begin_shard(&mut self, shard: u16) {
        self.done.extend(std::mem::take(&mut self.lives).into_values());
        (self.shard, self.missed) = (shard, false);
        self.known.clear();
    }

    /// Whether records may have gone by whose push was not known yet.
    pub(super) fn has_missed(&self) -> bool {
        self.missed
    }

    /// Reads the shard once more, with all numbers known.
    pub(super) fn begin_again(&mut self) {
        self.known = std::mem::take(&mut self.lives).into_keys().collect();
        self.missed = false;
    }

    /// Takes a record of the shard's journal.
    pub(super) fn take(&mut self, wanted: &Wanted, sequence: u64, record: &Record<'_>) {
        let Some(push_id) = record.push_id() else { return };
        if !self.lives.contains_key(&push_id) {
            if !self.known.contains(&push_id) && !wanted.names(record) {
                return;
            }
            self.missed |= sequence != push_id && !self.known.contains(&push_id);
            let document = PushDocument {
                shard: self.shard,
                push: push_id,
                msn: wanted.msn.to_string(),
                state: "waiting".to_owned(),
                ..PushDocument::default()
            };
            self.lives.insert(push_id, Life { document, ..Life::default() });
        }
        if let Some(life) = self.lives.get_mut(&push_id) {
            life.take(wanted, sequence, record);
        }
    }

    /// Whether the engine's memory, asked after the journal was read, leaves no push half told:
    /// what the journal says waits is alive, and, where all of the phone's pushes are looked for,
    /// what is alive is in the journal.
    pub(super) fn agree_with(&self, live: &[LivePushDocument], all_wanted: bool) -> bool {
        let is_alive = |life: &Life| live.iter().any(|live| life.is_about(live));
        let lives = || self.done.iter().chain(self.lives.values());
        lives().all(|life| life.is_settled() || is_alive(life))
            && (!all_wanted || live.iter().all(|live| lives().any(|life| life.is_about(live))))
    }

    pub(super) fn into_documents(mut self, live: Vec<LivePushDocument>) -> Vec<PushDocument> {
        self.begin_shard(0);
        for at in 0..self.done.len() {
            let replaced_by = self.who_replaced(at);
            if let Some(event) =
                self.done[at].document.events.iter_mut().find(|event| event.event == "ended")
            {
                event.replaced_by = replaced_by;
            }
        }
        for life in &mut self.done {
            life.document.now = live.iter().find(|live| life.is_about(live)).cloned();
        }
        let mut documents: Vec<PushDocument> =
            self.done.into_iter().map(|life| life.document).collect();
        documents.sort_by_key(|document| {
            (document.events.first().map_or(0, |event| event.at_ms), document.push)
        });
        documents
    }

    /// The request id of the push of the same alert that took this one's place, if it is among
    /// those looked for.
    fn who_replaced(&self, at: usize) -> Option<String> {
        let life = &self.done[at];
        if life.document.state != state_name(State::Replaced) || life.alert_key == 0 {
            return None;
        }
        let higher = self.done.iter().filter(|other| {
            other.alert_key == life.alert_key
                && other.document.push > life.document.push
                && other.document.alert_sequence > life.document.alert_sequence
        });
        higher
            .min_by_key(|other| other.document.push)
            .and_then(|other| other.document.reqid.clone())
    }
}

impl Wanted {
    /// Whether the record says that its push is one of those looked for.
    fn names(&self, record: &Record<'_>) -> bool {
        match record {
            Record::Accepted(accepted) => {
                accepted.msn.to_native() == self.msn.value()
                    && self.reqid.is_none_or(|reqid| reqid.as_bytes() == accepted.reqid())
            }
            Record::Ended(ended) => {
                ended.msn.to_native() == self.msn.value()
                    && (self.reqid.is_none()
                        || self.keys.contains_key(&ended.key_fingerprint.to_native()))
            }
            Record::Key(key) => self.keys.contains_key(&key.fingerprint.to_native()),
            _ => false,
        }
    }
}

impl Life {
    fn is_about(&self, live: &LivePushDocument) -> bool {
        live.push == self.document.push && live.shard == usize::from(self.document.shard)
    }

    /// Nothing more is to be expected of it: it has ended, and nobody is to be told, or was told,
    /// or it is parked.
    fn is_settled(&self) -> bool {
        self.is_done
    }

    fn take(&mut self, wanted: &Wanted, sequence: u64, record: &Record<'_>) {
        match record {
            Record::Accepted(accepted) => self.accepted(accepted, sequence),
            Record::Progress(progress) => self.progress(
                progress.at_ms.to_native(),
                progress.delivered_mask.to_native(),
                progress.attempts.to_native(),
            ),
            Record::Held(held) => self.held(&held.to_native()),
            Record::Handed(handed) => self.handed(&handed.to_native()),
            Record::CancelAccepted(cancel) => self.cancelled(cancel.at_ms()),
            Record::Ended(ended) => self.ended(wanted, ended),
            Record::Notified(notified) => self.notified(notified),
            Record::Key(_) => {
                if let Some(key) = record.key() {
                    self.remembered(wanted, &key);
                }
            }
            Record::Opened(_) | Record::Cleaned(_) | Record::Broadcast(_) => {}
        }
    }

    fn accepted(&mut self, accepted: &ArchivedAccepted<'_>, sequence: u64) {
        let document = &mut self.document;
        let is_first = document.events.iter().all(|event| event.event != "accepted");
        if is_first {
            let text = |octets: &[u8]| Some(String::from_utf8_lossy(octets).into_owned());
            document.xpid =
                Xpid::from_value(accepted.xpid.to_native()).map(|xpid| xpid.to_string());
            document.reqid = text(accepted.reqid());
            document.class = class_name(accepted.class);
            document.kind = kind_name(accepted.kind);
            document.segments = accepted.segments;
            document.sender = text(&accepted.sender).filter(|sender| !sender.is_empty());
            document.alert = text(&accepted.alert_id).filter(|id| !id.is_empty());
            document.alert_sequence = document.alert.is_some().then_some(accepted.alert_sequence);
            self.alert_key = accepted.alert_key_fingerprint.to_native();
            let event = Event {
                expires_ms: Some(accepted.expires_ms.to_native()),
                notification_wanted: Some(accepted.wants_notification),
                single_attempt: Some(accepted.single_attempt),
                ..Event::at(accepted.accepted_ms.to_native(), "accepted")
            };
            document.events.insert(0, event);
        }
        if sequence != document.push && is_first {
            document.carried_forward = true;
        }
    }

    fn progress(&mut self, at_ms: u64, arrived_mask: u16, attempts: u16) {
        if (arrived_mask | self.arrived_mask, attempts.max(self.attempts))
            == (self.arrived_mask, self.attempts)
        {
            return;
        }
        self.note_progress(arrived_mask, attempts);
        let (arrived, attempts) = (self.arrived_mask.count_ones(), self.attempts);
        let event = Event {
            attempts: Some(attempts),
            arrived: Some(arrived),
            ..Event::at(at_ms, "progress")
        };
        self.document.events.push(event);
    }

    fn note_progress(&mut self, arrived_mask: u16, attempts: u16) {
        self.arrived_mask |= arrived_mask;
        self.attempts = self.attempts.max(attempts);
    }

    fn held(&mut self, held: &Held) {
        self.note_progress(held.delivered_mask, held.attempts);
        let carried_forward = held.next_ms <= held.at_ms
            || self.document.events.iter().any(|event| event.next_ms == Some(held.next_ms));
        if carried_forward {
            return;
        }
        let reason = WaitReason::from_number(held.reason);
        let event = Event {
            attempts: Some(held.attempts),
            arrived: Some(self.arrived_mask.count_ones()),
            reason: reason_word(Standing::Held(reason)),
            next_ms: Some(held.next_ms),
            code: Some(format!("{:04}", held.code)),
            domain: domain_name(held.domain),
            ..Event::at(held.at_ms, "held")
        };
        self.document.events.push(event);
    }

    /// What a carrier could not deliver goes by another.
    fn goes_elsewhere(&mut self, handed: &Handed<'_>) {
        // Cleaning writes it once more, without the segments.
        if handed.failed_mask == 0 {
            return;
        }
        self.failed_mask &= !handed.failed_mask;
        self.taken_mask &= !handed.failed_mask;
        self.document.events.push(Event {
            attempts: Some(handed.attempts),
            arrived: Some(self.arrived_mask.count_ones()),
            carrier: Some(handed.carrier),
            ..Event::at(handed.at_ms, "goes-elsewhere")
        });
    }

    fn handed(&mut self, handed: &Handed<'_>) {
        if handed.goes_elsewhere() {
            return self.goes_elsewhere(handed);
        }
        let known = (self.arrived_mask, self.failed_mask, self.taken_mask);
        let (arrived, failed, taken) =
            (handed.delivered_mask, handed.failed_mask, handed.taken_mask);
        // Cleaning writes what is known already once more.
        if (known.0 | arrived, known.1 | failed, known.2 | taken) == known {
            return;
        }
        self.note_progress(handed.delivered_mask, handed.attempts);
        self.failed_mask |= failed;
        self.taken_mask |= taken;
        let event = Event {
            attempts: Some(handed.attempts),
            arrived: Some(self.arrived_mask.count_ones()),
            carrier: Some(handed.carrier),
            message_ids: ids_of(handed.ids),
            code: (handed.code != 0).then(|| format!("{:04}", handed.code)),
            ..Event::at(handed.at_ms, "handed-over")
        };
        self.document.events.push(event);
    }

    fn cancelled(&mut self, at_ms: u64) {
        if !std::mem::replace(&mut self.is_cancelled, true) {
            self.document.events.push(Event::at(at_ms, "cancel-accepted"));
        }
    }

    fn ended(&mut self, wanted: &Wanted, ended: &ArchivedEnded) {
        let document = &mut self.document;
        if document.xpid.is_none() {
            document.xpid = Xpid::from_value(ended.xpid.to_native()).map(|xpid| xpid.to_string());
            document.reqid = wanted.reqid.map(|reqid| format!("{reqid:?}"));
            document.class = class_name(ended.class);
            document.kind = kind_name(ended.kind);
            document.segments = ended.segments;
            document.carried_forward = true;
            document.events.insert(0, Event::at(ended.accepted_ms.to_native(), "accepted"));
        }
        self.end(ended.state, ended.ended_ms.to_native(), ended.code.to_native(), |event| {
            event.arrived = Some(ended.delivered.into());
            event.withdrawn = Some(ended.withdrawn).filter(|&withdrawn| withdrawn > 0);
            event.domain = domain_name(ended.domain);
            event.tp_status = Some(format!("{:02x}", ended.tp_status));
            event.notification_due = Some(ended.notification_due);
        });
        self.is_done |= !ended.notification_due;
    }

    fn end(&mut self, state: u8, ended_ms: u64, code: u16, fill: impl FnOnce(&mut Event)) {
        if std::mem::replace(&mut self.has_ended, true) {
            return;
        }
        let state = State::from_number(state).map_or_else(|| format!("state {state}"), state_name);
        self.document.state.clone_from(&state);
        let mut event = Event {
            code: Some(format!("{code:04}")),
            state: Some(state),
            ..Event::at(ended_ms, "ended")
        };
        fill(&mut event);
        self.document.events.push(event);
    }

    fn notified(&mut self, notified: &ArchivedNotified) {
        self.is_done = true;
        let both = if self.document.state == state_name(State::Cancelled) { "E7" } else { "E5+E7" };
        let told = if self.is_cancelled { both } else { "E5" };
        let (event, notification) = match (notified.outcome, notified.cancellation) {
            (0, _) => ("acknowledged", told),
            (1, false) => ("parked", "E5"),
            (1, true) => ("parked", "E7"),
            _ => ("let-go", told),
        };
        self.document.events.push(Event {
            notification: Some(notification),
            tries: Some(notified.tries.to_native()),
            ..Event::at(notified.at_ms.to_native(), event)
        });
    }

    /// Only the key is left: the end alone is told.
    fn remembered(&mut self, wanted: &Wanted, key: &Key) {
        self.is_done = true;
        let document = &mut self.document;
        if document.xpid.is_none() {
            document.xpid = wanted.keys.get(&key.fingerprint).map(Xpid::to_string);
            document.reqid = wanted.reqid.map(|reqid| format!("{reqid:?}"));
            document.segments = key.segments;
            document.carried_forward = true;
        }
        self.end(key.state, key.ended_ms, key.code, |_| {});
    }
}

impl Event {
    fn at(at_ms: u64, event: &'static str) -> Self {
        Self { at_ms, at: calendar::jst_text(at_ms), event, ..Self::default() }
    }
}

/// The state in one word.
pub(super) fn state_name(state: State) -> String {
    format!("{state:?}").to_ascii_lowercase()
}

fn class_name(number: u8) -> Option<&'static str> {
    Class::from_number(number).map(Class::word)
}

fn kind_name(number: u8) -> Option<&'static str> {
    Some(match PushKind::from_number(number)? {
        PushKind::Control => "control",
        PushKind::Text => "text",
    })
}

/// The carrier's ids of a Handed record, as text.
fn ids_of(octets: &[u8]) -> Option<Vec<String>> {
    let mut ids = Vec::new();
    let mut rest = octets;
    while let Some((&length, behind)) = rest.split_first() {
        let (id, behind) = behind.split_at_checked(usize::from(length))?;
        ids.push(id.escape_ascii().to_string());
        rest = behind;
    }
    (!ids.is_empty()).then_some(ids)
}

fn domain_name(number: u8) -> Option<&'static str> {
    match number {
        1 => Some("CS"),
        2 => Some("PS"),
        3 => Some("carrier"),
        _ => None,
    }
}
