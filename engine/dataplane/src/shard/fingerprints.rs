//! By which fingerprints a request is looked up, and whether what is found is what was named.
//!
//! In a directory from before fingerprints had a key, look-ups ask by the older ones too for some
//! days. Everybody can calculate those, so what lives is compared by name before anything is done
//! to it. Of an ended push only the fingerprint is left: whoever meets another's harms its own push
//! alone.

use super::Shard;
use crate::billing::Log;
use crate::gateway::fingerprint::Fingerprints;
use crate::journal::{Accepted, Position};
use crate::smsc::alerts::AlertIdentity;
use crate::smsc::core::KeyVerdict;
use crate::smsc::pushes::PushIndex;
use wire::submission::Submission;
use wire::terms::ids::{Msn, Reqid, Xpid};
use wire::terms::time::WallMs;

impl<L: Log> Shard<L> {
    /// How fingerprints were made before, while they are asked for.
    pub(super) fn older_fingerprints(&self) -> Option<Fingerprints> {
        self.older_until_ms.map(|_| Fingerprints::open())
    }

    /// How fingerprints of alerts were made before, in a directory from before: pushes may join an
    /// older alert as long as anything of it lives.
    fn older_alert_fingerprints(&self) -> Option<Fingerprints> {
        self.alerts_had_older.then(Fingerprints::open)
    }

    /// The time of the older fingerprints may be over.
    pub(super) fn forget_older_fingerprints(&mut self, now_ms: WallMs) {
        if self.older_until_ms.is_some_and(|until_ms| self.pace.even(now_ms) >= until_ms) {
            self.older_until_ms = None;
        }
    }

    /// What is known of a push's key, `key` being its fingerprint.
    pub(super) fn verdict(&self, push: &Submission<'_>, key: u64) -> KeyVerdict {
        let verdict = self.verdict_of(push, key);
        match self.older_fingerprints() {
            Some(older) if verdict == KeyVerdict::New => {
                let key = older.push_key(push.xpid, push.msn, push.reqid);
                self.verdict_of(push, key)
            }
            _ => verdict,
        }
    }

    fn verdict_of(&self, push: &Submission<'_>, key: u64) -> KeyVerdict {
        let journal = &self.journal;
        self.core.key_verdict(key, push.digest, |live| {
            let accepted = journal.accepted(Position::from_bits(live.position));
            let is_same = is_push(&accepted, push.xpid, push.msn, push.reqid);
            // Another push under this fingerprint: it is no repeat of that, and cannot stand beside
            // it.
            if is_same { accepted.content_digest } else { !push.digest }
        })
    }

    /// The fingerprint under which a push is known that lives or has ended.
    pub(super) fn known_key(&self, xpid: Xpid, msn: Msn, reqid: Reqid) -> Option<u64> {
        let older = self.older_fingerprints().map(|older| older.push_key(xpid, msn, reqid));
        let keys = [Some(self.fingerprints.push_key(xpid, msn, reqid)), older];
        keys.into_iter().flatten().find(|&key| match self.core.find(key) {
            Some(index) => is_push(&self.accepted_of(index), xpid, msn, reqid),
            None => self.core.has_ended(key),
        })
    }

    /// The alert that a push belongs to: by the older fingerprints while anything is known of it
    /// under those.
    pub(super) fn alert_identity(&self, push: &Submission<'_>) -> Option<AlertIdentity> {
        let alert = push.alert?;
        let identity = |fingerprints: Fingerprints| AlertIdentity {
            key: fingerprints.alert_key(push.xpid, push.msn, alert.id),
            alert: fingerprints.alert(push.xpid, alert.id),
            sequence: alert.sequence,
        };
        let older = self.older_alert_fingerprints().map(identity).filter(|older| {
            let live = [self.core.alert_push(older.key), self.core.alert_member(older.alert)];
            let is_same = |&index: &PushIndex| self.is_of_alert(index, push.xpid, alert.id);
            self.core.knows_of(older) && live.iter().flatten().all(is_same)
        });
        Some(older.unwrap_or_else(|| identity(self.fingerprints)))
    }

    /// The fingerprints under which a whole alert may be known; the second is an older one.
    pub(super) fn alert_fingerprints(&self, xpid: Xpid, alert_id: &[u8]) -> (u64, Option<u64>) {
        let older = self
            .older_alert_fingerprints()
            .map(|older| older.alert(xpid, alert_id))
            .filter(|&older| {
                let member = self.core.alert_member(older);
                self.core.closed_alert(older).is_some()
                    || member.is_some_and(|index| self.is_of_alert(index, xpid, alert_id))
            });
        (self.fingerprints.alert(xpid, alert_id), older)
    }

