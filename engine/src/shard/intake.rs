//! Requests: scanned, identified, handed to the owner of the msn, admitted, journalled.
//!
//! The order of checks is PROTOCOL's: 1xxx, 2001–2004, 800x, 2005–2007, 4xxx, 3001, 0001, 0002,
//! then the write.

use super::replay::closed_alert;
use super::{Shard, fatal_if_full, records, submission};
use crate::billing::{EventKind, Log};
use crate::gateway::admit::{self, Admission, References};
use crate::gateway::registry::{Credential, Registered, identify};
use crate::journal::{Accepted, AlertCancel, AppendError, CancelAccepted};
use crate::smsc::alerts::AlertIdentity;
use crate::smsc::core::{KeyVerdict, NewPush, admitted_percent};
use crate::smsc::mutation::Mutation;
use std::sync::Arc;
use wire::push::response::Answer;
use wire::push::scan;
use wire::push::scan::{CancelRequest, CancelTarget, PushRequest, Request, ScanRefusal};
use wire::terms::code::Code;
use wire::terms::ids::{Class, Kind, Msn};
use wire::terms::mix::mix;
use wire::terms::ownership::shard_of;
use wire::terms::time::WallMs;

/// A repeated cancel of a whole alert closes it for another day when the last one is older than
/// this.
const ALERT_CANCEL_FRESH_MS: u64 = 3_600_000;

/// Data of so many octets is one segment in every coding.
const SHORT_DATA_OCTETS: usize = 70;

/// Who asks, as far as authentication goes.
pub enum Origin<'a> {
    /// A push client's connection.
    Client {
        /// The value of its Authorization header.
        authorization: Option<&'a [u8]>,
        /// What the connection has proved so far.
        credential: &'a mut Credential,
    },
    /// Another shard, which has checked 1xxx to 2004 already.
    Peer,
}

/// A request as a shard has read it.
pub struct Foreseen<'a> {
    request: Result<Request<'a>, ScanRefusal<'a>>,
    /// The fingerprint of the push's key, where it is a push of this shard's.
    key: u64,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug)]
pub enum Reply {
    /// The answer may leave at once.
    Now(Answer),
    /// The answer may leave when the durable mark has passed this sequence.
    WhenDurable(Answer, u64),
    /// Another shard owns the msn.
    Owner(usize),
    /// Every shard has to answer: the cancel of a whole alert. This shard's part, the number of
    /// pushes it has withdrawn, and the sequence that must be durable.
    EveryShard { answer: Answer, withdrawn: u32, sequence: u64 },
}

