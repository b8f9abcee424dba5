//! A journal's records as what the message center's recovery takes.
//!
//! **Never here:** what becomes of a push; a record that says something impossible is told as such.

use super::endings::{identity, notice};
use crate::journal::numbering::is_copied;
use crate::journal::{
    Accepted, AlertCancel, ArchivedEnded, ArchivedProgress, Handed, Held, Position, Record,
};
use crate::network::routes::Routes;
use crate::smsc::alerts::AlertIdentity;
use crate::smsc::closed_alerts::ClosedAlert;
use crate::smsc::core::NewPush;
use crate::smsc::recovery::{
    RecoveredElsewhere, RecoveredEnd, RecoveredHanding, RecoveredHold, RecoveredProgress, Recovery,
};
use crate::smsc::state::State;
use crate::smsc::wait_reason::WaitReason;
use wire::submission::Door;
use wire::terms::code::Code;
use wire::terms::domain::Domain;
use wire::terms::ids::{Kind, Xpid};
use wire::terms::pace::Pace;
use wire::terms::time::WallMs;

pub(crate) fn replay(
    recovery: &mut Recovery,
    (pace, routes): (Pace, &Routes),
    position: Position,
    sequence: u64,
    record: &Record<'_>,
) -> Result<(), &'static str> {
    recovery.pass(sequence, is_copied(sequence), || record.push_id());
    match record {
        Record::Accepted(accepted) => {
            recovery.restore_accepted(new_push(&accepted.to_native(), (pace, routes), position)?)
        }
        Record::Progress(progress) => {
            let push_id = progress.push_id.to_native();
            recovery.restore_progress(push_id, attempts_of(progress));
            if progress.was_taken_back() {
                recovery.restore_taken_back(push_id);
            }
        }
        Record::Held(held) => {
            let held = held.to_native();
            recovery.restore_held(held.push_id, &hold_of(&held, pace)?);
        }
        Record::Handed(handed) => {
            let handed = handed.to_native();
            match handed.goes_elsewhere() {
                true => {
                    let carrier = handed.carrier;
                    recovery.restore_elsewhere(handed.push_id, &elsewhere_of(&handed), |route| {
                        routes.elsewhere_of(route, carrier)
                    });
                }
                false => recovery.restore_handed(handed.push_id, &handing_of(&handed)?),
            }
        }
        Record::CancelAccepted(cancel) => match cancel.whole_alert() {
            Some(cancel) => {
                recovery.restore_alert_cancel(cancel.fingerprint, closed_alert(&cancel, pace))
            }
            None => recovery.restore_cancel(cancel.push_id().unwrap_or_default(), cancel.told()),
        },
        Record::Ended(ended) => recovery.restore_ended(end_of(ended, pace)?, ended.delivered),
        Record::Notified(notified) => {
            recovery.restore_notified(notified.push_id.to_native(), notice(notified));
        }
        Record::Key(key) => recovery.restore_key(RecoveredEnd {
            push_id: key.push_id.to_native(),
            key: key.fingerprint.to_native(),
            client: None,
            content_digest: key.content_digest.to_native(),
            state: State::from_number(key.state).filter(|state| state.is_final()).ok_or("state")?,
            code: Code::from_number(key.code.to_native()).ok_or("code")?,
            ended_ms: pace.center(WallMs::new(key.ended_ms.to_native())),
            segments: key.segments,
            withdrawn: 0,
            domain: None,
            tp_status: 0,
            alert: remembered_alert(key.alert_key_fingerprint.to_native(), key.alert_sequence),
            number: 0,
        }),
        // Its broadcast reads it, once that is told of.
        Record::Broadcast(_) | Record::Opened(_) | Record::Cleaned(_) => {}
    }
    Ok(())
}

fn attempts_of(progress: &ArchivedProgress) -> RecoveredProgress {
    RecoveredProgress {
        delivered_mask: progress.delivered_mask.to_native(),
        attempts: progress.attempts.to_native(),
        in_doubt: progress.in_doubt,
        begun: progress.has_begun(),
        for_good: progress.has_begun_for_good(),
    }
}

/// As `replay`, where it does not matter by which route a push goes: nobody attempts it.
pub fn replay_apart(
    recovery: &mut Recovery,
    pace: Pace,
    position: Position,
    sequence: u64,
    record: &Record<'_>,
) -> Result<(), &'static str> {
    replay(recovery, (pace, &Routes::default()), position, sequence, record)
}

