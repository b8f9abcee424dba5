//! The layout of the data directory at a start: made where it is fresh, changed where it is for
//! another number of shards.

use super::opening::{journal_config, limits_of};
use crate::billing::BillingError;
use crate::control::broadcasts::live_broadcasts;
use crate::journal::{BUDGET_SEGMENTS_MIN, JournalError, SegmentFactory};
use crate::shard::OpenError;
use crate::start::config::{Config, SHARDS_MAX};
use crate::start::layout;
use crate::start::layout::{Layout, RESHARDINGS_MAX};
use crate::start::reshard;
use crate::start::reshard::{Copied, Source, Target};
use crate::testing::kill_points::{KillPoint, kill_point};
use host::clock;
use host::fatal::{Fatal, FatalReason};
use std::io::ErrorKind;
use wire::terms::time::WallMs;

/// The layout that the engine serves with.
///
/// # Errors
/// The directory cannot be used, or what is in it does not fit into as many shards.
pub(super) fn lay_out(config: &Config, factory: &SegmentFactory) -> Result<Layout, Fatal> {
    let unusable = |error: std::io::Error| unusable(config, &error);
    match layout::settle(&config.data_dir).map_err(unusable)? {
        Some(standing) if standing.shards == config.partitions => Ok(standing),
        None => {
            let layout = Layout::fresh(config.partitions);
            layout::lay_out(&config.data_dir, layout).map_err(unusable)?;
            Ok(layout)
        }
        Some(standing) => {
            check_broadcasts(config, standing)?;
            let Some(layout) = standing.next(config.partitions) else {
                let cause = format!(
                    "the data directory {} was laid out for another number of \
                     shards {RESHARDINGS_MAX} times, which is as often as its records can be \
                     numbered",
                    config.data_dir.display()
                );
                let remedy = format!("start with {}, as it is laid out", flag_of(config, standing));
                return Err(Fatal::with_remedy(FatalReason::DataDirUnusable, cause, remedy));
            };
            tracing::info!(
                from = standing.shards,
                to = layout.shards,
                "the data directory is laid out for another number of shards; its queue moves"
            );
            let copied = copy(config, standing, layout, factory)
                .map_err(|error| fatal(config, standing, &error))?;
            layout::exchange(&config.data_dir, layout).map_err(unusable)?;
            tracing::info!(pushes = copied.pushes, records = copied.records, "the queue has moved");
            Ok(layout)
        }
    }
}

/// Rows of a broadcast are their shards' own: what is under way ends in the layout it began in.
fn check_broadcasts(config: &Config, standing: Layout) -> Result<(), Fatal> {
    let directory = config.data_dir.display();
    let live = live_broadcasts(&config.data_dir).map_err(|error| {
        let cause = format!("the broadcasts in {directory} cannot be read ({error})");
        Fatal::new(FatalReason::DataDirUnusable, cause)
    })?;
    let Some(first) = live.first() else { return Ok(()) };
    let cause = format!("{first} is under way, and its rows cannot move to other shards");
    let remedy = format!("start with {} until it has ended", flag_of(config, standing));
    Err(Fatal::with_remedy(FatalReason::Configuration, cause, remedy))
}

/// Never another directory: the queue is in this one.
fn unusable(config: &Config, error: &std::io::Error) -> Fatal {
    let directory = config.data_dir.display();
    let cause = format!("the layout of the data directory {directory} cannot be used ({error})");
    if is_full(error) {
        let remedy = "free space on the device and start again";
        return Fatal::with_remedy(FatalReason::StorageFull, cause, remedy);
    }
    let remedy = match (error.kind(), layout::derive(&config.data_dir)) {
        (ErrorKind::InvalidData, Ok(Some(Layout { shards, generation }))) => {
            format!("write `{shards} {generation}` into that file, which is what the journals tell")
        }
        (ErrorKind::InvalidData, Ok(None)) => {
            "there is no journal in it: remove that file and start again".to_owned()
        }
        (ErrorKind::InvalidData, Err(_)) => {
            "restore what is missing from a backup of the whole directory".to_owned()
        }
        _ => "correct the permissions of what stands in it, or check the device, and start again"
            .to_owned(),
    };
    Fatal::with_remedy(FatalReason::DataDirUnusable, cause, remedy)
}

fn copy(
    config: &Config,
    standing: Layout,
    layout: Layout,
    factory: &SegmentFactory,
) -> Result<Copied, OpenError> {
    let mut targets = Vec::with_capacity(layout.shards);
    for number in 0..layout.shards {
        let journal = journal_config(config, number, layout.shards, layout.first_copied(number));
        let directory = layout::building_directory(&config.data_dir, number).join("journal");
        std::fs::create_dir_all(&directory).map_err(OpenError::Copy)?;
        targets.push(Target::begin(&directory, journal, factory)?);
    }
    kill_point(KillPoint::ReshardBegun);
    let mut copied = Copied::default();
    for number in 0..standing.shards {
        let mut journal =
            journal_config(config, number, standing.shards, standing.first_sequence(number));
        // Whatever it holds must open, and it takes no more.
        let room = BUDGET_SEGMENTS_MIN * u64::from(journal.segment_octets);
        journal.budget_octets = config.queue_octets.max(room);
        let source = Source {
            directory: &crate::journal::shards::shard_directory(&config.data_dir, number),
            number: number as u16,
            limits: limits_of(config, config.pushes_max),
            journal,
            time_scale: config.rehearsal_time_scale,
        };
        let part = reshard::copy(&source, &mut targets, factory, WallMs::new(clock::unix_ms()))?;
        copied.pushes += part.pushes;
        copied.records += part.records;
    }
    for target in targets {
        target.finish()?;
    }
    Ok(copied)
}

/// Why the queue stays where it is: nothing of the old layout was changed.
fn fatal(config: &Config, standing: Layout, error: &OpenError) -> Fatal {
    let lacks_room = match error {
        OpenError::Copy(source) => is_full(source),
        OpenError::Journal(JournalError::NoSegment { .. })
        | OpenError::NoRoomToReshard(_)
        | OpenError::Unbilled(_) => true,
        OpenError::Journal(JournalError::Io { source, .. }) => is_full(source),
        OpenError::Billing(BillingError::Write { source, .. }) => is_full(source),
        _ => false,
    };
    match error {
        _ if lacks_room => {
            let (shards, old) = (config.partitions, flag_of(config, standing));
            let cause = format!(
                "the queue cannot be laid out anew for {shards} shards, because there is no room \
                 to copy it ({error})"
            );
            let remedy = format!(
                "free space on the device or raise --queue-bytes, or start with {old}, \
                 for which the directory is laid out and which needs no copy"
            );
            Fatal::with_remedy(FatalReason::StorageFull, cause, remedy)
        }
        OpenError::Copy(_) => Fatal::new(FatalReason::SyncFailed, error.to_string()),
        _ => Fatal::new(FatalReason::JournalUnusable, error.to_string()),
    }
}

/// What the engine is started with to serve the layout as it stands.
fn flag_of(config: &Config, standing: Layout) -> String {
    let follows = config.partitions == config.shards && standing.shards <= SHARDS_MAX;
    let flag = if follows { "--shards" } else { "--partitions" };
    format!("{flag} {}", standing.shards)
}

fn is_full(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}
