//! Requests: scanned, identified, handed to the owner of the msn, admitted, journalled.
//!
//! A request of a push client is a body; one that another shard sends is a submission's binary form
//! (`wire::submission::form`), of which that shard has checked 1xxx to 2004 already. The order of
//! checks is PROTOCOL's: 1xxx, 2001–2004, 800x, 2005–2007, 4xxx, 3001, 0001, 0002,
//! then the write.

use super::asked::{Canceller, Named, Reply, code_of};
use super::{Shard, records, submission};
use crate::billing::{EventKind, Log};
use crate::gateway::admit::{self, Admission, References};
use crate::gateway::registry::{Credential, Registered, identify};
use crate::journal::Accepted;
use crate::network::routes::CORE_NETWORK;
use crate::smsc::alerts::AlertIdentity;
use crate::smsc::core::{KeyVerdict, NewPush, admitted_percent};
use crate::smsc::mutation::CoreMutation;
use std::sync::Arc;
use wire::push::response::Answer;
use wire::push::scan;
use wire::push::scan::{Request, ScanRefusal};
use wire::smpp::coding;
use wire::sms::coding_scheme::CodingScheme;
use wire::sms::segment::Content;
use wire::submission::form::{self, FormOrder};
use wire::submission::{CancelTarget, Door, Submission};
use wire::terms::code::Code;
use wire::terms::ids::{Class, Kind, Msn};
use wire::terms::mix::mix;
use wire::terms::ownership::shard_of;
use wire::terms::time::WallMs;

/// Content of so many octets is one segment in every coding.
const SHORT_CONTENT_OCTETS: usize = 70;

/// The push client that asks, as far as authentication goes.
pub struct Origin<'a> {
    /// The value of its Authorization header.
    pub authorization: Option<&'a [u8]>,
    /// What the connection has proved so far.
    pub credential: &'a mut Credential,
}

/// A request as a shard has read it.
pub struct Foreseen<'a> {
    request: Result<Request<'a>, ScanRefusal<'a>>,
    /// The shard that owns its msn, or [`NOBODY`].
    owner: usize,
    /// The fingerprint of the push's key, where it is a push of a shard that is here.
    key: u64,
}

/// No shard owns what the request is about: it cannot be read, or is about all of them.
const NOBODY: usize = usize::MAX;

impl<'a> Foreseen<'a> {
    /// A request on a thread that has no shard: nobody takes it there.
    pub fn of_nobody(body: &'a [u8]) -> Self {
        Self { request: scan::scan(body), owner: NOBODY, key: 0 }
    }
}

impl Foreseen<'_> {
    /// The shard that owns the msn, where the request is about one.
    pub fn owner(&self) -> Option<usize> {
        (self.owner != NOBODY).then_some(self.owner)
    }

    /// The answer where nobody can take it now: 8002, or what is wrong with it.
    pub fn refused_for_overload(&self) -> Answer {
        match &self.request {
            Ok(request) => Named::of_request(request).answer(Code::OVERLOAD, 0),
            Err(refusal) => refusal.answer(),
        }
    }

    /// Whether it is an emergency push.
    pub fn is_emergency(&self) -> bool {
        matches!(&self.request, Ok(Request::Push(push)) if push.class == Class::Emergency)
    }
}

