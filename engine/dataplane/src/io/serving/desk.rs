//! What a customer's session asks of its thread: a submit_sm is read, taken by the shard that owns
//! the msn, or handed to the thread that holds it; a query or cancel goes to whoever may know the
//! push.

use crate::io::gate::Gate;
use crate::io::limits::REFUSALS_MAX;
use crate::io::mesh;
use crate::io::mesh::{Mesh, Sender};
use crate::io::now::Now;
use crate::io::parts::Parts;
use crate::io::portions::Portion;
use crate::io::serving::Counts;
use crate::io::serving::binding::Doorman;
use crate::io::serving::placed::{Applicant, PlacedAnswer, Settled};
use crate::io::serving::question::{Asker, Password};
use crate::io::serving::reqids::Reqids;
use crate::io::serving::rights::{Proved, may_bind};
use crate::io::waits::Moment;
use crate::shard::{FoundPush, Reply, Seek};
use wire::smpp::address::{Address, Country, msn_of};
use wire::smpp::customer::{Room, Terms, submission};
use wire::smpp::id::OwnId;
use wire::smpp::oddities::Oddities;
use wire::smpp::pdu::{Bind, Cancel, Message, Query};
use wire::smpp::status::Status;
use wire::submission::form;
use wire::terms::code::Code;
use wire::terms::ids::{Class, Reqid, Xpid};
use wire::terms::ownership::shard_of;
use wire::terms::time::SteadyMs;

/// Who wants to bind, and what its question is kept by.
pub(super) type Asking = (Applicant, Asker);

/// A bind that is refused a while from now.
pub(super) struct Refusal {
    pub(super) session: (u32, u32),
    pub(super) status: Status,
    /// When it came.
    pub(super) since_ms: SteadyMs,
}

/// Has a bind refused when its second is over. Where too many wait for that it has no answer, and
/// the connection ends when its time to bind is over.
pub(super) fn put_refusal(refusals: &mut Vec<Refusal>, refusal: Refusal) {
    if refusals.len() < REFUSALS_MAX {
        refusals.push(refusal);
    }
}

/// What an answer is made of: what it tells, when it leaves, and shards whose word is to come.
pub(super) type Placed = (PlacedAnswer, Gate, u16);

/// What a thread takes customers' requests with, besides its shards and rings.
pub(super) struct Means {
    /// Who has passwords checked; none where no port is asked for.
    pub(super) doorman: Option<Doorman>,
    /// Binds that are refused when their second is over.
    pub(super) refusals: Vec<Refusal>,
    pub(super) counts: Counts,
    scratch: Room,
    reqids: Reqids,
}

impl Means {
    pub(super) fn new(thread: usize, doorman: Option<Doorman>, now: Now) -> Self {
        Self {
            doorman,
            refusals: Vec::new(),
            counts: Counts::default(),
            scratch: Room::default(),
            reqids: Reqids::new(thread, now.wall_ms),
        }
    }

    /// What the session of this name asks its thread for.
    pub(super) fn desk<'a>(
        &'a mut self,
        settled: &'a mut Settled,
        (parts, mesh): (&'a mut Parts, &'a mut Mesh),
        session: (u32, u32),
        now: Now,
        arrived: Moment,
    ) -> CustomerDesk<'a> {
        CustomerDesk { parts, mesh, means: self, settled, session, now, arrived }
    }
}

/// What a session needs of the thread while its link is borrowed.
pub(super) struct CustomerDesk<'a> {
    parts: &'a mut Parts,
    mesh: &'a mut Mesh,
    means: &'a mut Means,
    settled: &'a mut Settled,
    /// Index and generation of the session.
    session: (u32, u32),
    now: Now,
    arrived: Moment,
}

