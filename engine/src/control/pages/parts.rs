//! The parts of a broadcast's page that change while it runs, each made of its snapshot alone.

use maud::{Markup, html};

use super::curve;
use super::tongue::{Tongue, clock_time, number, percent};
use super::words;
use crate::broadcast::areas::AreaCatalogue;
use crate::broadcast::outcomes::{OUTCOMES, Outcome};
use crate::control::broadcasts::{PartFigures, ReasonFigures, Snapshot};

/// Outcomes that have a line even where nobody has them.
const ALWAYS_SHOWN: [Outcome; 5] =
    [Outcome::Waiting, Outcome::InFlight, Outcome::Held, Outcome::Delivered, Outcome::Failed];

/// A part: the identifier of its place, and what stands there.
pub(super) type Part = (&'static str, Markup);

/// All parts, in the order of the page.
pub(super) fn all(tongue: Tongue, snapshot: &Snapshot, catalogue: &AreaCatalogue) -> Vec<Part> {
    vec![
        ("p-state", state(tongue, snapshot)),
        ("p-big", big(tongue, snapshot)),
        ("p-notes", notes(tongue, snapshot)),
        ("p-curve", curve::picture(tongue, snapshot)),
        ("p-marks", marks(tongue, snapshot)),
        ("p-curve-table", curve::table(tongue, snapshot)),
        ("p-counts", counts(tongue, snapshot)),
        ("p-held", held(tongue, snapshot)),
        ("p-failures", failures(tongue, snapshot)),
        ("p-areas", areas(tongue, snapshot, catalogue)),
        ("p-languages", languages(tongue, snapshot)),
        ("p-pace", pace(tongue, snapshot)),
        ("p-acts", acts(tongue, snapshot)),
        ("p-say", html! { (sentence(tongue, snapshot)) }),
    ]
}

/// One of them.
pub(super) fn find<'a>(parts: &'a [Part], place: &str) -> &'a Markup {
    static NOTHING: Markup = maud::PreEscaped(String::new());
    parts.iter().find(|(other, _)| *other == place).map_or(&NOTHING, |(_, part)| part)
}

/// The state, and since when.
pub(super) fn state(tongue: Tongue, snapshot: &Snapshot) -> Markup {
    html! {
        span class={ "state s-" (snapshot.state) } { (words::state(tongue, &snapshot.state)) }
        @if let Some(since_ms) = snapshot.since_ms {
            " " span .muted {
                (tongue.say("since ", "")) time { (clock_time(since_ms)) }
                (tongue.say("", " から"))
            }
        }
    }
}

/// What a screen reader is told.
pub(super) fn sentence(tongue: Tongue, snapshot: &Snapshot) -> String {
    let state = words::state(tongue, &snapshot.state);
    let reached = percent(snapshot.reached(), snapshot.targeted);
    let rate = number(snapshot.rate.now);
    match tongue {
        Tongue::English => format!("{state}: {reached} percent reached, {rate} a second"),
        Tongue::Japanese => format!("{state}。到達率 {reached} パーセント、毎秒 {rate} 件"),
    }
}

fn big(tongue: Tongue, snapshot: &Snapshot) -> Markup {
    let (reached, targeted) = (snapshot.reached(), snapshot.targeted);
    let rate = if snapshot.is_over() { snapshot.rate.mean } else { snapshot.rate.now };
    html! {
        div .figure {
            h2 { (tongue.say("Reached", "到達率")) }
            p .value { (percent(reached, targeted)) span .unit { " %" } }
            p .under-value {
                (number(reached)) " / " (number(targeted)) " " (tongue.recipients(targeted))
            }
            (bar(reached, targeted))
        }
        div .figure {
            h2 {
                @if snapshot.is_over() {
                    (tongue.say("Mean rate", "平均速度"))
                } @else { (tongue.say("Rate now", "現在の速度")) }
            }
            p .value { (number(rate)) span .unit { (tongue.say(" /s", " 件/秒")) } }
            p .under-value {
                @if snapshot.is_over() { (tongue.say("without pauses", "一時停止を除く")) }
                @else {
                    (tongue.say("mean ", "平均 "))
                    (number(snapshot.rate.mean)) (tongue.say(" /s", " 件/秒"))
                }
            }
        }
        div .figure { (time_left(tongue, snapshot)) }
    }
}

