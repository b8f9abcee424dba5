//! The form of a new draft: its fields with what somebody typed, and what is wrong beside the field
//! that it is of. What it says as a manifest is read in `draft`.

use maud::{Markup, html};
use serde::Deserialize;

use super::reader::Reader;
use super::tongue::number;
use super::words;
use crate::broadcast::variants::Cost;
use crate::control::admin::FORM_WORD;
use crate::control::broadcasts::{BroadcastRefusal, ListDocument};

pub(super) const PATH: &str = "/dashboard/new";
/// What a reqid is made of.
const NAME: &str = "[0-9A-Za-z._\\-]+";
const DIGITS: &str = "[0-9]+";
/// The classes, the harmless one first.
const CLASSES: [&str; 4] = ["09", "01", "02", "03"];
/// Where a manifest's places stand in the form, by how they begin.
const FIELDS: [(&str, &str); 9] = [
    ("/class", "class"),
    ("/xpid", "from"),
    ("/sender", "from"),
    ("/reqid", "reqid"),
    ("/lifetime", "minutes"),
    ("/pace/per_second", "per_second"),
    ("/legs/0/audience/list", "list"),
    ("/legs/0/audience/areas", "areas"),
    ("/legs/0/texts", "text_ja"),
];

/// What the form has.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DraftForm {
    pub(super) class: String,
    /// The XPID and its sender, a blank between them.
    pub(super) from: String,
    pub(super) reqid: String,
    pub(super) list: String,
    pub(super) areas: String,
    pub(super) text_ja: String,
    pub(super) text_en: String,
    pub(super) minutes: String,
    pub(super) per_second: String,
}

impl DraftForm {
    /// As it is opened.
    pub(super) fn empty() -> Self {
        Self {
            class: String::new(),
            from: String::new(),
            reqid: String::new(),
            list: String::new(),
            areas: String::new(),
            text_ja: String::new(),
            text_en: String::new(),
            minutes: "60".to_owned(),
            per_second: "0".to_owned(),
        }
    }
}

/// An XPID that may send broadcasts, and what it may call itself.
pub(super) struct Origin {
    pub(super) xpid: String,
    pub(super) client: String,
    pub(super) senders: Vec<String>,
}

/// What the fields choose from.
pub(super) struct Choices {
    pub(super) origins: Vec<Origin>,
    pub(super) lists: Vec<ListDocument>,
}

/// A sentence, and the field that it stands beside; none: it is of the whole form.
pub(super) struct Fault {
    field: Option<&'static str>,
    sentence: String,
}

impl Fault {
    pub(super) fn of(refusal: &BroadcastRefusal) -> Self {
        let place = refusal.place.as_deref().unwrap_or_default();
        let field = FIELDS.iter().find(|(begins, _)| place.starts_with(begins));
        // The field says where: a place in a manifest is nothing to whoever sees a form.
        let sentence = refusal.sentence.strip_prefix(&format!("{place}: "));
        let sentence = sentence.unwrap_or(&refusal.sentence).to_owned();
        Self { field: field.map(|(_, field)| *field), sentence }
    }
}

/// The form as it is filled in.
pub(super) struct Filling<'a> {
    pub(super) reader: &'a Reader,
    pub(super) form: &'a DraftForm,
    pub(super) fault: Option<&'a Fault>,
}

