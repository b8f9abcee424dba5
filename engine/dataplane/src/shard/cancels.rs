//! Cancellations: of one push, and of a whole alert.
//!
//! The cancel of a whole alert is taken by every shard. One that knows no push of the alert leaves
//! it as it is, until it hears that another shard knows some: see `io::gathering`.

use super::asked::{Canceller, Named, Reply, code_of};
use super::replay::closed_alert;
use super::{Shard, fatal_if_full, records};
use crate::billing::Log;
use crate::gateway::registry::Registered;
use crate::journal::{AlertCancel, CancelAccepted};
use crate::network::port::Asked;
use crate::smsc::mutation::CoreMutation;
use wire::submission::{CancelTarget, Cancellation};
use wire::terms::code::Code;
use wire::terms::time::WallMs;

/// A repeated cancel of a whole alert closes it for another day when the last one is older than
/// this.
const ALERT_CANCEL_FRESH_MS: u64 = 3_600_000;

impl<L: Log> Shard<L> {
    pub(super) fn take_cancel(
        &mut self,
        registered: &Registered,
        cancel: &Cancellation<'_>,
        canceller: Canceller,
        now_ms: WallMs,
    ) -> Reply {
        let named = Named::of_cancellation(cancel);
        self.counted.cancels += 1;
        match cancel.target {
            CancelTarget::Push { msn, reqid } => {
                if !registered.meter.rate(self.pace.steady(now_ms)) {
                    return self.refuse(named, Code::RATE, now_ms);
                }
                let (code, segments) = match self.known_key(cancel.xpid, msn, reqid) {
                    Some(key) => self.cancel_push(registered, key, now_ms),
                    None => {
                        let row = self.cancel_row((cancel.xpid, msn, reqid), now_ms);
                        let (code, segments) = row.unwrap_or((Code::PUSH_NOT_FOUND, 0));
                        if code != Code::ACCEPTED {
                            self.counted.refuse(code);
                        }
                        (code, segments)
                    }
                };
                let answer = named.answer(code, segments);
                // What it says of the push's end must not be undone by a crash.
                Reply::WhenDurable(answer, self.journal.appended())
            }
            CancelTarget::Alert { alert_id, .. } => {
                let fingerprints = self.alert_fingerprints(cancel.xpid, alert_id);
                let has_broadcasts = self.has_broadcast_of((cancel.xpid, alert_id));
                let of = (fingerprints, has_broadcasts);
                let (code, withdrawn) = match self.close_alerts(registered, of, canceller, now_ms) {
                    Ok(closed) => closed,
                    Err(code) => return self.refuse(named, code, now_ms),
                };
                self.cancel_broadcasts_of((cancel.xpid, alert_id), now_ms);
                let (answer, sequence) = (named.answer(code, 0), self.journal.appended());
                if canceller != Canceller::Client || self.shards > 1 {
                    let client = registered.index;
                    return Reply::EveryShard { client, answer, withdrawn, sequence };
                }
                Reply::WhenDurable(answer, sequence)
            }
        }
    }