fn time_left(tongue: Tongue, snapshot: &Snapshot) -> Markup {
    let handed = snapshot.count(Outcome::HandedOver);
    let held = snapshot.count(Outcome::Held) + handed;
    let last = snapshot.reach.of_targeted.iter().find(|mark| mark.share == "last");
    let took_ms = last.and_then(|mark| mark.after_ms);
    html! {
        @if snapshot.is_over() {
            h2 { (tongue.say("Took", "所要時間")) }
            p .value { @match took_ms { Some(ms) => (tongue.duration(ms)), None => "–" } }
            p .under-value { (tongue.say("until the last phone reached", "最後の端末への到達まで")) }
        } @else {
            h2 { (tongue.say("Time left", "残り時間")) }
            @match &snapshot.left {
                Some(left) => {
                    p .value { (tongue.duration(left.seconds * 1_000)) }
                    p .under-value {
                        (tongue.say("between ", "")) (tongue.duration(left.least * 1_000))
                        (tongue.say(" and ", " ～ "))
                        @match left.most {
                            Some(most) => (tongue.duration(most * 1_000)), None => "?"
                        }
                    }
                }
                None => {
                    p .value { "–" }
                    p .under-value {
                        @if handed > 0 && snapshot.pace.limited_by == "receipts" {
                            (tongue.say("all sent, ", "送信は完了、")) (number(handed))
                            (tongue.say(" receipts outstanding", " 件が結果待ち"))
                        } @else if held > 0 {
                            (number(held)) " " (tongue.say("wait for their phones", "件が端末待ち"))
                        }
                        @else { (tongue.say("not known now", "算出できません")) }
                    }
                }
            }
        }
    }
}

/// A share as a bar.
fn bar(part: u64, whole: u64) -> Markup {
    let width = (u128::from(part) * 1_000).checked_div(u128::from(whole)).unwrap_or_default();
    html! {
        svg .bar viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true" {
            rect .whole width="1000" height="10" {}
            rect .part width=(width) height="10" {}
        }
    }
}

/// What somebody has to know before anything else.
fn notes(tongue: Tongue, snapshot: &Snapshot) -> Markup {
    html! {
        @if !snapshot.adds_up {
            p .note .bad {
                (tongue.say(
                    "The counts are not those of all recipients: report this.",
                    "件数の合計が対象数と一致しません。報告してください。",
                ))
            }
        }
        @if let Some(why) = &snapshot.stopped_by {
            p .note .bad { (words::stopped_by(tongue, why)) }
        }
        @if snapshot.pace.limited_by == "stall" || snapshot.pace.limited_by == "storage" {
            p .note .bad {
                (tongue.say("Held back by ", "停滞の原因: ")) (
                    words::limit(tongue, &snapshot.pace.limited_by)
                )
            }
        }
        @if snapshot.doubts > 0 {
            p .note .warn {
                (number(snapshot.doubts)) " "
                (tongue.say(
                    "recipients were in doubt after a crash: they may have the text twice, or \
                     not at all.",
                    "件は障害時の到達が不明でした（重複または未達の可能性があります）。",
                ))
            }
        }
        @for warning in &snapshot.warnings {
            p .note .warn { (words::warning(tongue, warning)) }
        }
    }
}

fn marks(tongue: Tongue, snapshot: &Snapshot) -> Markup {
    let share = |share: &str| match share {
        "last" => tongue.say("last", "最後").to_owned(),
        other => format!("{other} %"),
    };
    let time = |at_ms: Option<u64>| at_ms.map_or_else(|| "–".to_owned(), |ms| tongue.duration(ms));
    let pairs = snapshot.reach.of_targeted.iter().zip(&snapshot.reach.of_reachable);
    html! {
        @if let Some(goal_ms) = snapshot.goal_ms {
            p .muted .small {
                (tongue.say("Foretold for 85 %: ", "85 % の見込み: ")) (tongue.duration(goal_ms))
            }
        }
        table .marks {
            caption { (tongue.say("Until this share was reached", "到達までの時間")) }
            thead { tr {
                th scope="col" { (tongue.say("Share", "割合")) }
                th scope="col" .n { (tongue.say("of targeted", "対象全体")) }
                th scope="col" .n { (tongue.say("of reachable", "到達可能")) }
                @if snapshot.reach.paused_ms > 0 {
                    th scope="col" .n { (tongue.say("without pauses", "停止を除く")) }
                }
            } }
            tbody {
                @for (of_targeted, of_reachable) in pairs {
                    tr {
                        th scope="row" { (share(&of_targeted.share)) }
                        td .n { (time(of_targeted.after_ms)) }
                        td .n { (time(of_reachable.after_ms)) }
                        @if snapshot.reach.paused_ms > 0 {
                            td .n { (time(of_targeted.running_ms)) }
                        }
                    }
                }
            }
        }
    }
}