impl Filling<'_> {
    /// What is wrong with a field.
    fn fault_of(&self, name: &str) -> Option<&str> {
        let fault = self.fault.filter(|fault| fault.field == Some(name));
        fault.map(|fault| fault.sentence.as_str())
    }

    fn is_wrong(&self, name: &str) -> Option<&'static str> {
        self.fault_of(name).map(|_| "true")
    }

    /// What stands below a field and describes it.
    fn described_by(&self, name: &str, hint: &str) -> Option<String> {
        match self.fault_of(name) {
            Some(_) => Some(format!("{name}-fault")),
            None => (!hint.is_empty()).then(|| format!("{name}-hint")),
        }
    }

    /// A field with its label, and what is wrong with it; a hint where it is not empty.
    fn field(&self, name: &str, label: &str, hint: &str, input: &Markup) -> Markup {
        html! {
            div .field {
                label for=(name) { (label) }
                (input)
                @if let Some(sentence) = self.fault_of(name) {
                    p .bad .small id={ (name) "-fault" } { (label) ": " (sentence) }
                }
                @if !hint.is_empty() { p .muted .small id={ (name) "-hint" } { (hint) } }
            }
        }
    }

    /// A line of text that is needed, of at most so many characters.
    fn line(&self, name: &str, label: &str, characters_max: usize, of: (&str, &str)) -> Markup {
        let (pattern, value) = of;
        let mode = if pattern == DIGITS { "numeric" } else { "text" };
        let input = html! {
            input id=(name) name=(name) required maxlength=(characters_max) pattern=(pattern)
                inputmode=(mode) autocomplete="off" value=(value)
                aria-invalid=[self.is_wrong(name)]
                aria-describedby=[self.described_by(name, "")];
        };
        self.field(name, label, "", &input)
    }

    fn text(&self, name: &str, language: &str, label: &str, value: &str) -> Markup {
        let cost = (!value.trim().is_empty()).then(|| Cost::of(value).segments).flatten();
        let hint = cost.map(|count| format!("{count} {}", self.reader.say("SMS", "通")));
        let hint = hint.unwrap_or_default();
        let input = html! {
            textarea id=(name) name=(name) rows="4" maxlength="2000" lang=(language)
                aria-invalid=[self.is_wrong(name)]
                aria-describedby=[self.described_by(name, &hint)] { (value) }
        };
        self.field(name, label, &hint, &input)
    }

    fn class(&self) -> Markup {
        let reader = self.reader;
        let hint = reader.say(
            "An exercise says so on every page.",
            "訓練であることはすべての画面に表示されます。",
        );
        let input = html! {
            select #class name="class" aria-invalid=[self.is_wrong("class")]
                aria-describedby=[self.described_by("class", hint)] {
                @for class in CLASSES {
                    option value=(class) selected[class == self.form.class] {
                        (words::class(reader.tongue, class))
                    }
                }
            }
        };
        self.field("class", reader.say("Class", "区分"), hint, &input)
    }

    /// By which XPID, and under which name: only what goes together can be chosen.
    fn from(&self, origins: &[Origin]) -> Markup {
        let reader = self.reader;
        let hint = match origins {
            [] => reader.say(
                "No registration may send broadcasts: hayauma client set XPID --broadcasts class",
                "一斉配信を許可された登録がありません: hayauma client set XPID --broadcasts class",
            ),
            _ => "",
        };
        let input = html! {
            select #from name="from" required aria-invalid=[self.is_wrong("from")]
                aria-describedby=[self.described_by("from", hint)] {
                @for Origin { xpid, client, senders } in origins {
                    optgroup label={ (client) " (" (xpid) ")" } {
                        @for sender in senders {
                            @let value = format!("{xpid} {sender}");
                            option value=(value) selected[value == self.form.from] { (sender) }
                        }
                    }
                }
            }
        };
        self.field("from", reader.say("Sender", "発信者"), hint, &input)
    }

    fn audience(&self, lists: &[ListDocument]) -> Markup {
        let reader = self.reader;
        let list = html! {
            select #list name="list" required aria-invalid=[self.is_wrong("list")]
                aria-describedby=[self.described_by("list", "")] {
                @for list in lists {
                    @let rows = list.newest().map_or(0, |version| version.rows);
                    option value=(list.list) selected[list.list == self.form.list] {
                        (list.name) " · " (number(rows))
                    }
                }
            }
        };
        let hint = reader.say(
            "Codes, apart by blanks or commas; or the word everywhere.",
            "コードを空白かカンマで区切って入力。全地域は everywhere。",
        );
        let areas = html! {
            input #areas name="areas" required autocomplete="off" value=(self.form.areas)
                aria-invalid=[self.is_wrong("areas")]
                aria-describedby=[self.described_by("areas", hint)];
        };
        html! {
            (self.field("list", reader.say("List of recipients", "宛先リスト"), "", &list))
            (self.field("areas", reader.say("Areas", "地域"), hint, &areas))
        }
    }

    pub(super) fn markup(&self, choices: &Choices) -> Markup {
        let Self { reader, form, fault } = self;
        let pace = reader.say("Recipients a second; 0: no limit", "毎秒の件数（0: 制限なし）");
        let minutes = reader.say("Ends after, minutes", "終了まで（分）");
        let name = reader.say("Name (reqid)", "名称（reqid）");
        let japanese = reader.say("Text in Japanese", "日本語の文面");
        let english = reader.say("Text in English", "英語の文面");
        html! {
            @if let Some(fault) = fault {
                p .note .bad role="alert" {
                    (reader.say("The draft was not kept. ", "下書きは保存されていません。"))
                    @if fault.field.is_none() { (fault.sentence) }
                    @else { (reader.say("Look at the field that is marked.", "印のある項目を確認してください。")) }
                }
            }
            form method="post" action=(PATH) {
                @if let Some(word) = &reader.form_word {
                    input type="hidden" name=(FORM_WORD) value=(word);
                }
                (self.class())
                (self.from(&choices.origins))
                (self.audience(&choices.lists))
                (self.text("text_ja", "ja", japanese, &form.text_ja))
                (self.text("text_en", "en", english, &form.text_en))
                div .pair {
                    (self.line("reqid", name, 23, (NAME, &form.reqid)))
                    (self.line("minutes", minutes, 5, (DIGITS, &form.minutes)))
                    (self.line("per_second", pace, 9, (DIGITS, &form.per_second)))
                }
                div .actions {
                    button .primary type="submit" { (reader.say("Keep the draft", "下書きを保存")) }
                    a .button .plain href="/dashboard" { (reader.say("Back", "戻る")) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;

    fn fault(place: Option<&str>, sentence: &str) -> Fault {
        let place = place.map(str::to_owned);
        let sentence = sentence.to_owned();
        Fault::of(&BroadcastRefusal { status: StatusCode::BAD_REQUEST, code: 0, sentence, place })
    }

    #[test]
    fn a_fault_stands_beside_its_field_and_its_place_is_not_shown() {
        for (place, field) in FIELDS {
            let fault = fault(Some(place), &format!("{place}: give another"));
            assert_eq!((fault.field, fault.sentence.as_str()), (Some(field), "give another"));
        }
        let deep = fault(Some("/legs/0/audience/areas/2"), "it is no code");
        assert_eq!((deep.field, deep.sentence.as_str()), (Some("areas"), "it is no code"));
        let whole = fault(None, "the device is full");
        assert_eq!((whole.field, whole.sentence.as_str()), (None, "the device is full"));
    }
}
