//! What a push client's connection asks of its thread: each request is read, taken by the shard
//! that owns the msn, handed to the thread that holds that shard, or asked of every shard.

use crate::gateway::registry::Credential;
use crate::io::connection::Desk;
use crate::io::gate::Gate;
use crate::io::gathering::{Asker, Gathering, Gatherings, Saying};
use crate::io::mesh::{Mesh, Sender};
use crate::io::now::Now;
use crate::io::parts::Parts;
use crate::io::portions::Portion;
use crate::io::taking_part::{Call, call, origin_of, put_saying};
use crate::io::waits::Moment;
use crate::shard::{Foreseen, Origin, Reply};
use wire::push::response::Answer;
use wire::terms::code::Code;
use wire::terms::time::SteadyMs;

/// What a request needs of the thread while its connection is borrowed.
pub(super) struct ThreadDesk<'a> {
    pub(super) parts: &'a mut Parts,
    pub(super) mesh: &'a mut Mesh,
    pub(super) gatherings: &'a mut Gatherings,
    /// Index and generation of the connection.
    pub(super) session: (u32, u32),
    pub(super) now: Now,
    pub(super) arrived: Moment,
}

impl Desk for ThreadDesk<'_> {
    type Foreseen<'body> = Foreseen<'body>;

    fn foresee<'body>(&self, body: &'body [u8]) -> Foreseen<'body> {
        match self.parts.reader().and_then(|place| self.parts.get(place)) {
            Some(part) => {
                part.shard.foresee_for(body, |owner| self.parts.place_of(owner).is_some())
            }
            None => Foreseen::of_nobody(body),
        }
    }

    fn fetch(&self, foreseen: &Foreseen<'_>) {
        let place = foreseen.owner().and_then(|owner| self.parts.place_of(owner));
        if let Some(part) = place.and_then(|place| self.parts.get(place)) {
            part.shard.fetch(foreseen);
        }
    }

    fn now_ms(&self) -> SteadyMs {
        self.now.steady_ms
    }

    fn request(
        &mut self,
        foreseen: &Foreseen<'_>,
        authorization: Option<&[u8]>,
        credential: &mut Credential,
        number: u64,
    ) -> Option<(Answer, Gate)> {
        let owner = foreseen.owner().and_then(|owner| self.parts.place_of(owner));
        let place = owner.or_else(|| self.parts.reader());
        let Some(part) = place.and_then(|place| self.parts.get_mut(place)) else {
            return Some((foreseen.refused_for_overload(), Gate::Open));
        };
        let origin = Origin { authorization, credential };
        let (place, own) = (part.gate_place(), part.shard.number());
        Some(match part.shard.handle_foreseen(foreseen, origin, self.now.wall_ms) {
            Reply::Now(answer) => (answer, Gate::Open),
            Reply::WhenDurable(answer, sequence) => {
                (answer, Gate::Durable(place, sequence, self.arrived))
            }
            Reply::Owner { shard, client } => {
                return self.hand_over(foreseen, (place, number), (shard, client));
            }
            Reply::EveryShard { client, answer, withdrawn, sequence } => {
                let saying = Saying { shard: own, code: answer.code, withdrawn };
                self.gather_from_all(foreseen, (number, client), answer, (place, saying, sequence))
            }
        })
    }
}

/// Stands in an answer's place until another shard fills it.
const PLACEHOLDER: Answer =
    Answer { code: Code::INTERNAL, msn: None, reqid: None, xpid: None, segments: 0 };

impl ThreadDesk<'_> {
    fn asker(&self, answer: u64) -> Asker {
        Asker { connection: self.session.0, generation: self.session.1, answer }
    }

    /// The answer of the shard in this place, which has read the request, where the owner cannot be
    /// handed it.
    fn refuse(&mut self, foreseen: &Foreseen<'_>, place: u16) -> (Answer, Gate) {
        let answer = match self.parts.get_mut(u32::from(place)) {
            Some(part) => part.shard.refuse_for_overload(foreseen, self.now.wall_ms),
            None => foreseen.refused_for_overload(),
        };
        (answer, Gate::Open)
    }

    /// Hands the owner a request. A client that has its portion of the boxes under way waits for
    /// one of its own, so that its flood stays in its own socket.
    fn hand_over(
        &mut self,
        foreseen: &Foreseen<'_>,
        (place, number): (u16, u64),
        (owner, client): (usize, u32),
    ) -> Option<(Answer, Gate)> {
        let Some(to) = self.mesh.addressee(owner) else {
            return Some(self.refuse(foreseen, place));
        };
        let origin = origin_of(self.mesh, self.asker(number), None);
        let sender = Sender { client, is_urgent: foreseen.is_emergency() };
        let part = self.parts.get_mut(u32::from(place))?;
        let write = |form: &mut Vec<u8>| part.shard.write_form(foreseen, form);
        match self.mesh.send_request(to, origin, sender, false, write) {
            Portion::Free => Some((PLACEHOLDER, Gate::Elsewhere)),
            Portion::Used => {
                part.shard.put_off();
                None
            }
            Portion::Nothing => Some(self.refuse(foreseen, place)),
        }
    }

    /// Has every shard take part in the cancel of a whole alert. The one in this place has done so,
    /// and says this once its record is durable.
    fn gather_from_all(
        &mut self,
        foreseen: &Foreseen<'_>,
        (number, client): (u64, u32),
        answer: Answer,
        (place, saying, sequence): (u16, Saying, u64),
    ) -> (Answer, Gate) {
        let (asker, shards) = (self.asker(number), self.mesh.shards());
        let mut form = Vec::new();
        if let Some(part) = self.parts.get_mut(u32::from(place)) {
            part.shard.write_form(foreseen, &mut form);
        }
        let gathering = Gathering::new((asker, client), form.clone(), answer, shards);
        let Some(index) = self.gatherings.begin(gathering) else {
            return self.refuse(foreseen, place);
        };
        put_saying(self.parts, place, sequence, (index, saying));
        let sender = Sender { client, is_urgent: true };
        let origin = origin_of(self.mesh, asker, Some(index));
        for shard in (0..shards).filter(|&shard| shard != saying.shard) {
            let asked = Call { shard, index, form: &form, found_elsewhere: false, origin, sender };
            call(&asked, self.parts, self.mesh, self.now.wall_ms);
        }
        (PLACEHOLDER, Gate::Elsewhere)
    }
}