impl CustomerDesk<'_> {
    pub(super) fn now_ms(&self) -> SteadyMs {
        self.now.steady_ms
    }

    pub(super) fn note_oddities(&mut self, oddities: Oddities) {
        self.means.counts.oddities += u64::from(oddities != Oddities::NONE);
    }

    /// Receipts whose sessions are lost.
    pub(super) fn lost(&mut self) -> &mut Vec<u64> {
        &mut self.settled.lost
    }

    /// A customer has answered a receipt.
    pub(super) fn note_answer(&mut self, token: u64, status: Status) {
        self.settled.answered.push((token, status));
    }

    /// Looks who wants to bind and whether it may, and only then has the password checked; `None`:
    /// it will be refused.
    pub(super) fn ask_to_bind(&mut self, bind: &Bind<'_>, proved: Proved) -> Option<Asking> {
        let registered = self.parts.registry().of_system_id(bind.system_id);
        let account = registered.and_then(|one| Some((one, one.registration.smpp.as_ref()?)));
        let Some(doorman) = self.means.doorman.as_ref() else {
            self.refuse(Status::SYSTEM_ERROR);
            return None;
        };
        let asked = account.ok_or(Status::INVALID_SYSTEM_ID).and_then(|its| {
            if !may_bind(its, bind.kind, proved, self.now) {
                return Err(Status::BIND_FAILED);
            }
            let password = Password::new(bind.password).ok_or(Status::INVALID_PASSWORD)?;
            Ok((its.0.registration.xpid, its.1.passwords.clone(), password))
        });
        let (xpid, digests, password) = match asked {
            Ok(asked) => asked,
            Err(status) => {
                doorman.note_failed(proved.0);
                self.refuse(status);
                return None;
            }
        };
        let Some(asker) = doorman.ask(self.session, proved.0, digests, password) else {
            self.refuse(Status::SYSTEM_ERROR);
            return None;
        };
        Some((Applicant { xpid, kind: bind.kind, since_ms: self.now.steady_ms }, asker))
    }

    fn refuse(&mut self, status: Status) {
        let (session, since_ms) = (self.session, self.now.steady_ms);
        put_refusal(&mut self.means.refusals, Refusal { session, status, since_ms });
    }

    /// An id for a push that brings none.
    pub(super) fn next_reqid(&mut self) -> Reqid {
        self.means.reqids.next()
    }

    /// Takes a push; where it brings no id of its own it has this one, or a new one.
    pub(super) fn submit(
        &mut self,
        xpid: Xpid,
        message: &Message<'_>,
        number: u64,
        reqid: Option<Reqid>,
    ) -> Placed {
        self.means.counts.submits += 1;
        let now = self.now;
        let Some(registered) = self.parts.registry().find(xpid) else {
            return (PlacedAnswer::Refused(Status::SUBMIT_FAILED), Gate::Open, 0);
        };
        let registration = &registered.registration;
        let alphabet = registration.smpp.as_ref().map(|account| account.alphabet);
        let terms = Terms {
            xpid,
            alphabet: alphabet.unwrap_or_default(),
            country: Country::JAPAN,
            urgent: registration.classes.contains(Class::Urgent),
            emergency: registration.classes.contains(Class::Emergency),
        };
        let Means { reqids, scratch, .. } = &mut *self.means;
        let made = || reqid.unwrap_or_else(|| reqids.next());
        let read = submission(message, &terms, made, now.wall_ms.ms(), scratch);
        let submission = match read {
            Ok(submission) => submission,
            Err(status) => return (PlacedAnswer::Refused(status), Gate::Open, 0),
        };
        let is_registered =
            |sender: &[u8]| registered.senders.iter().any(|(known, _)| known.as_bytes() == sender);
        if !submission.sender.is_none_or(is_registered) {
            return (PlacedAnswer::Refused(Status::INVALID_SOURCE), Gate::Open, 0);
        }
        let owner = self.parts.place_of(shard_of(submission.msn, self.mesh.shards()));
        let place = owner.or_else(|| self.parts.reader());
        let Some(part) = place.and_then(|place| self.parts.get_mut(place)) else {
            return (PlacedAnswer::Refused(Status::THROTTLED), Gate::Open, 0);
        };
        let place = part.gate_place();
        let key = part.shard.message_key(xpid, submission.msn, submission.reqid);
        let told = |code| PlacedAnswer::Submitted { key, code };
        match part.shard.handle_submission(&submission, now.wall_ms) {
            Reply::Now(answer) => (told(answer.code), Gate::Open, 0),
            Reply::WhenDurable(answer, sequence) => {
                (told(answer.code), Gate::Durable(place, sequence, self.arrived), 0)
            }
            Reply::Owner { shard: owner, client } => {
                let origin = origin_of(self.mesh, self.session, number);
                let is_urgent = submission.class == Class::Emergency;
                let sender = Sender { client, is_urgent };
                let write = |form: &mut Vec<u8>| form::write_submission(&submission, form);
                let is_under_way = self.mesh.addressee(owner).is_some_and(|to| {
                    self.mesh.send_request(to, origin, sender, false, write) == Portion::Free
                });
                if is_under_way {
                    return (told(Code::INTERNAL), Gate::Elsewhere, 1);
                }
                let answer = part.shard.refuse_submission(&submission, now.wall_ms);
                (told(answer.code), Gate::Open, 0)
            }
            Reply::EveryShard { .. } => unreachable!("one push has one owner"),
        }
    }

    /// Tells what has become of a push.
    pub(super) fn query(&mut self, xpid: Xpid, query: &Query<'_>, number: u64) -> Placed {
        self.means.counts.queries += 1;
        let Some(id) = OwnId::parse(query.message_id) else {
            let found = FoundPush::NOTHING;
            return (PlacedAnswer::Queried { id: 0, found }, Gate::Open, 0);
        };
        let seek = Seek { xpid, id, cancels: false };
        let (found, gate, left) = self.seek(&seek, None, number);
        (PlacedAnswer::Queried { id, found }, gate, left)
    }

    /// Cancels a push.
    pub(super) fn cancel(&mut self, xpid: Xpid, cancel: &Cancel<'_>, number: u64) -> Placed {
        self.means.counts.cancels += 1;
        if cancel.message_id.is_empty() {
            // By its addresses alone: that may be many, and nobody says which.
            return (PlacedAnswer::Refused(Status::CANCEL_FAILED), Gate::Open, 0);
        }
        let Some(id) = OwnId::parse(cancel.message_id) else {
            return (PlacedAnswer::Cancelled { found: FoundPush::NOTHING }, Gate::Open, 0);
        };
        let part = self.parts.reader().and_then(|place| self.parts.get(place));
        let may =
            part.map_or(Err(Code::OVERLOAD), |part| part.shard.may_cancel(xpid, self.now.wall_ms));
        if let Err(code) = may {
            let found = FoundPush { code, ..FoundPush::NOTHING };
            return (PlacedAnswer::Cancelled { found }, Gate::Open, 0);
        }
        let seek = Seek { xpid, id, cancels: true };
        let (found, gate, left) = self.seek(&seek, Some(&cancel.destination), number);
        (PlacedAnswer::Cancelled { found }, gate, left)
    }

    /// Asks the shard that owns the destination, or all of them: first those of this thread.
    fn seek(
        &mut self,
        seek: &Seek,
        destination: Option<&Address<'_>>,
        number: u64,
    ) -> (FoundPush, Gate, u16) {
        let shards = self.mesh.shards();
        let owner = destination
            .and_then(|address| msn_of(address, Country::JAPAN))
            .map(|msn| shard_of(msn, shards));
        let is_asked = |shard: usize| owner.is_none_or(|owner| owner == shard);
        for shard in (0..shards).filter(|&shard| is_asked(shard)) {
            let Some(part) = self.parts.of_number(shard) else { continue };
            let (found, sequence) = part.shard.seek(seek, self.now.wall_ms);
            if found.code != Code::PUSH_NOT_FOUND {
                let gate = Gate::Durable(part.gate_place(), sequence, self.arrived);
                return (found, gate, 0);
            }
        }
        let origin = origin_of(self.mesh, self.session, number);
        let registered = self.parts.registry().find(seek.xpid);
        let client = registered.map_or(0, |registered| registered.index);
        let sender = Sender { client, is_urgent: false };
        let others =
            (0..shards).filter(|&shard| is_asked(shard) && self.parts.place_of(shard).is_none());
        let asked = others.map(|shard| {
            self.mesh
                .addressee(shard)
                .is_some_and(|to| self.mesh.send_seek(to, origin, sender, *seek) == Portion::Free)
        });
        let asked: Vec<bool> = asked.collect();
        if asked.contains(&false) {
            // The customer asks again. Who was asked may answer, and nobody waits for it.
            return (FoundPush { code: Code::OVERLOAD, ..FoundPush::NOTHING }, Gate::Open, 0);
        }
        match asked.len() {
            0 => (FoundPush::NOTHING, Gate::Open, 0),
            left => (FoundPush::NOTHING, Gate::Elsewhere, left as u16),
        }
    }
}

/// What a customer's request is known by on another thread.
fn origin_of(mesh: &Mesh, (index, generation): (u32, u32), answer: u64) -> mesh::Origin {
    mesh::Origin {
        thread: mesh.thread() as u16,
        connection: index,
        generation,
        answer,
        gathering: None,
        is_customer: true,
    }
}