fn counts(tongue: Tongue, snapshot: &Snapshot) -> Markup {
    let sum: u64 = snapshot.counts.values().sum();
    html! {
        table {
            caption { (tongue.say("Every recipient is in one line", "全対象の内訳")) }
            thead .hidden { tr {
                th scope="col" { (tongue.say("Outcome", "結果")) }
                th scope="col" { (tongue.say("Recipients", "件数")) }
                th scope="col" { "%" }
            } }
            tbody {
                @for outcome in OUTCOMES {
                    @let rows = snapshot.count(outcome);
                    @if rows > 0 || ALWAYS_SHOWN.contains(&outcome) {
                        tr {
                            th scope="row" { (words::outcome(tongue, outcome)) }
                            td .n { (number(rows)) }
                            td .n .muted { (percent(rows, snapshot.targeted)) " %" }
                        }
                    }
                }
            }
            tfoot { tr {
                th scope="row" { (tongue.say("All together", "合計")) }
                td .n { (number(sum)) }
                td .n {
                    @if snapshot.adds_up { span .good { (tongue.say("= targeted", "= 対象数")) } }
                    @else { span .bad { "≠ " (number(snapshot.targeted)) } }
                }
            } }
        }
    }
}

fn reasons(tongue: Tongue, reasons: &[ReasonFigures], caption: &str, nothing: &str) -> Markup {
    html! {
        @if reasons.is_empty() {
            p .muted .nothing { (nothing) }
        } @else {
            table {
                caption { (caption) }
                thead .hidden { tr {
                    th scope="col" { (tongue.say("Reason", "理由")) }
                    th scope="col" { (tongue.say("Code", "コード")) }
                    th scope="col" { (tongue.say("Recipients", "件数")) }
                } }
                tbody {
                    @for reason in reasons {
                        tr {
                            th scope="row" {
                                @match Outcome::parse(&reason.outcome) {
                                    // A code is of what ended: held ones wait, whatever it says.
                                    Some(Outcome::Held) => (words::held(tongue, reason)),
                                    Some(outcome) => {
                                        (words::outcome(tongue, outcome)) ": "
                                        (words::meaning(tongue, &reason.code, &reason.meaning))
                                    }
                                    None => (words::meaning(tongue, &reason.code, &reason.meaning)),
                                }
                            }
                            td .muted { (reason.code) }
                            td .n { (number(reason.rows)) }
                        }
                    }
                }
            }
        }
    }
}

fn not_yet(tongue: Tongue) -> Markup {
    html! { p .muted .nothing { (tongue.say("Not counted yet", "集計前")) } }
}

fn held(tongue: Tongue, snapshot: &Snapshot) -> Markup {
    let Some(breakdown) = &snapshot.breakdown else { return not_yet(tongue) };
    let caption = tongue.say("Held, by reason", "保留の理由");
    reasons(tongue, &breakdown.held, caption, tongue.say("Nobody is held", "保留はありません"))
}

fn failures(tongue: Tongue, snapshot: &Snapshot) -> Markup {
    let Some(breakdown) = &snapshot.breakdown else { return not_yet(tongue) };
    let caption = tongue.say("Not delivered, by code", "未達の理由");
    reasons(
        tongue,
        &breakdown.failures,
        caption,
        tongue.say("Nobody was missed", "未達はありません"),
    )
}

fn shares(tongue: Tongue, parts: &[PartFigures], caption: &str, name: &str) -> Markup {
    html! {
        table .shares {
            caption { (caption) }
            thead { tr {
                th scope="col" { (name) }
                th scope="col" .n { (tongue.say("Reached", "到達")) }
                th scope="col" .n .wide { (tongue.say("Open", "処理中")) }
                th scope="col" .n .wide { (tongue.say("Missed", "未達")) }
                th scope="col" .n { "%" }
            } }
            tbody {
                @for part in parts {
                    tr {
                        th scope="row" { (part.name) (bar(part.delivered, part.targeted)) }
                        td .n {
                            (number(part.delivered)) span .muted { " / " (number(part.targeted)) }
                        }
                        td .n .wide { (number(part.open)) }
                        td .n .wide { (number(part.lost)) }
                        td .n { (percent(part.delivered, part.targeted)) }
                    }
                }
            }
        }
    }
}