/// A whole alert's cancel as the message center keeps it.
pub(super) fn closed_alert(cancel: &AlertCancel, pace: Pace) -> ClosedAlert {
    ClosedAlert {
        sequence: cancel.sequence,
        at_ms: pace.center(WallMs::new(cancel.at_ms)),
        recorded_ms: WallMs::new(cancel.at_ms),
        share: cancel.share,
        found: cancel.found,
        told: cancel.told,
    }
}

fn new_push(
    accepted: &Accepted<'_>,
    (pace, routes): (Pace, &Routes),
    position: Position,
) -> Result<NewPush, &'static str> {
    let (msn, class) = identity(accepted).ok_or("msn or class")?;
    if !(1..=10).contains(&accepted.segments) {
        return Err("number of segments");
    }
    let xpid = Xpid::from_value(accepted.xpid).ok_or("XPID")?;
    let alert_key = accepted.alert_key_fingerprint;
    let alert = (alert_key != 0).then_some(AlertIdentity {
        key: alert_key,
        alert: accepted.alert_fingerprint,
        sequence: accepted.alert_sequence,
    });
    Ok(NewPush {
        push_id: accepted.push_id,
        position: position.to_bits(),
        key: accepted.key_fingerprint,
        content_digest: accepted.content_digest,
        msn,
        class,
        segments: accepted.segments,
        expires_ms: pace.center(WallMs::new(accepted.expires_ms)),
        control: accepted.kind == Kind::Control.number(),
        client: xpid.value(),
        wants_notification: accepted.wants_notification,
        single_attempt: accepted.single_attempt,
        by_smpp: Door::from_bits(accepted.door) != Door::Http,
        alert,
        route: routes.route_of(msn, xpid, class),
    })
}

fn end_of(ended: &ArchivedEnded, pace: Pace) -> Result<RecoveredEnd, &'static str> {
    Ok(RecoveredEnd {
        push_id: ended.push_id.to_native(),
        key: ended.key_fingerprint.to_native(),
        client: Some(ended.xpid.to_native()),
        content_digest: ended.content_digest.to_native(),
        state: State::from_number(ended.state).filter(|state| state.is_final()).ok_or("state")?,
        code: Code::from_number(ended.code.to_native()).ok_or("code")?,
        ended_ms: pace.center(WallMs::new(ended.ended_ms.to_native())),
        segments: ended.segments,
        withdrawn: ended.withdrawn,
        domain: Domain::from_number(ended.domain),
        tp_status: ended.tp_status,
        alert: remembered_alert(ended.alert_key_fingerprint.to_native(), ended.alert_sequence),
        number: ended.end_number.to_native(),
    })
}

fn hold_of(held: &Held, pace: Pace) -> Result<RecoveredHold, &'static str> {
    Ok(RecoveredHold {
        progress: RecoveredProgress {
            delivered_mask: held.delivered_mask,
            attempts: held.attempts,
            in_doubt: held.in_doubt,
            begun: false,
            for_good: false,
        },
        at_ms: pace.center(WallMs::new(held.at_ms)),
        next_ms: pace.center(WallMs::new(held.next_ms)),
        code: Code::from_number(held.code).ok_or("code")?,
        cause: WaitReason::from_number(held.reason).ok_or("reason")?.cause(),
        reason: held.reason,
        domain: Domain::from_number(held.domain),
        holds: held.holds,
    })
}

fn progress_of(handed: &Handed<'_>) -> RecoveredProgress {
    RecoveredProgress {
        delivered_mask: handed.delivered_mask,
        attempts: handed.attempts,
        in_doubt: handed.in_doubt,
        begun: false,
        for_good: false,
    }
}

fn elsewhere_of(handed: &Handed<'_>) -> RecoveredElsewhere {
    let (progress, carrier) = (progress_of(handed), handed.carrier);
    RecoveredElsewhere { progress, carrier, mask: handed.failed_mask }
}

fn handing_of(handed: &Handed<'_>) -> Result<RecoveredHanding, &'static str> {
    Ok(RecoveredHanding {
        progress: progress_of(handed),
        taken_mask: handed.taken_mask,
        failed_mask: handed.failed_mask,
        code: match handed.code {
            0 => None,
            code => Some(Code::from_number(code).ok_or("code")?),
        },
    })
}

fn remembered_alert(key: u64, sequence: u8) -> Option<(u64, u8)> {
    (key != 0).then_some((key, sequence))
}
