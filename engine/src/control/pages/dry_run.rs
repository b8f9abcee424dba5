//! What a dry run found, as the page of a broadcast shows it before its start: how many, how long
//! it would take and why, by which carriers, when it begins and ends.

use std::collections::BTreeMap;

use maud::{Markup, html};
use wire::terms::rfc3339::parse_rfc3339;

use super::reader::Reader;
use super::tongue::{clock_time, moment, number, percent};
use super::words;
use crate::control::broadcasts::{BroadcastDocument, CheckDocument, Forecast, meaning_of};
use crate::gateway::broadcasting::People;

/// Lines of a table.
const ROWS_SHOWN_MAX: usize = 12;

/// What a dry run found, beside whom.
pub(super) fn facts_of(reader: &Reader, check: &CheckDocument) -> Markup {
    html! {
        dl .facts {
            dt { (reader.say("Short messages", "SMS通数")) }
            dd { (number(check.addressed.segments)) }
            @if let Some(cost) = check.cost {
                dt { (reader.say("Cost in yen", "費用（円）")) } dd { (number(cost)) }
            }
            dt { (reader.say("Without a text", "文面なし")) }
            dd { (number(check.addressed.without_text)) }
            (by_wave(reader, &check.addressed.waves))
            @if let Some(forecast) = &check.forecast { (foretold(reader, forecast)) }
            (by_carrier(reader, check))
            dt { (reader.say("Needs approval", "承認")) }
            dd {
                @if check.needs_approval && check.people == People::One {
                    (reader.say("yes", "必要"))
                } @else if check.needs_approval {
                    (reader.say("yes, by somebody else", "必要（作成者以外）"))
                } @else { (reader.say("no", "不要")) }
            }
            dt { (reader.say("Checked at", "確認時刻")) }
            dd { (clock_time(check.at_ms)) " · " (reader.say("holds 15 min", "15 分有効")) }
        }
    }
}

/// How long it would take, and what of it is skipped.
fn foretold(reader: &Reader, forecast: &Forecast) -> Markup {
    html! {
        @for (share, seconds) in &forecast.seconds {
            dt {
                @if share == "last" { (reader.say("The last after", "最後まで")) }
                @else { (share) " % " (reader.say("after", "まで")) }
            }
            dd { (reader.tongue.duration(seconds * 1_000)) }
        }
        dt { (reader.say("Held back by", "律速要因")) }
        dd {
            (words::bound(reader.tongue, &forecast.limited_by))
            @let beside = forecast.beside.len() + forecast.beside_of_others;
            @if beside > 0 {
                " · " (number(beside as u64)) " "
                (reader.say("of its class live beside it", "件が同じ区分で配信中"))
            }
        }
        @for (code, rows) in &forecast.skipped {
            @let meaning = code.parse().map_or("", meaning_of);
            dt { (reader.say("Skipped: ", "除外: ")) (words::meaning(reader.tongue, code, meaning)) }
            dd { (number(*rows)) " (" (code) ")" }
        }
    }
}

/// By which carriers how many go, of those that were looked at.
fn by_carrier(reader: &Reader, check: &CheckDocument) -> Markup {
    html! {
        @for foreseen in check.foreseen.iter() {
            @for way in &foreseen.carriers {
                dt { (reader.say("By carrier ", "事業者 ")) (way.carrier) }
                dd {
                    (percent(way.rows, foreseen.looked_at)) " % · "
                    @if way.rate == 0 { (reader.say("as fast as it takes them", "速度の上限なし")) }
                    @else { (number(u64::from(way.rate))) (reader.say(" SMS a second", " 通/秒")) }
                }
            }
        }
    }
}

/// When it begins and ends, as far as that is known before its start.
pub(super) fn times_ahead(reader: &Reader, document: &BroadcastDocument) -> Markup {
    let manifest = &document.manifest;
    let ends = manifest.deadline.as_deref().and_then(parse_rfc3339);
    html! {
        @if let Some(due) = &document.scheduled {
            dt { (reader.say("Starts at", "開始予定")) } dd { (moment(due.due_ms)) }
            @if let Some(why) = &due.trouble {
                dt { (reader.say("Due, and not started", "開始できていません")) } dd .bad { (why) }
            }
        } @else if let Some(begin_ms) = parse_rfc3339(&manifest.start) {
            dt { (reader.say("Is to start at", "開始希望")) } dd { (moment(begin_ms)) }
        }
        @if manifest.hold_seconds > 0 {
            dt { (reader.say("Hold before the first attempt", "開始前の待機")) }
            dd { (reader.tongue.duration(manifest.hold_seconds * 1_000)) }
        }
        dt { (reader.say("No attempt after", "送信期限")) }
        dd {
            @if let Some(ends_ms) = ends { (moment(ends_ms)) }
            @else if let Some(seconds) = manifest.lifetime {
                (reader.tongue.duration(seconds * 1_000)) (reader.say(" from its start", "（開始から）"))
            } @else { (reader.say("72 hours from its start", "開始から 72 時間")) }
        }
    }
}

fn by_wave(reader: &Reader, rows: &[u64]) -> Markup {
    let rows: Vec<String> = rows.iter().map(|rows| number(*rows)).collect();
    html! {
        @if !rows.is_empty() {
            dt { (reader.say("By wave", "段階別")) }
            dd { (rows.join(" · ")) }
        }
    }
}

/// Counts by what they are of, those of most first.
pub(super) fn table_of(counts: &BTreeMap<String, u64>, caption: &str) -> Markup {
    let mut rows: Vec<(&String, &u64)> = counts.iter().collect();
    rows.sort_by_key(|(_, rows)| std::cmp::Reverse(**rows));
    html! {
        table {
            caption { (caption) }
            tbody { @for (name, rows) in rows.iter().take(ROWS_SHOWN_MAX) {
                tr { th scope="row" { (name) } td .n { (number(**rows)) } }
            } }
            @if rows.len() > ROWS_SHOWN_MAX {
                tfoot { tr { th scope="row" { "+ " (rows.len() - ROWS_SHOWN_MAX) } td {} } }
            }
        }
    }
}