impl<L: Log> Shard<L> {
    /// Reads a request's body. Whoever has several requests reads some, fetches for all of them,
    /// and handles them then.
    pub fn foresee<'a>(&self, body: &'a [u8]) -> Foreseen<'a> {
        self.foresee_for(body, |owner| owner == self.number)
    }

    /// As [`Self::foresee`] for all shards that are here: each of them can then fetch and handle
    /// what it owns.
    #[inline]
    pub fn foresee_for<'a>(
        &self,
        body: &'a [u8],
        is_here: impl FnOnce(usize) -> bool,
    ) -> Foreseen<'a> {
        let request = scan::scan(body);
        let (mut owner, mut key) = (NOBODY, 0);
        match &request {
            Ok(Request::Push(push)) => {
                owner = shard_of(push.msn, self.shards);
                if is_here(owner) {
                    key = self.fingerprints.push_key(push.xpid, push.msn, push.reqid);
                }
            }
            Ok(Request::Cancel(cancellation)) => {
                if let CancelTarget::Push { msn, .. } = cancellation.target {
                    owner = shard_of(msn, self.shards);
                }
            }
            Err(_) => {}
        }
        Foreseen { request, owner, key }
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
        self.gated(reply)
    }

    /// Takes a request that another shard was given, in its binary form. Of a whole alert's
    /// cancel, `found_elsewhere` says that pushes of the alert wait in another shard.
    ///
    /// # Panics
    /// When it is no form: shards send what they wrote.
    pub fn handle_form(&mut self, form: &[u8], found_elsewhere: bool, now_ms: WallMs) -> Reply {
        self.counted.requests += 1;
        let order = match form::read(form) {
            Ok(order) => order,
            Err(error) => panic!("another shard sends what cannot be read: {error}"),
        };
        let named = Named::of_order(&order);
        let registry = Arc::clone(&self.registry);
        let Some(registered) = registry.find(named.xpid) else {
            return self.refuse(named, Code::NOT_REGISTERED, now_ms);
        };
        let reply = match &order {
            FormOrder::Push(submission) => {
                let key = self.fingerprints.push_key(named.xpid, named.msn, named.reqid);
                self.core.prefetch(key, named.msn);
                self.contracts.prefetch(named.msn);
                self.take_push(registered, submission, key, now_ms)
            }
            FormOrder::Cancel(cancellation) => {
                let canceller = Canceller::Shard { found_elsewhere };
                self.take_cancel(registered, cancellation, canceller, now_ms)
            }
        };
        self.gated(reply)
    }

    /// Notes that an answer waits for the journal, or that there is none that it could wait for.
    pub(super) fn gated(&mut self, reply: Reply) -> Reply {
        if self.doubts != 0 {
            return self.doubted(reply);
        }
        self.awaiting(reply)
    }

    /// Notes that an answer waits for the journal.
    #[inline]
    pub(super) fn awaiting(&mut self, reply: Reply) -> Reply {
        if let Reply::WhenDurable(_, sequence) | Reply::EveryShard { sequence, .. } = reply {
            self.awaited = self.awaited.max(sequence);
        }
        reply
    }

    /// Writes the binary form of a request that other shards are to take.
    ///
    /// # Panics
    /// When it could not be read: such a request has no owner.
    pub fn write_form(&mut self, foreseen: &Foreseen<'_>, form: &mut Vec<u8>) {
        match &foreseen.request {
            Ok(Request::Push(push)) => {
                let Some(scratch) = &mut self.scratch else {
                    unreachable!("no push is being taken")
                };
                form::write_submission(&push.submission(scratch), form);
            }
            Ok(Request::Cancel(cancellation)) => form::write_cancellation(cancellation, form),
            Err(refusal) => unreachable!("{refusal:?} is answered where it came"),
        }
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
        let named = Named::of_request(request);
        let registry = Arc::clone(&self.registry);
        let Origin { authorization, credential } = origin;
        //= push right identity
        let registered = match identify(&registry, authorization, credential, named.xpid, now_ms) {
            Ok(registered) => registered,
            Err(code) => return self.refuse(named, code, now_ms),
        };
        if foreseen.owner != self.number && foreseen.owner != NOBODY {
            return Reply::Owner { shard: foreseen.owner, client: registered.index };
        }
        match request {
            Request::Push(push) => {
                let Some(mut scratch) = self.scratch.take() else {
                    unreachable!("one push is taken after the other")
                };
                let submission = push.submission(&mut scratch);
                let reply = self.take_push(registered, &submission, foreseen.key, now_ms);
                self.scratch = Some(scratch);
                reply
            }
            Request::Cancel(cancellation) => {
                self.take_cancel(registered, cancellation, Canceller::Client, now_ms)
            }
        }
    }

    /// A request that its owner could not be handed yet is taken later, as if it had not come: it
    /// was counted here as what [`Reply::Owner`] says.
    pub fn put_off(&mut self) {
        self.counted.requests -= 1;
    }

    /// The answer to a request that its owner could not be handed.
    pub fn refuse_for_overload(&mut self, foreseen: &Foreseen<'_>, now_ms: WallMs) -> Answer {
        match &foreseen.request {
            Ok(request) => match self.refuse(Named::of_request(request), Code::OVERLOAD, now_ms) {
                Reply::Now(answer) => answer,
                _ => unreachable!("a refusal leaves at once"),
            },
            Err(_) => foreseen.refused_for_overload(),
        }
    }

    pub(super) fn take_push(
        &mut self,
        registered: &Registered,
        submission: &Submission<'_>,
        key: u64,
        now_ms: WallMs,
    ) -> Reply {
        match self.accept_push(registered, submission, key, now_ms) {
            Ok(reply) => reply,
            Err(code) => self.refuse(Named::of_submission(submission), code, now_ms),
        }
    }

    //= push answer checks
    fn accept_push(
        &mut self,
        registered: &Registered,
        push: &Submission<'_>,
        key: u64,
        now_ms: WallMs,
    ) -> Result<Reply, Code> {
        let verdict = match self.verdict(push, key) {
            KeyVerdict::New if self.is_reqid_of_row(push.xpid, push.msn, push.reqid) => {
                KeyVerdict::Reused
            }
            verdict => verdict,
        };
        let repeat = matches!(verdict, KeyVerdict::Repeat { .. });
        if self.has_lost_names() {
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
        let recoded = if self.routes.any_lacks() { self.recoded(push) } else { None };
        let push = recoded.as_ref().unwrap_or(push);
        let contracted = self.contracts.contains(push.msn, push.xpid);
        let route = self.route_for(registered, push);
        if contracted {
            route?;
        }
        let admitted =
            admit::admit(registered, contracted, push, references, now_ms, &mut self.submits[..]);
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
                let early = self.mutation == CoreMutation::AnswerRepeatEarly;
                Ok(Reply::WhenDurable(answer, if early { 0 } else { self.journal.appended() }))
            }
            (KeyVerdict::New, Some(admission)) => {
                self.store_push(registered, push, key, (&admission, route?), now_ms)
            }
            (KeyVerdict::New, None) => Err(Code::VOLUME_USED_UP),
        }
    }

    /// The push as UCS-2, where a carrier of its route takes text in an alphabet that lacks one of
    /// its characters. A coding that the client chose stays.
    #[cold]
    fn recoded<'a>(&self, push: &Submission<'a>) -> Option<Submission<'a>> {
        let (Ok(Content::Text(text)), None) = (push.content, push.coding_scheme) else {
            return None;
        };
        let route = self.routes.route_of(push.msn, push.xpid, push.class);
        let is_carried = coding::carries(text, self.routes.alphabet(route));
        (!is_carried).then_some(Submission { coding_scheme: Some(CodingScheme::UCS2.0), ..*push })
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
    pub(super) fn cleanable_octets(&self) -> u64 {
        if self.owed.is_some() { 0 } else { self.dead_octets }
    }

    /// The concatenation reference of this push, should it be a long one. What cannot be long draws
    /// none: looking costs a walk through the msn's contracts.
    //= TS 23.040 9.2.3.24.1 reference
    fn draw_reference(&mut self, push: &Submission<'_>) -> u8 {
        let octets = match push.content {
            Ok(Content::Text(text)) => text.len(),
            Ok(Content::Octets(octets)) => octets.len(),
            // A part is one segment already.
            Ok(Content::Part(_)) | Err(_) => 0,
        };
        let may_be_long = octets > SHORT_CONTENT_OCTETS || !push.header.is_empty();
        self.concatenation_reference = if may_be_long {
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
        push: &Submission<'_>,
        key: u64,
        (admission, route): (&Admission, u8),
        now_ms: WallMs,
    ) -> Result<Reply, Code> {
        let (segments, alert) = (admission.segments, self.alert_identity(push));
        if let Some(reply) = self.reply_of_alert(push, alert, segments, now_ms)? {
            return Ok(reply);
        }
        self.rehearse()?;
        let submits = &self.submits[..admission.submits_octets];
        submission::submit(submits, segments, self.stamps.scts(now_ms))?;
        let expires_ms = self.expires_ms(push, admission, now_ms);
        let (reqid, reqid_length) = records::reqid_octets(push.reqid);
        let record = Accepted {
            push_id: self.journal.next_sequence(),
            key_fingerprint: key,
            content_digest: push.digest,
            msn: push.msn.value(),
            xpid: push.xpid.value(),
            accepted_ms: now_ms.ms(),
            expires_ms: expires_ms.ms(),
            reqid,
            reqid_length,
            class: push.class.number(),
            kind: push.kind.number(),
            wants_notification: admission.wants_notification,
            single_attempt: push.is_single_attempt(),
            segments,
            message_reference: self.message_reference,
            concatenation_reference: self.concatenation_reference,
            svcinst: registered.registration.svcinst.bits(),
            sender_index: admission.sender_index,
            alert_sequence: alert.map_or(0, |alert| alert.sequence),
            door: push.door.bits(),
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
            content_digest: push.digest,
            msn: push.msn,
            class: push.class,
            segments,
            expires_ms: self.pace.center(expires_ms),
            control: push.kind == Kind::Control,
            client: push.xpid.value(),
            wants_notification: admission.wants_notification,
            single_attempt: push.is_single_attempt(),
            by_smpp: push.door != Door::Http,
            alert,
            route,
        };
        self.core.accept(new, self.pace.center(now_ms));
        registered.meter.charge(now_ms);
        self.note_accepted(push_id, segments, now_ms);
        //= push answer durable
        Ok(Reply::WhenDurable(answer_to(push, Code::ACCEPTED, segments), push_id + 1))
    }

    /// Where the push goes; 2006 where that has to know the state of the line, which is a
    /// carrier's to know.
    fn route_for(&self, registered: &Registered, push: &Submission<'_>) -> Result<u8, Code> {
        let route = self.routes.route_of(push.msn, push.xpid, push.class);
        let may = route == CORE_NETWORK || !registered.registration.line_state;
        if may { Ok(route) } else { Err(Code::NOT_ALLOWED) }
    }

    /// When the push expires, in real time.
    fn expires_ms(&self, push: &Submission<'_>, admission: &Admission, now_ms: WallMs) -> WallMs {
        let (lifetime, expiry_ms) = (push.lifetime_hours, push.expiry_ms.map(WallMs::new));
        self.pace.expires(now_ms, admission.expires_ms, lifetime, expiry_ms)
    }

    /// What the alert of a push has decided already: 0002 where the phone has a newer one, 3004
    /// where it is cancelled.
    fn reply_of_alert(
        &mut self,
        push: &Submission<'_>,
        alert: Option<AlertIdentity>,
        segments: u8,
        now_ms: WallMs,
    ) -> Result<Option<Reply>, Code> {
        let Some(alert) = alert else { return Ok(None) };
        let named = push.alert.map(|named| (push.xpid, named.id));
        let has_row = |named| self.has_newer_row(named, push.msn, alert.sequence);
        if self.core.knows_alert(&alert) || named.is_some_and(has_row) {
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
    fn note_references(&mut self, push: &Submission<'_>, segments: u8) {
        self.message_reference = self.message_reference.wrapping_add(segments);
        if segments > 1 {
            let kept = self.concatenation_reference.wrapping_sub(self.reference_base(push.msn));
            self.contracts.note_reference(push.msn, push.xpid, kept);
        }
    }

    pub(super) fn refuse(&mut self, named: Named, code: Code, now_ms: WallMs) -> Reply {
        self.counted.refuse(code);
        if named.is_push && self.registry.find(named.xpid).is_some() {
            self.count_request(EventKind::Rejected, named.xpid.value(), code.number(), now_ms);
        }
        Reply::Now(named.answer(code, 0))
    }

    fn bill_request(&mut self, kind: EventKind, push: &Submission<'_>, code: Code, now_ms: WallMs) {
        self.count_request(kind, push.xpid.value(), code.number(), now_ms);
    }
}

fn answer_to(push: &Submission<'_>, code: Code, segments: u8) -> Answer {
    Named::of_submission(push).answer(code, segments)
}

/// Classes other than these are asked for in the registration.
const _: () = assert!(Class::Standard as u8 == 1);
