//! What people do with broadcasts, whichever door they come through: each act is a line of the
//! audit first.

use std::sync::Arc;

use super::audited;
use super::desk::BroadcastDesk;
use super::documents::{BroadcastDocument, ProgressDocument};
use super::figures::Snapshot;
use super::handling::{act, beside, stopping};
use super::refusal::BroadcastRefusal;
use super::sight::XpidSight;
use super::snapshot::state_word;
use super::wanted::{
    ApprovalWanted, CancelWanted, FollowerWanted, PaceWanted, Retract, StartWanted, UpdateWanted,
    WaveWanted,
};
use crate::broadcast::life::End;
use crate::broadcast::manifest::Manifest;
use crate::broadcast::slice::Order;
use crate::control::admin::{AdminError, Caller};
use crate::control::audit::Act;
use crate::control::roles::Role;
use axum::http::StatusCode;
use wire::terms::ids::Msn;

type Done = Result<BroadcastDocument, BroadcastRefusal>;

/// What an approver says to a dry run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Judgement {
    /// It may be started.
    Approve,
    /// It is a draft again.
    Reject,
}

/// What stops a broadcast, or has it go on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Halt {
    /// Nothing begins for now.
    Pause,
    /// It goes on.
    Resume,
    /// It ends.
    Cancel(CancelWanted),
}

impl BroadcastDesk {
    /// Writes a draft.
    ///
    /// # Errors
    /// What is wrong with the manifest; the audit's, the disk's.
    pub async fn do_create(self: Arc<Self>, caller: &Caller, manifest: Manifest) -> Done {
        let new = Self::next_identifier();
        let line = Act::new(format!("broadcast create {new}")).after(&audited::manifest(&manifest));
        let sight = XpidSight::of(caller);
        let work = move |desk: &Self, by: &str| {
            desk.may_name(&sight, &manifest)?;
            desk.create(new, manifest, by)
        };
        act(caller, self, line, work).await
    }

    /// Changes a draft.
    ///
    /// # Errors
    /// As [`Self::do_create`]; that it was started.
    pub async fn do_change(
        self: Arc<Self>,
        caller: &Caller,
        broadcast: String,
        manifest: Manifest,
    ) -> Done {
        let line = Act::new(format!("broadcast change {broadcast}"));
        let line = match self.standing().entry(&broadcast) {
            Ok(entry) => line.before(&audited::manifest(&entry.document.manifest)),
            Err(_) => line,
        };
        let line = line.after(&audited::manifest(&manifest));
        let sight = XpidSight::of(caller);
        let work = move |desk: &Self, by: &str| {
            desk.may_name(&sight, &manifest)?;
            desk.change(&broadcast, manifest, by)
        };
        act(caller, self, line, work).await
    }

    /// Makes a dry run.
    ///
    /// # Errors
    /// Whom it addresses cannot be said; the audit's, the disk's; too many are being made.
    pub async fn do_check(self: Arc<Self>, caller: &Caller, broadcast: String) -> Done {
        let Some(place) = self.checks.take(&caller.name) else {
            let sentence = "as many dry runs are being made as may be, or two of yours: wait until \
                            one is done";
            return Err(AdminError::new(StatusCode::SERVICE_UNAVAILABLE, sentence).into());
        };
        caller.record(Act::new(format!("broadcast check {broadcast}"))).await?;
        let work = move |desk: &Self| {
            let _place = place;
            desk.check(&broadcast)
        };
        beside(self, work).await
    }

    /// Says yes or no to a dry run.
    ///
    /// # Errors
    /// The digest is of another one, or the caller's own work.
    pub async fn do_judge(
        self: Arc<Self>,
        caller: &Caller,
        (verdict, broadcast): (Judgement, String),
        wanted: ApprovalWanted,
    ) -> Done {
        let verb = match verdict {
            Judgement::Approve => "approve",
            Judgement::Reject => "reject",
        };
        let line = Act::new(format!("broadcast {verb} {broadcast}")).after(&wanted);
        let work = move |desk: &Self, by: &str| match verdict {
            Judgement::Approve => desk.approve(&broadcast, &wanted.digest, by),
            Judgement::Reject => desk.reject(&broadcast, &wanted.digest, by),
        };
        act(caller, self, line, work).await
    }

    /// Starts it.
    ///
    /// # Errors
    /// What is not as it has to be; a shard does not answer.
    pub async fn do_start(
        self: Arc<Self>,
        caller: &Caller,
        broadcast: String,
        wanted: StartWanted,
    ) -> Done {
        let line = Act::new(format!("broadcast start {broadcast}")).after(&wanted);
        let work = move |desk: &Self, by: &str| {
            desk.start(&broadcast, &wanted.digest, wanted.recipients, by)
        };
        act(caller, self, line, work).await
    }

