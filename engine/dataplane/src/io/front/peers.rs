//! What threads send each other for push clients: requests for shards of this thread, answers to
//! those it sent, and what shards say in the cancel of a whole alert.

use super::Front;
use crate::io::gated::Gated;
use crate::io::gathering::{Gathering, Next, Saying};
use crate::io::limits::PARCELS_PER_TURN_MAX;
use crate::io::mesh::{Mesh, Parcel, Sender};
use crate::io::now::Now;
use crate::io::parts::Parts;
use crate::io::taking_part::{Call, call, origin_of};
use crate::io::waits::Moment;
use crate::shard::{FoundPush, Reply};
use wire::push::response::Answer;
use wire::terms::code::Code;

impl Front {
    /// Requests that peers sent to shards of this thread, and answers to those it sent.
    pub(in crate::io) fn take_parcels(
        &mut self,
        parts: &mut Parts,
        mesh: &mut Mesh,
        now: Now,
    ) -> bool {
        let mut busy = false;
        let arrived = self.waits.moment(now.steady_ns);
        for _ in 0..PARCELS_PER_TURN_MAX {
            let Some(parcel) = mesh.next_request() else { break };
            busy = true;
            take_request(parcel, arrived, parts, mesh, now);
        }
        let mut home = 0;
        while let Some((peer, parcel)) = mesh.next_answer() {
            busy = true;
            self.take_answer(&parcel, parts, mesh, now);
            mesh.keep(peer, parcel);
            home += 1;
        }
        self.call_in(home);
        busy
    }

    /// So many boxes came home: as many connections that wait for one have their next request
    /// looked at, longest waiting first.
    pub(super) fn call_in(&mut self, boxes: usize) {
        let mut called = 0;
        while called < boxes {
            let Some((index, generation)) = self.boxless.pop_front() else { return };
            if let Some(connection) = self.connections.of_generation(index, generation) {
                connection.session.is_boxless = false;
                self.connections.touch(index);
                called += 1;
            }
        }
    }

    /// Has a connection wait for a box, where its next request needs one.
    pub(super) fn wait_for_box(&mut self, index: u32) {
        if let Some(link) = self.connections.get_mut(index)
            && link.session.awaits_box()
            && !std::mem::replace(&mut link.session.is_boxless, true)
        {
            self.boxless.push_back(link.stream.name());
        }
    }

    fn take_answer(&mut self, parcel: &Parcel, parts: &mut Parts, mesh: &mut Mesh, now: Now) {
        let Some(answer) = parcel.answer else { return };
        let origin = parcel.origin;
        if origin.is_customer {
            let found = parcel.found.map(|found| FoundPush { code: answer.code, ..found });
            self.for_customers.push((origin, answer, found));
            return;
        }
        if let Some(gathering) = origin.gathering {
            let (shard, code, withdrawn) = (parcel.shard, answer.code, parcel.count);
            let saying = Saying { shard, code, withdrawn };
            return self.take_saying(gathering, saying, parts, mesh, now);
        }
        self.fill(origin.connection, origin.generation, origin.answer, answer);
    }

    fn fill(&mut self, index: u32, generation: u32, number: u64, answer: Answer) {
        if let Some(connection) = self.connections.of_generation(index, generation) {
            connection.session.fill(number, answer);
            self.connections.touch(index);
        }
    }

    /// One shard's part of a whole alert's cancel.
    pub(super) fn take_saying(
        &mut self,
        index: u32,
        saying: Saying,
        parts: &mut Parts,
        mesh: &mut Mesh,
        now: Now,
    ) {
        let Some(gathering) = self.gatherings.slots.get_mut(index) else { return };
        match gathering.take(saying) {
            Next::Wait => {}
            Next::Answer(answer) => self.answer_gathering(index, answer),
            Next::Close(shards) => {
                // Pushes of the alert wait in another shard.
                let Gathering { asker, client, form, .. } = gathering;
                let sender = Sender { client: *client, is_urgent: true };
                let (origin, form) = (origin_of(mesh, *asker, Some(index)), form.clone());
                for shard in shards {
                    let asked =
                        Call { shard, index, form: &form, found_elsewhere: true, origin, sender };
                    call(&asked, parts, mesh, now.wall_ms);
                }
            }
        }
    }

    pub(super) fn answer_gathering(&mut self, index: u32, answer: Answer) {
        if let Some(Gathering { asker, .. }) = self.gatherings.end(index) {
            self.fill(asker.connection, asker.generation, asker.answer, answer);
        }
    }
}

/// A request for a shard of this thread. One that has left it is asked for again by the client,
/// who finds it where it is then.
fn take_request(
    mut parcel: Box<Parcel>,
    arrived: Moment,
    parts: &mut Parts,
    mesh: &mut Mesh,
    now: Now,
) {
    let Some(part) = parts.of_number(parcel.shard) else {
        parcel.answer = Some(Answer::bare(Code::OVERLOAD));
        parcel.found =
            parcel.seek.map(|_| FoundPush { code: Code::OVERLOAD, ..FoundPush::NOTHING });
        return mesh.send_answer(parcel);
    };
    if let Some(seek) = &parcel.seek {
        let (found, sequence) = part.shard.seek(seek, now.wall_ms);
        parcel.answer = Some(Answer::bare(found.code));
        parcel.found = Some(found);
        return part.gated.push_back((sequence, Gated::Parcel(parcel, arrived)));
    }
    match part.shard.handle_form(&parcel.form, parcel.found_elsewhere, now.wall_ms) {
        Reply::Now(answer) => {
            parcel.answer = Some(answer);
            mesh.send_answer(parcel);
        }
        Reply::WhenDurable(answer, sequence) => {
            parcel.answer = Some(answer);
            part.gated.push_back((sequence, Gated::Parcel(parcel, arrived)));
        }
        Reply::EveryShard { answer, withdrawn, sequence, .. } => {
            parcel.answer = Some(answer);
            parcel.count = withdrawn;
            part.gated.push_back((sequence, Gated::Parcel(parcel, arrived)));
        }
        Reply::Owner { .. } => unreachable!("a peer hands over only what this shard owns"),
    }
}
