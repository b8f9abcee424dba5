//! Warnings that were refused: who runs the gateway sees that a source said something nobody was
//! told, and why.
//!
//! Never here: what is refused. Invariants: the newest [`KEPT_MAX`] of each source, until the
//! engine ends; none of them counts as said, so the source may send it again, corrected.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use super::answers::{LoggedDocument, WarningAnswer, WarningRemark};
use super::refusal::BroadcastRefusal;
use wire::terms::calendar;
use wire::terms::time::WallMs;

/// Refused warnings that are remembered of each source.
const KEPT_MAX: usize = 16;
/// Characters that a line of the engine's log shows of what a source said.
const SHOWN_CHARACTERS_MAX: usize = 200;
/// Characters that are remembered of what a source said.
const KEPT_CHARACTERS_MAX: usize = 1_000;
/// What the log says became of them.
const REFUSED: &str = "refused";

/// What a refused warning said of itself, as far as it could be read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct SaidOfItself {
    pub(super) sender: String,
    pub(super) identifier: String,
    pub(super) event: String,
}

/// Enough of a word to find it by.
fn shown(said: &str) -> String {
    said.chars().take(SHOWN_CHARACTERS_MAX).collect()
}

/// As much as is remembered of what a source said: a warning may say megabytes of itself.
fn kept(said: &str) -> String {
    said.chars().take(KEPT_CHARACTERS_MAX).collect()
}

/// Those of all sources.
#[derive(Debug, Default)]
pub(super) struct RefusedWarnings(Mutex<BTreeMap<String, VecDeque<LoggedDocument>>>);

impl RefusedWarnings {
    /// Remembers one, and has a line of the log say so: one line for what is sent again and again.
    pub(super) fn note(
        &self,
        source: &str,
        said: SaidOfItself,
        refusal: &BroadcastRefusal,
        now: WallMs,
    ) {
        let sentence = match refusal.code {
            0 => refusal.sentence.clone(),
            code => format!("{} ({code:04})", refusal.sentence),
        };
        let remark = WarningRemark {
            element: kept(refusal.place.as_deref().unwrap_or_default()),
            sentence: kept(&sentence),
        };
        let answer = WarningAnswer {
            source: source.to_owned(),
            sender: kept(&said.sender),
            identifier: kept(&said.identifier),
            state: REFUSED.to_owned(),
            warnings: vec![remark],
            ..WarningAnswer::default()
        };
        let refused =
            LoggedDocument { at: calendar::jst_text(now.ms()), event: kept(&said.event), answer };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_source = all.entry(source.to_owned()).or_default();
        let before = of_source.iter().position(|before| before.answer == refused.answer);
        if let Some(before) = before {
            of_source.remove(before);
        } else {
            // As texts, whose line ends and escapes the log writes as such: a source writes no
            // line of it.
            let (identifier, why) = (shown(&said.identifier), shown(&sentence));
            let (identifier, why) = (identifier.as_str(), why.as_str());
            tracing::warn!(source, identifier, why, "a warning was refused, and nobody is told");
        }
        of_source.push_front(refused);
        of_source.truncate(KEPT_MAX);
    }

    /// Those of one source among what it said otherwise, the newest first.
    pub(super) fn among(&self, source: &str, said: Vec<LoggedDocument>) -> Vec<LoggedDocument> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut shown: Vec<LoggedDocument> =
            all.get(source).into_iter().flatten().cloned().chain(said).collect();
        shown.sort_by(|one, other| other.at.cmp(&one.at));
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::super::refusal::{ALERT, refused};
    use super::*;
    use std::sync::Arc;

    #[test]
    fn refused_warnings_stand_in_their_sources_log_with_the_reason_and_have_a_bound() {
        let all = RefusedWarnings::default();
        let note = |identifier: &str, at: u64| {
            let said = SaidOfItself { identifier: identifier.to_owned(), ..Default::default() };
            let refusal = refused(ALERT, "it names no area that is known");
            all.note("county", said, &refusal, WallMs::new(at));
        };
        note("K-1", 1_000);
        note("K-1", 2_000);
        let taken = LoggedDocument {
            at: calendar::jst_text(1_500),
            event: String::new(),
            answer: WarningAnswer { state: "draft".to_owned(), ..WarningAnswer::default() },
        };
        let shown = all.among("county", vec![taken]);
        let states: Vec<&str> = shown.iter().map(|line| line.answer.state.as_str()).collect();
        assert_eq!(states, ["refused", "draft"], "one line for what came again");
        let why = &shown[0].answer.warnings[0].sentence;
        assert!(why.contains("no area that is known (7108)"), "{why}");
        for at in 0..3 * KEPT_MAX as u64 {
            note(&format!("K-{at}"), 10_000 + at);
        }
        assert_eq!(all.among("county", Vec::new()).len(), KEPT_MAX);
        assert!(all.among("town", Vec::new()).is_empty());
    }

    #[test]
    fn of_what_a_source_says_of_itself_no_more_is_remembered_than_somebody_reads() {
        let all = RefusedWarnings::default();
        let long = || "長".repeat(100_000);
        let said = SaidOfItself { sender: long(), identifier: long(), event: long() };
        let place = Some(long());
        let refusal = BroadcastRefusal { place, ..refused(ALERT, long()) };
        all.note("county", said, &refusal, WallMs::new(1));
        let shown = format!("{:?}", all.among("county", Vec::new()));
        assert_eq!(shown.matches('長').count(), 5 * KEPT_CHARACTERS_MAX);
    }

    /// What a subscriber writes, as the engine's own does.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Log {
        fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no panic").extend_from_slice(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_source_writes_no_line_of_the_engines_log() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false);
        let subscriber = subscriber.with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            let all = RefusedWarnings::default();
            // In turns, as whoever wants to fill the log would.
            for at in 0..4 {
                let identifier =
                    format!("{}\n2026 WARN forged \u{1b}[2J{}", at % 2, "x".repeat(9_999));
                let said = SaidOfItself { identifier, ..Default::default() };
                let refusal = refused(ALERT, "its sender \"\n\u{1b}[1m\" is none of the source");
                all.note("county", said, &refusal, WallMs::new(at));
            }
        });
        let written = String::from_utf8(log.0.lock().expect("no panic").clone()).expect("text");
        assert_eq!(written.lines().count(), 2, "a line for each: {written}");
        assert!(!written.contains('\u{1b}') && written.len() < 2_000, "{written}");
    }
}
