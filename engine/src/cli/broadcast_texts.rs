//! What `hayauma broadcast` prints of broadcasts: where one stands, what a dry run found, what
//! became of an order. Nothing here asks an engine.

use super::table::plural;
use crate::control::broadcasts::{
    BroadcastDocument, Forecast, ProgressDocument, RecipientDocument, Retract, Stage,
    code_of_pause, meaning_of,
};
use crate::gateway::broadcasting::People;
use wire::terms::calendar;
use wire::terms::time::WallMs;

/// A moment in Japan, to the second: `2027-03-01 10:00:00 +09:00`.
fn moment(at: WallMs) -> String {
    let text = calendar::jst_text(at.ms());
    format!("{} +09:00", text.get(..19).unwrap_or(&text))
}

fn recipients(count: u64) -> String {
    format!("{count} {}", plural(count, "recipient", "recipients"))
}

/// What became of a start: it may wait for its time.
pub(super) fn text_of_start(document: &BroadcastDocument) -> String {
    let name = &document.broadcast;
    match document.scheduled.as_ref().filter(|_| document.stage == Stage::Scheduled) {
        Some(start) => format!("{name} is scheduled for {}\n", moment(start.due_ms)),
        None => format!("{name} is started\n"),
    }
}

/// What became of a cancel: what it stopped, and what takes the broadcast back.
pub(super) fn text_of_cancel(progress: &ProgressDocument, retract: Retract) -> String {
    let text = text_of(progress);
    if retract == Retract::No {
        return text;
    }
    let document = &progress.document;
    let Some(known) = document.retracting.as_ref() else {
        return text + "  nobody has its text: there is nothing to take back\n";
    };
    let by = known.broadcast.as_deref().unwrap_or_default();
    let trouble = known.trouble.as_ref();
    text + &match (known.is_done, trouble) {
        (_, Some(why)) => format!("  its retraction {by} is not started: {why}\n"),
        (true, None) => format!("  its retraction {by} was started\n"),
        (false, None) => format!("  its retraction {by} starts when what is under way has ended\n"),
    }
}

/// Where a broadcast stands.
pub(super) fn text_of(progress: &ProgressDocument) -> String {
    let ProgressDocument { document, state, targeted, counts, doubts, .. } = progress;
    let manifest = &document.manifest;
    let mut text = format!(
        "{} {state}: {} class {}, {}\n",
        document.broadcast,
        manifest.reqid,
        manifest.class,
        recipients(*targeted)
    );
    if progress.looks_on {
        text += "  this engine only looks on: nothing is sent from here\n";
    }
    if let Some(start) = document.scheduled.as_ref().filter(|_| state == "scheduled") {
        text += &format!("  starts at {}\n", moment(start.due_ms));
        let trouble = start.trouble.iter();
        trouble.for_each(|why| text += &format!("  it is due and not started: {why}\n"));
    }
    for (outcome, rows) in counts.iter().filter(|(_, rows)| **rows > 0) {
        text += &format!("  {outcome:<12} {rows}\n");
    }
    if let (open, all) = document.waves_open()
        && all > 1
    {
        text += &format!("  wave {open} of {all}\n");
    }
    if *doubts > 0 {
        let were = plural(*doubts, "was", "were");
        text += &format!("  {doubts} {were} in doubt after a crash\n");
    }
    if let Some(why) = &progress.stopped_by {
        let paused = if code_of_pause(why).is_some() { "paused by itself: " } else { "" };
        text += &format!("  {paused}{why}\n");
    }
    for (percent, seconds) in &progress.reached_after_s {
        text += &format!("  {percent} % reached after {seconds} s\n");
    }
    if !progress.adds_up {
        text += "  the counts are not those of all recipients: report this\n";
    }
    text
}

/// What became of one recipient.
pub(super) fn text_of_recipient(found: &RecipientDocument) -> String {
    let RecipientDocument { msn, area, outcome, code, segments, attempts, seconds, .. } = found;
    format!(
        "{msn} of area {area}: {outcome} ({code}), {segments} {} arrived, {attempts} {}, {seconds} \
         s from the start\n",
        plural(u64::from(*segments), "segment", "segments"),
        plural(u64::from(*attempts), "attempt", "attempts"),
    )
}

/// A code with what it means.
fn meaning(code: &str) -> String {
    match code.parse().map_or("", meaning_of) {
        "" => code.to_owned(),
        meaning => format!("{meaning} ({code})"),
    }
}

fn text_of_forecast(forecast: &Forecast) -> String {
    let mut text = String::new();
    for (code, rows) in &forecast.skipped {
        text += &format!("  skipped: {rows}, {}\n", meaning(code));
    }
    for (share, seconds) in &forecast.seconds {
        let share = if share == "last" { share.clone() } else { format!("{share} %") };
        text += &format!("  {share:<17} after {seconds} s\n");
    }
    text += &match forecast.limited_by.as_str() {
        "unknown" => {
            "  no time can be told: nothing was sent without a pace within a day\n".to_owned()
        }
        bound => format!("  limited by {bound}\n"),
    };
    match forecast.beside.len() + forecast.beside_of_others {
        0 => text,
        1 => text + "  1 other of its class is live beside it\n",
        beside => text + &format!("  {beside} others of its class are live beside it\n"),
    }
}