impl<L: Log> Shard<L> {
    /// Reads a request's body. Whoever has several requests reads some, fetches for all of them,
    /// and handles them then.
    pub fn foresee<'a>(&self, body: &'a [u8]) -> Foreseen<'a> {
        let request = scan::scan(body);
        let key = match &request {
            Ok(Request::Push(push)) if shard_of(push.msn, self.shards) == self.number => {
                self.fingerprints.push_key(push.xpid, push.msn, push.reqid)
            }
            _ => 0,
        };
        Foreseen { request, key }
    }

    /// Has the processor fetch what the push in a request will ask for: looks into four tables that
    /// are larger than any cache. The processor waits until it knows where the lines lie, for that
    /// is in tables of pages, as large; so it is worth to do this for several requests one after
    /// the other, and nothing in between: it looks for several at a time.
    pub fn fetch(&self, foreseen: &Foreseen<'_>) {
        if let Ok(Request::Push(push)) = &foreseen.request
            && foreseen.key != 0
        {
            self.core.prefetch(foreseen.key, push.msn);
            self.contracts.prefetch(push.msn);
        }
    }

    /// Takes one request's body.
    pub fn handle_request(&mut self, body: &[u8], origin: Origin<'_>, now_ms: WallMs) -> Reply {
        let foreseen = self.foresee(body);
        self.fetch(&foreseen);
        self.handle_foreseen(&foreseen, origin, now_ms)
    }

    /// Takes one request that this shard has read.
    pub fn handle_foreseen(
        &mut self,
        foreseen: &Foreseen<'_>,
        origin: Origin<'_>,
        now_ms: WallMs,
    ) -> Reply {
        let reply = self.reply_to(foreseen, origin, now_ms);
        if self.names_lost {
            return not_durable(reply);
        }
        if let Reply::WhenDurable(_, sequence) | Reply::EveryShard { sequence, .. } = reply {
            self.awaited = self.awaited.max(sequence);
        }
        reply
    }

    fn reply_to(&mut self, foreseen: &Foreseen<'_>, origin: Origin<'_>, now_ms: WallMs) -> Reply {
        self.counted.requests += 1;
        let request = match &foreseen.request {
            Ok(request) => request,
            Err(refusal) => {
                self.counted.refuse(refusal.code);
                return Reply::Now(refusal.answer());
            }
        };
        let from_peer = matches!(origin, Origin::Peer);
        let registry = Arc::clone(&self.registry);
        let (xpid, msn) = match request {
            Request::Push(push) => (push.xpid, Some(push.msn)),
            Request::Cancel(cancel) => (cancel.xpid, msn_to_cancel(cancel)),
        };
        //= push right identity
        let identified = match origin {
            Origin::Client { authorization, credential } => {
                identify(&registry, authorization, credential, xpid, now_ms)
            }
            Origin::Peer => registry.find(xpid).ok_or(Code::NOT_REGISTERED),
        };
        let registered = match identified {
            Ok(registered) => registered,
            Err(code) => return self.refuse(request, code, now_ms),
        };
        if !from_peer
            && let Some(owner) =
                msn.map(|msn| shard_of(msn, self.shards)).filter(|&owner| owner != self.number)
        {
            return Reply::Owner(owner);
        }
        match request {
            Request::Push(push) => match self.take_push(registered, push, foreseen.key, now_ms) {
                Ok(reply) => reply,
                Err(code) => self.refuse(request, code, now_ms),
            },
            Request::Cancel(cancel) => self.take_cancel(registered, cancel, from_peer, now_ms),
        }
    }

    /// The answer to a request that its owner could not be handed.
    pub fn refuse_for_overload(&mut self, body: &[u8], now_ms: WallMs) -> Answer {
        match scan::scan(body) {
            Ok(request) => match self.refuse(&request, Code::OVERLOAD, now_ms) {
                Reply::Now(answer) => answer,
                _ => unreachable!("a refusal leaves at once"),
            },
            Err(refusal) => refusal.answer(),
        }
    }

    //= push answer checks
    fn take_push(
        &mut self,
        registered: &Registered,
        push: &PushRequest<'_>,
        key: u64,
        now_ms: WallMs,
    ) -> Result<Reply, Code> {
        let content_digest = admit::content_digest(push);
        let verdict = self.verdict(push, key, content_digest);
        let repeat = matches!(verdict, KeyVerdict::Repeat { .. });
        if self.names_lost {
            return Err(Code::STORAGE_FULL);
        }
        if self.intake_paused {
            return Err(Code::PAUSED);
        }
        if verdict == KeyVerdict::New {
            self.core.room_for(push.msn, push.class, push.xpid.value())?;
            self.journal_room_for(push.class)?;
        }
        //= push once rate
        if !repeat && !registered.meter.rate(self.pace.steady(now_ms)) {
            return Err(Code::RATE);
        }
        let references = References {
            message_reference: self.message_reference,
            concatenation_reference: self.draw_reference(push),
        };
        let contracted = self.contracts.contains(push.msn, push.xpid);
        let admitted = admit::admit(
            registered,
            contracted,
            push,
            references,
            now_ms,
            &mut self.scratch,
            &mut self.submits[..],
        );
        let admission = match admitted {
            Ok(admission) => Some(admission),
            // The volume is not charged again for what it was charged for already.
            //= push once rate
            Err(Code::VOLUME_USED_UP) if repeat => None,
            Err(code) => return Err(code),
        };
        match (verdict, admission) {
            //= push once key
            (KeyVerdict::Reused, _) => Err(Code::REQID_REUSED),
            (KeyVerdict::Repeat { segments }, _) => {
                self.counted.repeats += 1;
                self.bill_request(EventKind::Replayed, push, Code::REPEATED, now_ms);
                let answer = answer_to(push, Code::REPEATED, segments);
                // The first may not be durable yet: its repeat is worth no more.
                let early = self.mutation == Mutation::AnswerRepeatEarly;
                Ok(Reply::WhenDurable(answer, if early { 0 } else { self.journal.appended() }))
            }
            (KeyVerdict::New, Some(admission)) => {
                self.store_push(registered, push, key, content_digest, &admission, now_ms)
            }
            (KeyVerdict::New, None) => Err(Code::VOLUME_USED_UP),
        }
    }

    /// 8003 or 8002 where what is left of the journal is for classes that matter more.
    fn journal_room_for(&self, class: Class) -> Result<(), Code> {
        let percent = admitted_percent(class) as u64;
        if percent < 100 && self.journal.is_staged_to(percent) {
            return Err(Code::OVERLOAD);
        }
        if percent < 100 && self.journal.is_filled_to(percent, || self.cleanable_octets()) {
            return Err(Code::STORAGE_FULL);
        }
        Ok(())
    }

    /// Octets that cleaning gains soon: none while the books do not take the events of the records.
    fn cleanable_octets(&self) -> u64 {
        if self.owed.is_some() { 0 } else { self.dead_octets }
    }

    /// The concatenation reference of this push, should it be a long one. What cannot be long draws
    /// none: looking costs a walk through the msn's contracts.
    //= TS 23.040 9.2.3.24.1 reference
    fn draw_reference(&mut self, push: &PushRequest<'_>) -> u8 {
        self.concatenation_reference =
            if push.data.len() > SHORT_DATA_OCTETS || push.udh_hex.is_some() {
                let next = self.contracts.next_reference(push.msn, push.xpid);
                next.wrapping_add(self.reference_base(push.msn))
            } else {
                0
            };
        self.concatenation_reference
    }

    /// What the references of a phone count from. Each start has its own: what a phone has of a
    /// long push from before it meets the same reference by chance only.
    fn reference_base(&self, msn: Msn) -> u8 {
        mix(self.reference_seed ^ msn.value()) as u8
    }

    fn store_push(
        &mut self,
        registered: &Registered,
        push: &PushRequest<'_>,
        key: u64,
        content_digest: u64,
        admission: &Admission,
        now_ms: WallMs,
    ) -> Result<Reply, Code> {
        let segments = admission.segments;
        let alert = self.alert_identity(push);
        if let Some(reply) = self.reply_of_alert(push, alert, segments, now_ms)? {
            return Ok(reply);
        }
        self.rehearse()?;
        let submits = &self.submits[..admission.submits_octets];
        submission::submit(submits, segments, self.stamps.scts(now_ms.ms()))?;
        let (lifetime, expiry_ms) = (push.lifetime_hours, push.expiry_ms.map(WallMs::new));
        let expires_ms = self.pace.expires(now_ms, admission.expires_ms, lifetime, expiry_ms);
        let (reqid, reqid_length) = records::reqid_octets(push.reqid);
        let record = Accepted {
            push_id: self.journal.next_sequence(),
            key_fingerprint: key,
            content_digest,
            msn: push.msn.value(),
            xpid: push.xpid.value(),
            accepted_ms: now_ms.ms(),
            expires_ms: expires_ms.ms(),
            reqid,
            reqid_length,
            class: push.class.number(),
            kind: push.kind.number(),
            wants_notification: admission.wants_notification,
            single_attempt: admission.single_attempt,
            segments,
            message_reference: self.message_reference,
            concatenation_reference: self.concatenation_reference,
            svcinst: registered.registration.svcinst.bits(),
            sender_index: admission.sender_index,
            alert_sequence: alert.map_or(0, |alert| alert.sequence),
            alert_key_fingerprint: alert.map_or(0, |alert| alert.key),
            alert_fingerprint: alert.map_or(0, |alert| alert.alert),
            sender: registered.senders[usize::from(admission.sender_index)].0.as_bytes(),
            alert_id: push.alert.map_or(&[][..], |alert| alert.id),
            submits,
        };
        let (position, push_id) = self.journal.append_accepted(&record).map_err(code_of)?;
        assert_eq!(push_id, record.push_id, "the journal numbers records as it said it would");
        self.note_references(push, segments);
        let new = NewPush {
            push_id,
            position: position.to_bits(),
            key,
            content_digest,
            msn: push.msn,
            class: push.class,
            segments,
            expires_ms: self.pace.center(expires_ms),
            control: push.kind == Kind::Control,
            client: push.xpid.value(),
            wants_notification: admission.wants_notification,
            single_attempt: admission.single_attempt,
            alert,
        };
        self.core.accept(new, self.pace.center(now_ms));
        registered.meter.charge(now_ms);
        self.note_accepted(push_id, segments, now_ms);
        //= push answer durable
        Ok(Reply::WhenDurable(answer_to(push, Code::ACCEPTED, segments), push_id + 1))
    }

    /// What the alert of a push has decided already: 0002 where the phone has a newer one, 3004
    /// where it is cancelled.
    fn reply_of_alert(
        &mut self,
        push: &PushRequest<'_>,
        alert: Option<AlertIdentity>,
        segments: u8,
        now_ms: WallMs,
    ) -> Result<Option<Reply>, Code> {
        let Some(alert) = alert else { return Ok(None) };
        if self.core.knows_alert(&alert) {
            //= push alert known
            let answer = answer_to(push, Code::ALERT_KNOWN, segments);
            self.bill_request(EventKind::Replayed, push, Code::ALERT_KNOWN, now_ms);
            return Ok(Some(Reply::WhenDurable(answer, self.journal.appended())));
        }
        //= push cancel closed
        if self.core.closed_alert(alert.alert).is_some() {
            return Err(Code::ALREADY_CANCELLED);
        }
        Ok(None)
    }

    fn note_accepted(&mut self, push_id: u64, segments: u8, now_ms: WallMs) {
        self.waiting.marks.note(push_id, now_ms);
        self.counted.accepted += 1;
        self.counted.segments_accepted += u64::from(segments);
    }

    /// The next push counts on from the references that this one took.
    fn note_references(&mut self, push: &PushRequest<'_>, segments: u8) {
        self.message_reference = self.message_reference.wrapping_add(segments);
        if segments > 1 {
            let kept = self.concatenation_reference.wrapping_sub(self.reference_base(push.msn));
            self.contracts.note_reference(push.msn, push.xpid, kept);
        }
    }

    fn take_cancel(
        &mut self,
        registered: &Registered,
        cancel: &CancelRequest<'_>,
        from_peer: bool,
        now_ms: WallMs,
    ) -> Reply {
        self.counted.cancels += 1;
        match cancel.target {
            CancelTarget::Push { msn, reqid } => {
                if !registered.meter.rate(self.pace.steady(now_ms)) {
                    return self.refuse(&Request::Cancel(*cancel), Code::RATE, now_ms);
                }
                let (code, segments) = match self.known_key(cancel.xpid, msn, reqid) {
                    Some(key) => self.cancel_push(registered, key, now_ms),
                    None => {
                        self.counted.refuse(Code::PUSH_NOT_FOUND);
                        (Code::PUSH_NOT_FOUND, 0)
                    }
                };
                let answer = Answer { segments, ..answer_to_cancel(cancel, code) };
                // What it says of the push's end must not be undone by a crash.
                Reply::WhenDurable(answer, self.journal.appended())
            }
            CancelTarget::Alert { alert_id, .. } => {
                let fingerprints = self.alert_fingerprints(cancel.xpid, alert_id);
                let (code, withdrawn) =
                    match self.close_alerts(registered, fingerprints, from_peer, now_ms) {
                        Ok(closed) => closed,
                        Err(code) => return self.refuse(&Request::Cancel(*cancel), code, now_ms),
                    };
                let (answer, sequence) = (answer_to_cancel(cancel, code), self.journal.appended());
                if from_peer || self.shards > 1 {
                    return Reply::EveryShard { answer, withdrawn, sequence };
                }
                Reply::WhenDurable(answer, sequence)
            }
        }
    }

    /// Withdraws a push; what that is answered, and the push's segments.
    //= push cancel push
    fn cancel_push(&mut self, registered: &Registered, key: u64, now_ms: WallMs) -> (Code, u8) {
        let live = self.core.live_push_id(key);
        let told = registered.registration.notify_url.is_some();
        match self.core.cancel(key, told, self.pace.center(now_ms)) {
            Ok((_, segments)) => {
                let record =
                    CancelAccepted::of_push(live.unwrap_or_default(), now_ms.ms(), key, told);
                if self.mutation != Mutation::CancelUnrecorded {
                    fatal_if_full(self.journal.append_cancel(&record));
                }
                self.carry_out_effects(now_ms);
                (Code::ACCEPTED, segments)
            }
            Err((code, segments)) => {
                self.counted.refuse(code);
                (code, segments)
            }
        }
    }

    /// Closes an alert under the fingerprint that it has, and under the older one that it may be
    /// known by too.
    fn close_alerts(
        &mut self,
        registered: &Registered,
        (fingerprint, older): (u64, Option<u64>),
        from_peer: bool,
        now_ms: WallMs,
    ) -> Result<(Code, u32), Code> {
        let closed = self.close_alert(registered, fingerprint, from_peer, now_ms)?;
        let Some(older) = older else { return Ok(closed) };
        // It is one cancel: it counts once.
        let before = self.close_alert(registered, older, true, now_ms)?;
        let first_of = |code| [closed, before].into_iter().any(|(answered, _)| answered == code);
        let code = [Code::ACCEPTED, Code::REPEATED].into_iter().find(|&code| first_of(code));
        Ok((code.unwrap_or(Code::PUSH_NOT_FOUND), closed.1 + before.1))
    }

    /// Withdraws an alert's pushes and lets no further one in; what that is answered, and how many
    /// there were. One record says so for all of them. A cancel that was answered before is
    /// repeated for nothing.
    //= push cancel alert
    fn close_alert(
        &mut self,
        registered: &Registered,
        fingerprint: u64,
        from_peer: bool,
        now_ms: WallMs,
    ) -> Result<(Code, u32), Code> {
        let (known, center_ms) = (self.core.closed_alert(fingerprint), self.pace.center(now_ms));
        //= push cancel again
        let answer_again = |found| if found { Code::REPEATED } else { Code::PUSH_NOT_FOUND };
        if let Some(cancel) = known
            && center_ms.abs_diff(cancel.at_ms) < ALERT_CANCEL_FRESH_MS
        {
            return Ok((answer_again(cancel.found), 0));
        }
        // Of a cancel that every shard takes part in, the one that it came to counts it.
        if !from_peer && !registered.meter.rate(self.pace.steady(now_ms)) {
            return Err(Code::RATE);
        }
        let share = records::share(registered.registration.xpid);
        let found =
            known.is_some_and(|cancel| cancel.found) || self.core.alert_members(fingerprint) > 0;
        if known.is_none() && !self.core.make_room_for_alert_cancel(share, found) {
            return Err(Code::STORAGE_FULL);
        }
        let told = registered.registration.notify_url.is_some();
        let sequence = self.journal.next_sequence();
        let cancel = AlertCancel { sequence, at_ms: now_ms.ms(), fingerprint, share, found, told };
        self.journal.append_alert_cancel(&CancelAccepted::of_alert(&cancel)).map_err(code_of)?;
        let withdrawn = self.core.cancel_alert(fingerprint, closed_alert(&cancel, self.pace));
        Ok(match known {
            Some(cancel) => (answer_again(cancel.found), 0),
            None if withdrawn > 0 => (Code::ACCEPTED, withdrawn),
            None => (Code::PUSH_NOT_FOUND, 0),
        })
    }

    fn refuse(&mut self, request: &Request<'_>, code: Code, now_ms: WallMs) -> Reply {
        self.counted.refuse(code);
        match request {
            Request::Push(push) => {
                if self.registry.find(push.xpid).is_some() {
                    self.bill_request(EventKind::Rejected, push, code, now_ms);
                }
                Reply::Now(answer_to(push, code, 0))
            }
            Request::Cancel(cancel) => Reply::Now(answer_to_cancel(cancel, code)),
        }
    }

    fn bill_request(
        &mut self,
        kind: EventKind,
        push: &PushRequest<'_>,
        code: Code,
        now_ms: WallMs,
    ) {
        self.count_request(kind, push.xpid.value(), code.number(), now_ms);
    }
}