fn areas(tongue: Tongue, snapshot: &Snapshot, catalogue: &AreaCatalogue) -> Markup {
    let Some(breakdown) = &snapshot.breakdown else { return not_yet(tongue) };
    let shown = breakdown.areas.len();
    let caption = match tongue {
        Tongue::English => format!(
            "Areas, the worst first: {shown} of {}, as of {}",
            breakdown.areas_in_all,
            clock_time(breakdown.at_ms)
        ),
        Tongue::Japanese => format!(
            "地域別（到達率の低い順）: {} 地域中 {shown} 地域、{} 現在",
            breakdown.areas_in_all,
            clock_time(breakdown.at_ms)
        ),
    };
    let named = breakdown.areas.iter().map(|part| {
        let name = super::areas::named(catalogue, tongue, &part.name);
        PartFigures { name, ..part.clone() }
    });
    shares(tongue, &named.collect::<Vec<_>>(), &caption, tongue.say("Area", "地域"))
}

fn languages(tongue: Tongue, snapshot: &Snapshot) -> Markup {
    let Some(breakdown) = &snapshot.breakdown else { return not_yet(tongue) };
    shares(
        tongue,
        &breakdown.languages,
        tongue.say("By language", "言語別"),
        tongue.say("Language", "言語"),
    )
}

fn pace(tongue: Tongue, snapshot: &Snapshot) -> Markup {
    let pace = &snapshot.pace;
    html! {
        dl .facts {
            dt { (tongue.say("Held back by", "律速要因")) }
            dd { (words::limit(tongue, &pace.limited_by)) }
            dt { (tongue.say("Pace asked for", "設定速度")) }
            dd {
                @if pace.per_second > 0 {
                    (number(u64::from(pace.per_second))) (tongue.say(" /s", " 件/秒"))
                }
                @else { (tongue.say("as the network takes it", "ネットワークに合わせる")) }
            }
            dt { (tongue.say("Weight", "重み")) }
            dd { (pace.weight) }
            @if snapshot.rate.shards.len() > 1 {
                dt { (tongue.say("Rate by shard", "シャード別速度")) }
                dd {
                    @for (place, rate) in snapshot.rate.shards.iter().enumerate() {
                        @if place > 0 { " · " }
                        (number(*rate))
                    }
                }
            }
            @if let Some(breakdown) = &snapshot.breakdown {
                dt { (tongue.say("Short messages delivered", "到達したSMS通数")) }
                dd { (number(breakdown.segments)) }
            }
            @if snapshot.reach.paused_ms > 0 {
                dt { (tongue.say("Paused for", "停止時間")) }
                dd { (tongue.duration(snapshot.reach.paused_ms)) }
            }
        }
    }
}

fn acts(tongue: Tongue, snapshot: &Snapshot) -> Markup {
    html! {
        @if snapshot.acts.is_empty() {
            p .muted .nothing { (tongue.say("No act yet", "操作はまだありません")) }
        } @else {
            ol .acts {
                @for act in &snapshot.acts {
                    li {
                        span .muted {
                            "#" (act.number) " " (act.time.get(11..19).unwrap_or(&act.time))
                        }
                        " " strong { (act.actor) } " " (act.act)
                        @if let Some(reason) = &act.reason { ": " q { (reason) } }
                    }
                }
            }
        }
    }
}

/// All parts as one line of JSON: the identifiers of their places, and what stands there; and the
/// state, at whose change a page is loaded anew.
pub(super) fn live(tongue: Tongue, snapshot: &Snapshot, catalogue: &AreaCatalogue) -> String {
    #[derive(serde::Serialize)]
    struct Live<'a> {
        state: &'a str,
        parts: std::collections::BTreeMap<&'static str, String>,
    }
    let parts = all(tongue, snapshot, catalogue).into_iter();
    let parts = parts.map(|(place, part)| (place, part.into_string()));
    let live = Live { state: &snapshot.state, parts: parts.collect() };
    simd_json::to_string(&live).unwrap_or_default()
}
