//! What a push client's connection asks of its shard: each request is read, taken, handed to the
//! shard that owns the msn, or asked of every shard.

use crate::gateway::registry::Credential;
use crate::io::connection::{Desk, Gate};
use crate::io::gathering::{Asker, Gathering, Gatherings, Part};
use crate::io::mesh;
use crate::io::mesh::{Mesh, Parcel, Sender};
use crate::io::now::Now;
use crate::io::portions::Portion;
use crate::io::waits::Moment;
use crate::shard::{Foreseen, Origin, Reply, Shard};
use std::collections::VecDeque;
use wire::push::response::Answer;
use wire::terms::code::Code;
use wire::terms::time::SteadyMs;

/// What waits for the durable mark besides the connections' own answers.
pub(super) enum Gated {
    /// A peer's request, and when it arrived here.
    Parcel(Box<Parcel>, Moment),
    /// This shard's part of a whole alert's cancel.
    Part(u32, Part),
}

/// What a request needs of the shard while its connection is borrowed.
pub(super) struct ShardDesk<'a> {
    pub(super) shard: &'a mut Shard,
    pub(super) mesh: &'a mut Mesh,
    pub(super) gatherings: &'a mut Gatherings,
    pub(super) gated: &'a mut VecDeque<(u64, Gated)>,
    pub(super) connection: u32,
    pub(super) generation: u32,
    pub(super) now: Now,
    pub(super) arrived: Moment,
}

impl Desk for ShardDesk<'_> {
    type Foreseen<'body> = Foreseen<'body>;

    fn foresee<'body>(&self, body: &'body [u8]) -> Foreseen<'body> {
        self.shard.foresee(body)
    }

    fn fetch(&self, foreseen: &Foreseen<'_>) {
        self.shard.fetch(foreseen);
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
        let origin = Origin { authorization, credential };
        Some(match self.shard.handle_foreseen(foreseen, origin, self.now.wall_ms) {
            Reply::Now(answer) => (answer, Gate::Open),
            Reply::WhenDurable(answer, sequence) => (answer, Gate::Durable(sequence, self.arrived)),
            Reply::Owner { shard, client } => {
                return self.hand_over(foreseen, number, (shard, client));
            }
            Reply::EveryShard { client, answer, withdrawn, sequence } => {
                self.gather_from_all(foreseen, (number, client), (answer, withdrawn), sequence)
            }
        })
    }
}

/// Stands in an answer's place until another shard fills it.
const PLACEHOLDER: Answer =
    Answer { code: Code::INTERNAL, msn: None, reqid: None, xpid: None, segments: 0 };

/// What a request of this connection is known by in another shard.
pub(super) fn origin_of(shard: &Shard, asker: Asker, gathering: Option<u32>) -> mesh::Origin {
    let Asker { connection, generation, answer } = asker;
    let (shard, is_customer) = (shard.number() as u16, false);
    mesh::Origin { shard, connection, generation, answer, gathering, is_customer }
}

impl ShardDesk<'_> {
    fn asker(&self, answer: u64) -> Asker {
        Asker { connection: self.connection, generation: self.generation, answer }
    }

    /// Hands the owner a request. A client that has its portion of the boxes under way waits for
    /// one of its own, so that its flood stays in its own socket.
    fn hand_over(
        &mut self,
        foreseen: &Foreseen<'_>,
        number: u64,
        (owner, client): (usize, u32),
    ) -> Option<(Answer, Gate)> {
        let origin = origin_of(self.shard, self.asker(number), None);
        let sender = Sender { client, is_urgent: foreseen.is_emergency() };
        let shard = &mut *self.shard;
        let write = |form: &mut Vec<u8>| shard.write_form(foreseen, form);
        match self.mesh.send_request(owner, origin, sender, false, write) {
            Portion::Free => Some((PLACEHOLDER, Gate::Elsewhere)),
            Portion::Used => {
                self.shard.put_off();
                None
            }
            Portion::Nothing => {
                Some((self.shard.refuse_for_overload(foreseen, self.now.wall_ms), Gate::Open))
            }
        }
    }

    /// Has every shard take part in the cancel of a whole alert.
    fn gather_from_all(
        &mut self,
        foreseen: &Foreseen<'_>,
        (number, client): (u64, u32),
        (answer, withdrawn): (Answer, u32),
        sequence: u64,
    ) -> (Answer, Gate) {
        let (asker, shards) = (self.asker(number), self.mesh.shards());
        let mut form = Vec::new();
        self.shard.write_form(foreseen, &mut form);
        let gathering = Gathering::new((asker, client), form.clone(), answer, shards);
        let Some(index) = self.gatherings.begin(gathering) else {
            return (self.shard.refuse_for_overload(foreseen, self.now.wall_ms), Gate::Open);
        };
        let own = self.shard.number();
        for peer in (0..shards).filter(|&peer| peer != own) {
            let origin = origin_of(self.shard, asker, Some(index));
            let write = |parcel: &mut Vec<u8>| parcel.extend_from_slice(&form);
            let sender = Sender { client, is_urgent: true };
            if self.mesh.send_request(peer, origin, sender, false, write) != Portion::Free {
                // The client asks again; what was withdrawn stays withdrawn.
                let part = Part { shard: peer, code: Code::OVERLOAD, withdrawn: 0 };
                self.gated.push_back((0, Gated::Part(index, part)));
            }
        }
        let part = Part { shard: own, code: answer.code, withdrawn };
        self.gated.push_back((sequence, Gated::Part(index, part)));
        (PLACEHOLDER, Gate::Elsewhere)
    }
}