    fn is_of_alert(&self, index: PushIndex, xpid: Xpid, alert_id: &[u8]) -> bool {
        let accepted = self.accepted_of(index);
        accepted.xpid == xpid.value() && accepted.alert_id == alert_id
    }

    fn accepted_of(&self, index: PushIndex) -> Accepted<'_> {
        self.journal.accepted(Position::from_bits(self.core.push(index).position))
    }
}

fn is_push(accepted: &Accepted<'_>, xpid: Xpid, msn: Msn, reqid: Reqid) -> bool {
    accepted.xpid == xpid.value()
        && accepted.msn == msn.value()
        && accepted.reqid() == reqid.as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::fingerprint::FingerprintKeys;
    use crate::gateway::registration::Registration;
    use crate::gateway::registry::{Credential, Registry};
    use crate::journal::{JournalConfig, SegmentFactory};
    use crate::shard::{Durability, Origin, Reply, ShardConfig};
    use crate::smsc::core::CoreLimits;
    use std::sync::Arc;
    use wire::push::client::{PushContent, PushFields, write_cancel, write_push};
    use wire::submission::CancelTarget;
    use wire::terms::code::Code;
    use wire::terms::ids::Class;

    const NOW_MS: WallMs = WallMs::new(1_795_000_000_000);

    fn msn(number: u64) -> Msn {
        Msn::from_value(9_000_000_000 + number).expect("an msn")
    }

    fn xpid(number: u64) -> Xpid {
        Xpid::from_value(100_000_000 + number).expect("an XPID")
    }

    fn reqid(name: &[u8]) -> Reqid {
        Reqid::parse(name).expect("a reqid")
    }

    fn config() -> ShardConfig {
        let mut journal = JournalConfig::new(0, 64 << 20);
        (journal.segment_octets, journal.without_syncs) = (1 << 20, true);
        ShardConfig {
            number: 0,
            shards: 1,
            durability: Durability::Process,
            limits: CoreLimits { pushes_max: 100, waiting_per_msn_max: 10, ended_keys_max: 100 },
            journal,
            seed: 7,
            time_scale: 1,
            routes: Arc::default(),
            fingerprints: FingerprintKeys { keyed: Fingerprints::alike(), older_until_ms: None },
            injections: Vec::new(),
            progress: Arc::default(),
        }
    }

    fn ask(shard: &mut Shard, body: &[u8]) -> Code {
        let origin = Origin { authorization: None, credential: &mut Credential::default() };
        match shard.handle_request(body, origin, NOW_MS) {
            Reply::Now(answer) | Reply::WhenDurable(answer, _) => answer.code,
            other => unreachable!("{other:?}"),
        }
    }

    fn push(shard: &mut Shard, client: u64, phone: u64, name: &[u8]) -> Code {
        let mut body = Vec::new();
        let content = PushContent::Text("a warning");
        write_push(&mut body, &PushFields::new(xpid(client), msn(phone), name, content));
        ask(shard, &body)
    }

    fn cancel(shard: &mut Shard, client: u64, phone: u64, name: &[u8]) -> Code {
        let mut body = Vec::new();
        let target = CancelTarget::Push { msn: msn(phone), reqid: reqid(name) };
        write_cancel(&mut body, Class::Standard, xpid(client), &target);
        ask(shard, &body)
    }

    #[test]
    fn whoever_meets_anothers_fingerprint_is_told_nothing_of_its_push_and_withdraws_none_of_it() {
        let place = tempfile::tempdir().expect("a directory");
        let factory = SegmentFactory::start().expect("a thread");
        let registrations = [1, 2].map(|number| Registration::new(xpid(number), "client"));
        let registry = Arc::new(Registry::new(registrations.to_vec()));
        let opened = Shard::open(place.path(), &config(), &factory, registry, NOW_MS);
        let mut shard = opened.expect("a fresh shard").0;
        for (phone, client) in [(1, 1), (2, 2), (1, 2)] {
            shard.contracts_mut().insert(msn(phone), xpid(client)).expect("room");
        }
        assert_eq!(push(&mut shard, 1, 1, b"theirs"), Code::ACCEPTED);
        assert_eq!(push(&mut shard, 1, 1, b"theirs"), Code::REPEATED);
        // The same content under another name, and each part of the name by itself.
        for (client, phone, name) in [(2, 2, &b"mine"[..]), (2, 1, b"theirs"), (1, 1, b"other")] {
            assert_eq!(
                push(&mut shard, client, phone, name),
                Code::REQID_REUSED,
                "{client} {phone}"
            );
            assert_eq!(cancel(&mut shard, client, phone, name), Code::PUSH_NOT_FOUND);
        }
        assert_eq!(push(&mut shard, 1, 1, b"theirs"), Code::REPEATED, "it waits as before");
        assert_eq!(cancel(&mut shard, 1, 1, b"theirs"), Code::ACCEPTED);
    }
}