/// What a dry run found.
pub(super) fn text_of_check(document: &BroadcastDocument) -> String {
    let Some(check) = &document.check else { return String::new() };
    let found = &check.addressed;
    let mut text = format!(
        "{}, {} {}, {} without a text\n",
        recipients(found.targeted),
        found.segments,
        plural(found.segments, "short message", "short messages"),
        found.without_text
    );
    for (area, rows) in &found.areas {
        text += &format!("  area {area:<12} {rows}\n");
    }
    for (language, rows) in &found.languages {
        text += &format!("  language {language:<8} {rows}\n");
    }
    for (wave, rows) in found.waves.iter().enumerate() {
        text += &format!("  wave {:<12} {rows}\n", wave + 1);
    }
    let addressed = (found.targeted, found.segments);
    for way in check.foreseen.iter().flat_map(|foreseen| foreseen.ways(addressed)) {
        text += &format!("  carriers: {way}\n");
    }
    text += &check.cost.map_or_else(String::new, |yen| format!("  costs {yen} yen\n"));
    text += &check.forecast.as_ref().map(text_of_forecast).unwrap_or_default();
    for warning in &check.warnings {
        text += &format!("  look: {warning}\n");
    }
    let who = match check.people {
        _ if !check.needs_approval => "nobody has to approve it",
        People::Two => "somebody else has to approve it",
        People::One | People::None => "somebody has to approve it",
    };
    text + &format!("approval: {who}\ndigest {}\n", check.digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::json;

    fn progress(stage: &str, state: &str, targeted: u64, more: &str) -> ProgressDocument {
        let text = format!(
            r#"{{"broadcast":"bc-1","stage":"{stage}","author":"mayor","manifest":{{
            "xpid":"00100000001","sender":"Town","class":"02","reqid":"flood-1","legs":[]}}{more},
            "state":"{state}","targeted":{targeted},"counts":{{"waiting":{targeted}}},
            "adds_up":true,"doubts":1,"delivered_per_second":0,"reached_after_s":{{}}}}"#
        );
        json::read(&mut text.into_bytes()).expect("a document")
    }

    /// 2027-03-01 10:00:00 +09:00.
    const SCHEDULED: &str = r#","scheduled":{"due_ms":1803862800000,"by":"mayor",
        "ordered_ms":1,"digest":"d","recipients":1}"#;

    #[test]
    fn what_starts_later_is_not_said_to_be_started() {
        let later = progress("scheduled", "scheduled", 1, SCHEDULED);
        let at = "2027-03-01 10:00:00 +09:00";
        assert_eq!(text_of_start(&later.document), format!("bc-1 is scheduled for {at}\n"));
        let text = text_of(&later);
        assert!(text.starts_with("bc-1 scheduled: flood-1 class 02, 1 recipient\n"), "{text}");
        assert!(text.contains(&format!("  starts at {at}\n")), "{text}");
        // Its time was there.
        let now = progress("started", "running", 2, SCHEDULED);
        assert_eq!(text_of_start(&now.document), "bc-1 is started\n");
        let text = text_of(&now);
        assert!(text.contains(", 2 recipients\n") && !text.contains("starts at"), "{text}");
        assert!(text.contains("1 was in doubt"), "{text}");
    }

    #[test]
    fn a_cancel_says_what_takes_the_broadcast_back() {
        let text = |more: &str, retract: Retract| {
            text_of_cancel(&progress("started", "closing", 2, more), retract)
        };
        let known = |more: &str| {
            format!(r#","retracting":{{"by":"a","at_ms":1,"broadcast":"bc-2"{more}}}"#)
        };
        assert!(!text("", Retract::No).contains("retraction"));
        assert!(text("", Retract::Yes).contains("there is nothing to take back"));
        let begun = text(&known(""), Retract::Yes);
        assert!(begun.contains("its retraction bc-2 starts when what is under way"), "{begun}");
        let before = text(&known(r#","is_done":true"#), Retract::Yes);
        assert!(before.ends_with("its retraction bc-2 was started\n"), "{before}");
        let vain = text(&known(r#","trouble":"a reqid is taken""#), Retract::Yes);
        assert!(vain.ends_with("bc-2 is not started: a reqid is taken\n"), "{vain}");
    }

    #[test]
    fn what_is_not_in_every_shard_is_not_said_to_be_paused() {
        let text = |why: &str| {
            let running = progress("started", "running", 2, "");
            text_of(&ProgressDocument { stopped_by: Some(why.to_owned()), ..running })
        };
        let untold = text("not in every shard yet: a shard does not answer");
        assert!(untold.contains("  not in every shard yet") && !untold.contains("paused"));
        let paused = text("2007 the volume of the day is used up");
        assert!(paused.contains("  paused by itself: 2007 the volume"), "{paused}");
    }

    #[test]
    fn a_forecast_speaks_in_words() {
        let skipped = [("2005".to_owned(), 1), ("7003".to_owned(), 2)].into();
        let forecast =
            Forecast { limited_by: "unknown".to_owned(), skipped, ..Forecast::default() };
        let text = text_of_forecast(&forecast);
        assert!(text.contains("  skipped: 1, "), "{text}");
        assert!(text.contains("(2005)\n") && text.contains("no time can be told"), "{text}");
        assert!(text.contains("  skipped: 2, had this text already (7003)\n"), "{text}");
        let paced = Forecast { limited_by: "pace".to_owned(), ..Forecast::default() };
        let paced = Forecast { beside: vec!["bc-3".to_owned()], ..paced };
        let text = text_of_forecast(&paced);
        assert!(text.contains("limited by pace\n") && text.contains("1 other of its"), "{text}");
    }
}
