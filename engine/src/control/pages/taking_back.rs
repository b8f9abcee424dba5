//! What takes a broadcast back, on its page: the button, what was prepared, and the way from one to
//! the other.
//!
//! Never here: what taking back does (`control::broadcasts`). Invariant: whoever operates can take
//! back what phones have, also when it is over.

use maud::{Markup, html};

use super::frame::ask;
use super::reader::Reader;
use crate::control::broadcasts::{
    BroadcastDocument, Named, ProgressDocument, RetractingDocument, Stage, TakingBack,
};
use crate::control::roles::Role;

/// To cancel and retract, for whoever may do that: what was prepared needs no author. An alert to a
/// city is over before anybody sees the mistake, so it is offered afterwards too.
pub(super) fn button(reader: &Reader, progress: &ProgressDocument) -> Markup {
    let document = &progress.document;
    let is_prepared = document.manifest.retraction.is_some();
    let may = is_prepared || reader.may(Role::Author);
    let has_begun = document.started.is_some() && progress.state != "holding";
    let known = document.retracting.as_ref();
    let was_taken_back = known.is_some_and(was_begun);
    // What was given up may be ordered again: why it was stands beside.
    let trouble = known.and_then(|known| known.trouble.as_deref());
    let is_open = has_begun && !document.rows_are_gone && !was_taken_back;
    let is_over = document.stage == Stage::Ended;
    let name = match is_over {
        true => reader.say("Take it back…", "訂正を送る…"),
        false => reader.say("Cancel and retract…", "中止して訂正を送る…"),
    };
    html! {
        @if may && is_open {
            (ask(&document.broadcast, "retract", "plain", name))
            @if let Some(why) = trouble {
                p .bad .small { (reader.say("Not taken back yet: ", "訂正はまだ送られていません: ")) (why) }
            }
        }
    }
}

/// Whether what takes it back was started. What was given up has an identifier all the same.
fn was_begun(known: &RetractingDocument) -> bool {
    known.is_done && known.trouble.is_none() && known.broadcast.is_some()
}

/// What it takes back, and what takes it back.
pub(super) fn links(reader: &Reader, taking: &TakingBack) -> Markup {
    let link = |named: &Named| {
        html! { a href={ "/dashboard/" (named.broadcast) } { (named.reqid) } }
    };
    html! {
        @if let Some(other) = &taking.takes_back {
            p .muted { (reader.say("Takes back ", "訂正の対象 ")) (link(other)) }
        }
        @for other in &taking.taken_back_by {
            p .muted { (reader.say("Taken back by ", "訂正 ")) (link(other)) }
        }
    }
}

/// What takes it back: whoever agrees to the broadcast agrees to that.
pub(super) fn prepared(reader: &Reader, document: &BroadcastDocument) -> Markup {
    let Some(retraction) = &document.manifest.retraction else { return html! {} };
    let texts = document.check.iter().flat_map(|check| &check.retraction);
    html! {
        h3 { (reader.say("If it is taken back", "取り消すときの訂正文")) }
        p .muted .small {
            (reader.say(
                "Agreed to together with the text above. It goes at once to whoever has that, \
                 when somebody cancels and retracts; nobody is asked again.",
                "上の文面とともに承認されます。中止と訂正の操作で、受信者へ直ちに送られます。再承認はありません。",
            ))
            " " (retraction.reqid)
        }
        // Where they may not be seen, the texts above say so.
        @for text in texts.filter(|_| reader.sees_texts()) {
            figure .text {
                blockquote lang=(text.language) { (text.text) }
                figcaption .muted .small {
                    (text.language) " · " (text.segments) " " (reader.say("SMS", "通"))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_up_may_be_ordered_again_and_what_was_begun_may_not() {
        let begun = RetractingDocument {
            by: "operator".to_owned(),
            at_ms: wire::terms::time::WallMs::new(1),
            broadcast: Some("bc-1".to_owned()),
            is_done: true,
            trouble: None,
        };
        assert!(was_begun(&begun));
        let waits = RetractingDocument { is_done: false, ..begun.clone() };
        let nobody = RetractingDocument { broadcast: None, ..begun.clone() };
        let given_up = RetractingDocument { trouble: Some("its reqid is taken".into()), ..begun };
        assert!(![waits, nobody, given_up].iter().any(was_begun));
    }
}
