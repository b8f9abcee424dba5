//! Has a shard take part in the cancel of a whole alert, wherever it is: one of this thread at
//! once, any other by a parcel.

use crate::io::gated::Gated;
use crate::io::gathering::{Asker, Saying};
use crate::io::mesh::{Mesh, Origin, Sender};
use crate::io::parts::Parts;
use crate::io::portions::Portion;
use crate::shard::Reply;
use wire::terms::code::Code;
use wire::terms::time::WallMs;

/// A shard is asked.
pub(super) struct Call<'a> {
    pub(super) shard: usize,
    /// Of the gathering.
    pub(super) index: u32,
    pub(super) form: &'a [u8],
    /// Pushes of the alert wait in another shard.
    pub(super) found_elsewhere: bool,
    pub(super) origin: Origin,
    pub(super) sender: Sender,
}

/// What a request of this connection is known by on another thread.
pub(super) fn origin_of(mesh: &Mesh, asker: Asker, gathering: Option<u32>) -> Origin {
    let Asker { connection, generation, answer } = asker;
    let (thread, is_customer) = (mesh.thread() as u16, false);
    Origin { thread, connection, generation, answer, gathering, is_customer }
}

/// Asks the shard. What one of this thread says waits for its mark; where a shard cannot be asked,
/// the client asks again, and what was withdrawn stays withdrawn.
pub(super) fn call(asked: &Call<'_>, parts: &mut Parts, mesh: &mut Mesh, now_ms: WallMs) {
    let &Call { shard, index, form, found_elsewhere, origin, sender } = asked;
    let mut saying = Saying { shard, code: Code::OVERLOAD, withdrawn: 0 };
    if let Some(part) = parts.of_number(shard) {
        let place = part.gate_place();
        // What was not done behind a record waits for none.
        let mut until = 0;
        match part.shard.handle_form(form, found_elsewhere, now_ms) {
            Reply::EveryShard { answer, withdrawn, sequence, .. } => {
                (saying.code, saying.withdrawn, until) = (answer.code, withdrawn, sequence);
            }
            Reply::Now(answer) => saying.code = answer.code,
            other => unreachable!("a whole alert's cancel is answered {other:?}"),
        }
        return put_saying(parts, place, until, (index, saying));
    }
    let write = |parcel: &mut Vec<u8>| parcel.extend_from_slice(form);
    let is_under_way = mesh.addressee(shard).is_some_and(|to| {
        mesh.send_request(to, origin, sender, found_elsewhere, write) == Portion::Free
    });
    if !is_under_way {
        parts.loose.push(Gated::Saying(index, saying));
    }
}

/// What the shard in this place says waits until its mark has reached this sequence.
pub(super) fn put_saying(parts: &mut Parts, place: u16, until: u64, said: (u32, Saying)) {
    let gated = Gated::Saying(said.0, said.1);
    match parts.get_mut(u32::from(place)) {
        Some(part) if until > 0 => part.gated.push_back((until, gated)),
        _ => parts.loose.push(gated),
    }
}