/// What is answered where records go to files without a name: what waits for them can never leave.
#[cold]
fn not_durable(reply: Reply) -> Reply {
    match reply {
        Reply::WhenDurable(answer, _) | Reply::EveryShard { answer, .. } => {
            Reply::Now(Answer { code: Code::NOT_DURABLE, ..answer })
        }
        other => other,
    }
}

/// What a request is answered whose record finds no room.
fn code_of(error: AppendError) -> Code {
    match error {
        AppendError::Full => Code::STORAGE_FULL,
        AppendError::NoSpare => Code::OVERLOAD,
    }
}

fn answer_to(push: &PushRequest<'_>, code: Code, segments: u8) -> Answer {
    Answer { code, msn: Some(push.msn), reqid: Some(push.reqid), xpid: Some(push.xpid), segments }
}

/// The msn of the push to cancel; `None` for a whole alert.
fn msn_to_cancel(cancel: &CancelRequest<'_>) -> Option<Msn> {
    match cancel.target {
        CancelTarget::Push { msn, .. } => Some(msn),
        CancelTarget::Alert { .. } => None,
    }
}

fn answer_to_cancel(cancel: &CancelRequest<'_>, code: Code) -> Answer {
    let (msn, reqid) = match cancel.target {
        CancelTarget::Push { msn, reqid } => (msn, reqid),
        CancelTarget::Alert { reqid, .. } => (Msn::ALL, reqid),
    };
    Answer { code, msn: Some(msn), reqid: Some(reqid), xpid: Some(cancel.xpid), segments: 0 }
}

/// Classes other than these are asked for in the registration.
const _: () = assert!(Class::Standard as u8 == 1);