    /// Stops it, or has it go on.
    ///
    /// # Errors
    /// It is not in a state for that; a shard does not answer.
    pub async fn do_halt(
        self: Arc<Self>,
        caller: &Caller,
        broadcast: String,
        halt: Halt,
    ) -> Result<(), BroadcastRefusal> {
        let (verb, order) = match &halt {
            Halt::Pause => ("pause", Order::Pause),
            Halt::Resume => ("resume", Order::Resume),
            Halt::Cancel(_) => ("cancel", Order::End(End::Cancelled)),
        };
        let line = Act::new(format!("broadcast {verb} {broadcast}"));
        let line = match self.standing().entry(&broadcast) {
            Ok(entry) => line.before(&state_word(entry)),
            Err(_) => line,
        };
        let line = match &halt {
            Halt::Cancel(why) => line.after(why),
            Halt::Pause => line.after(&"paused"),
            Halt::Resume => line.after(&"running"),
        };
        let is_retracted =
            matches!(&halt, Halt::Cancel(CancelWanted { retract: Retract::Yes, .. }));
        let is_cancelled = matches!(&halt, Halt::Cancel(_)) && !is_retracted;
        if halt == Halt::Resume {
            return act(caller, self, line, move |desk, _| desk.order(&broadcast, order)).await;
        }
        // A stop waits for nothing that others have the store do. Its line stands before it is
        // answered, whether the asker still waits or not.
        let caller = caller.clone();
        let task = tokio::spawn(async move {
            let by = caller.name.clone();
            let work = move |desk: &Self| {
                if is_cancelled {
                    desk.is_there_to_cancel(&broadcast)?;
                }
                let ordered = desk.order(&broadcast, order);
                // Whoever stops it is not held up by what may be wrong with its retraction.
                let noted = if is_retracted { desk.take_back(&broadcast, &by) } else { Ok(()) };
                ordered.and(noted)
            };
            let done = beside(self, work).await;
            let failed = done.as_ref().err().map(|refusal| line.failed(&refusal.sentence));
            caller.note(line).await?;
            if let Some(failed) = failed {
                caller.note(failed).await?;
            }
            done
        });
        task.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// Opens a wave, counted from 1.
    ///
    /// # Errors
    /// It is not running, or another wave comes first; a shard does not answer.
    pub async fn do_open_wave(
        self: Arc<Self>,
        caller: &Caller,
        broadcast: String,
        wanted: WaveWanted,
    ) -> Result<(), BroadcastRefusal> {
        let line = Act::new(format!("broadcast wave {broadcast}")).after(&wanted);
        act(caller, self, line, move |desk, by| desk.open_wave(&broadcast, wanted.wave, by)).await
    }

    /// Makes it slower or faster while it runs, or gives it another deadline.
    ///
    /// # Errors
    /// It is not running; the deadline may not be moved there; a shard does not answer.
    pub async fn do_pace(
        self: Arc<Self>,
        caller: &Caller,
        broadcast: String,
        wanted: PaceWanted,
    ) -> Result<(), BroadcastRefusal> {
        let line = Act::new(format!("broadcast pace {broadcast}")).after(&wanted);
        let may_postpone = caller.may(Role::Approver);
        let work =
            move |desk: &Self, by: &str| desk.set_pace(&broadcast, &wanted, (by, may_postpone));
        act(caller, self, line, work).await
    }

    /// Withdraws one recipient's row.
    ///
    /// # Errors
    /// It is not addressed, or has ended; the shard does not answer.
    pub async fn do_withdraw(
        self: Arc<Self>,
        caller: &Caller,
        broadcast: String,
        msn: Msn,
    ) -> Result<(), BroadcastRefusal> {
        // The audit names no phone.
        let line = Act::new(format!("broadcast withdraw {broadcast}"));
        act(caller, self, line, move |desk, _| desk.withdraw(&broadcast, msn)).await
    }

    /// Writes the draft of what takes it back.
    ///
    /// # Errors
    /// It was never started; as [`Self::do_create`].
    pub async fn do_retract(
        self: Arc<Self>,
        caller: &Caller,
        broadcast: String,
        wanted: FollowerWanted,
    ) -> Done {
        let (new, sight) = (Self::next_identifier(), XpidSight::of(caller));
        let line = Act::new(format!("broadcast retract {broadcast} by {new}"));
        let line = line.after(&audited::follower(&wanted));
        let work = move |desk: &Self, by: &str| {
            wanted.texts.as_ref().map_or(Ok(()), |texts| sight.may_say(texts))?;
            desk.retract((&broadcast, new), wanted, by)
        };
        act(caller, self, line, work).await
    }

    /// Writes the draft of its chain's next text.
    ///
    /// # Errors
    /// As [`Self::do_retract`].
    pub async fn do_update(
        self: Arc<Self>,
        caller: &Caller,
        broadcast: String,
        wanted: UpdateWanted,
    ) -> Done {
        let (new, sight) = (Self::next_identifier(), XpidSight::of(caller));
        let line = Act::new(format!("broadcast update {broadcast} by {new}"));
        let line = line.after(&audited::update(&wanted));
        let work =
            move |desk: &Self, by: &str| desk.update((&broadcast, new), wanted, (by, &sight));
        act(caller, self, line, work).await
    }

    /// A broadcast at this moment.
    ///
    /// # Errors
    /// There is none of this identifier; a shard does not answer.
    pub async fn look_at(
        self: Arc<Self>,
        broadcast: String,
        with_all_areas: bool,
    ) -> Result<ProgressDocument, BroadcastRefusal> {
        beside(self, move |desk| desk.progress(&broadcast, with_all_areas)).await
    }

    /// Every broadcast that the caller sees, at this moment.
    ///
    /// # Errors
    /// A shard does not answer.
    pub async fn look_at_all(
        self: Arc<Self>,
        caller: &Caller,
    ) -> Result<Vec<ProgressDocument>, BroadcastRefusal> {
        let sight = XpidSight::of(caller);
        beside(self, move |desk| desk.all(&sight)).await
    }

    /// The figures of a broadcast at this moment.
    ///
    /// # Errors
    /// As [`Self::look_at`].
    pub async fn figures_of(
        self: Arc<Self>,
        broadcast: String,
    ) -> Result<Snapshot, BroadcastRefusal> {
        beside(self, move |desk| desk.snapshot(&broadcast, false)).await
    }
}