    /// Withdraws a push; what that is answered, and the push's segments.
    //= push cancel push
    pub(super) fn cancel_push(
        &mut self,
        registered: &Registered,
        key: u64,
        now_ms: WallMs,
    ) -> (Code, u8) {
        let live = self.core.live_push_id(key);
        let told = self.is_cancel_told(registered, key);
        match self.core.cancel(key, told, self.pace.center(now_ms)) {
            Ok((index, segments)) => {
                self.want_back(Some(index));
                self.ask_carriers(index, Asked::Cancel);
                let record =
                    CancelAccepted::of_push(live.unwrap_or_default(), now_ms.ms(), key, told);
                if self.mutation != CoreMutation::CancelUnrecorded {
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
    /// known by too. An alert that is known by neither, here or elsewhere, is left as it is.
    fn close_alerts(
        &mut self,
        registered: &Registered,
        ((fingerprint, older), has_broadcasts): ((u64, Option<u64>), bool),
        canceller: Canceller,
        now_ms: WallMs,
    ) -> Result<(Code, u32), Code> {
        let both = [Some(fingerprint), older];
        // A cancel that was answered before is repeated for nothing. Of one that every shard takes
        // part in, the shard that it came to counts it.
        let is_repeat = both.iter().flatten().any(|&alert| self.is_freshly_closed(alert, now_ms));
        let is_counted = canceller == Canceller::Client && !is_repeat;
        if is_counted && !registered.meter.rate(self.pace.steady(now_ms)) {
            return Err(Code::RATE);
        }
        let is_known = both.iter().flatten().any(|&alert| self.knows_pushes_of(alert));
        //= push cancel unknown
        let is_known =
            is_known || has_broadcasts || canceller == Canceller::Shard { found_elsewhere: true };
        if !is_known {
            return Ok((Code::PUSH_NOT_FOUND, 0));
        }
        let closed = self.close_alert(registered, (fingerprint, has_broadcasts), now_ms)?;
        let Some(older) = older else { return Ok(closed) };
        let before = self.close_alert(registered, (older, false), now_ms)?;
        let first_of = |code| [closed, before].into_iter().any(|(answered, _)| answered == code);
        let code = [Code::ACCEPTED, Code::REPEATED].into_iter().find(|&code| first_of(code));
        Ok((code.unwrap_or(Code::PUSH_NOT_FOUND), closed.1 + before.1))
    }

    /// Whether pushes of the alert wait here, or waited when it was cancelled.
    fn knows_pushes_of(&self, alert: u64) -> bool {
        self.core.closed_alert(alert).is_some_and(|cancel| cancel.found)
            || self.core.alert_members(alert) > 0
    }

    /// Whether the alert was cancelled within the hour, so that a repeat needs no record. The wall
    /// clock must say so too: set on since by days, it would have the next start forget a cancel
    /// that was answered a moment ago, for that start goes by what the record says.
    fn is_freshly_closed(&self, alert: u64, now_ms: WallMs) -> bool {
        let center_ms = self.pace.center(now_ms);
        let fresh_wall_ms = self.pace.real_span(ALERT_CANCEL_FRESH_MS);
        self.core.closed_alert(alert).is_some_and(|cancel| {
            center_ms.abs_diff(cancel.at_ms) < ALERT_CANCEL_FRESH_MS
                && now_ms.abs_diff(cancel.recorded_ms) <= fresh_wall_ms
        })
    }

    /// Withdraws an alert's pushes and lets no further one in; what that is answered, and how many
    /// there were. One record says so for all of them.
    //= push cancel alert
    fn close_alert(
        &mut self,
        registered: &Registered,
        (fingerprint, has_broadcasts): (u64, bool),
        now_ms: WallMs,
    ) -> Result<(Code, u32), Code> {
        let known = self.core.closed_alert(fingerprint);
        //= push cancel again
        let answer_again = |found| if found { Code::REPEATED } else { Code::PUSH_NOT_FOUND };
        if let Some(cancel) = known
            && self.is_freshly_closed(fingerprint, now_ms)
        {
            return Ok((answer_again(cancel.found), 0));
        }
        let share = records::share(registered.registration.xpid);
        let found = self.knows_pushes_of(fingerprint) || has_broadcasts;
        if known.is_none() && !self.core.make_room_for_alert_cancel(share, found) {
            return Err(Code::STORAGE_FULL);
        }
        let registration = &registered.registration;
        let told = registration.notify_url.is_some() || registration.smpp.is_some();
        self.want_back(None);
        let sequence = self.journal.next_sequence();
        let cancel = AlertCancel { sequence, at_ms: now_ms.ms(), fingerprint, share, found, told };
        self.journal.append_alert_cancel(&CancelAccepted::of_alert(&cancel)).map_err(code_of)?;
        let withdrawn = self.core.cancel_alert(fingerprint, closed_alert(&cancel, self.pace));
        Ok(match known {
            Some(cancel) => (answer_again(cancel.found), 0),
            None if withdrawn > 0 => (Code::ACCEPTED, withdrawn),
            // Its rows are withdrawn in every shard, like pushes of it.
            None if has_broadcasts => (Code::ACCEPTED, 1),
            None => (Code::PUSH_NOT_FOUND, 0),
        })
    }
}
