//! When a broadcast is to be started, and when that is too late.

use super::refusal::{BroadcastRefusal, STATE, refused};
use crate::broadcast::manifest::Manifest;
use wire::terms::rfc3339::parse_rfc3339;
use wire::terms::time::WallMs;

/// When a manifest is to be started, if that is later than now.
///
/// # Errors
/// It is so long ago that it is not made up for.
pub(super) fn due_later(
    manifest: &Manifest,
    now_ms: WallMs,
) -> Result<Option<WallMs>, BroadcastRefusal> {
    let Some(due) = parse_rfc3339(&manifest.start) else { return Ok(None) };
    if due > now_ms {
        return Ok(Some(due));
    }
    if is_too_late(manifest, due, now_ms) {
        let sentence = "its start is longer ago than too_late_after allows: give another";
        let refusal = refused(STATE, sentence);
        return Err(BroadcastRefusal { place: Some("/start".to_owned()), ..refusal });
    }
    Ok(None)
}

/// Whether a start is missed by more than its manifest allows.
pub(super) fn is_too_late(manifest: &Manifest, due_ms: WallMs, now_ms: WallMs) -> bool {
    now_ms.since(due_ms) > manifest.too_late_after.saturating_mul(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(start: &str) -> Manifest {
        let text = format!(
            r#"{{"xpid":"00100000001","sender":"Town","class":"02","reqid":"r","start":"{start}",
            "too_late_after":60,"legs":[{{"audience":{{"list":"l","areas":"everywhere"}},
            "texts":{{"variants":{{"en":"x"}}}}}}]}}"#
        );
        Manifest::read(text.as_bytes()).expect("a manifest")
    }

    #[test]
    fn a_start_is_later_now_or_too_long_ago() {
        let at = |text: &str| parse_rfc3339(text).expect("an instant");
        let due = at("2027-03-01T10:00:00+09:00");
        let wanted = manifest("2027-03-01T10:00:00+09:00");
        assert_eq!(due_later(&wanted, due - 1), Ok(Some(due)));
        assert_eq!(due_later(&wanted, due), Ok(None));
        assert_eq!(due_later(&wanted, due + 60_000), Ok(None));
        assert_eq!(due_later(&wanted, due + 60_001).expect_err("missed").code, STATE);
        assert_eq!(due_later(&manifest("now"), due), Ok(None));
    }
}
