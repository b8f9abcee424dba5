//! The two languages of the pages, and how numbers and times are written in them.

use axum::http::{HeaderMap, Uri, header};

use crate::control::admin::cookie_named;
use wire::terms::calendar;
use wire::terms::time::WallMs;

/// Where a browser keeps the language that was chosen.
pub(super) const COOKIE: &str = "hayauma-lang";

/// A language.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Tongue {
    /// English.
    English,
    /// Japanese.
    Japanese,
}

impl Tongue {
    /// Both.
    pub const ALL: [Self; 2] = [Self::English, Self::Japanese];

    /// Its tag (BCP 47).
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Japanese => "ja",
        }
    }

    fn of_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tongue| tongue.tag() == tag)
    }

    /// What a request names in its query.
    pub(super) fn chosen(uri: &Uri) -> Option<Self> {
        let mut pairs = uri.query().unwrap_or_default().split('&');
        pairs.find_map(|pair| Self::of_tag(pair.strip_prefix("lang=")?))
    }

    /// What a request is to be answered in: what it names, what was chosen before, what its browser
    /// is set to.
    pub(super) fn of(uri: &Uri, headers: &HeaderMap) -> Self {
        let before = || cookie_named(headers, COOKIE).and_then(Self::of_tag);
        let set = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let is_japanese = set.is_some_and(|tags| tags.trim_start().starts_with("ja"));
        let otherwise = if is_japanese { Self::Japanese } else { Self::English };
        Self::chosen(uri).or_else(before).unwrap_or(otherwise)
    }

    /// One of two texts.
    pub(super) fn say<'a>(self, english: &'a str, japanese: &'a str) -> &'a str {
        match self {
            Self::English => english,
            Self::Japanese => japanese,
        }
    }

    /// What so many people are called.
    pub(super) fn recipients(self, count: u64) -> &'static str {
        self.say(if count == 1 { "recipient" } else { "recipients" }, "件")
    }

    /// A time that something takes.
    pub(super) fn duration(self, ms: u64) -> String {
        let (seconds, minutes, hours) = (ms / 1_000, ms / 60_000, ms / 3_600_000);
        let [h, m, s] = match self {
            Self::English => [" h", " min", " s"],
            Self::Japanese => [" 時間", " 分", " 秒"],
        };
        match (hours, minutes) {
            (0, 0) if ms < 10_000 => format!("{}.{}{s}", seconds, ms % 1_000 / 100),
            (0, 0) => format!("{seconds}{s}"),
            (0, _) => format!("{minutes}{m} {:02}{s}", seconds % 60),
            _ => format!("{hours}{h} {:02}{m}", minutes % 60),
        }
    }
}

/// A number in groups of three digits.
pub(super) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share in percent with two decimals, never rounded up.
pub(super) fn percent(part: u64, whole: u64) -> String {
    let share = (u128::from(part) * 10_000).checked_div(u128::from(whole)).unwrap_or_default();
    format!("{}.{:02}", share / 100, share % 100)
}

/// A moment in Japan, `2026-11-29 18:27:54`.
pub(super) fn moment(at_ms: WallMs) -> String {
    let text = calendar::jst_text(at_ms.ms());
    text.get(..19).unwrap_or(&text).to_owned()
}

/// The time of its day.
pub(super) fn clock_time(at_ms: WallMs) -> String {
    let text = moment(at_ms);
    text.split_once(' ').map_or_else(|| text.clone(), |(_, time)| time.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn numbers_shares_and_times_are_written_for_people() {
        assert_eq!([0, 999, 1_000, 10_000_000].map(number), ["0", "999", "1,000", "10,000,000"]);
        assert_eq!(percent(2, 3), "66.66");
        assert_eq!([percent(999_999, 1_000_000), percent(0, 0)], ["99.99", "0.00"]);
        let texts = [400, 12_345, 62_000, 3_780_000].map(|ms| Tongue::English.duration(ms));
        assert_eq!(texts, ["0.4 s", "12 s", "1 min 02 s", "1 h 03 min"]);
        assert_eq!(Tongue::Japanese.duration(62_000), "1 分 02 秒");
        let recipients = [0, 1, 2].map(|count| Tongue::English.recipients(count));
        assert_eq!(recipients, ["recipients", "recipient", "recipients"]);
        assert_eq!(clock_time(WallMs::ZERO), "09:00:00");
    }

    #[test]
    fn a_language_is_what_is_chosen_then_what_was_then_what_the_browser_says() {
        let mut headers = HeaderMap::new();
        let of = |target: &'static str, headers: &HeaderMap| {
            Tongue::of(&Uri::from_static(target), headers)
        };
        assert_eq!(of("/dashboard", &headers), Tongue::English);
        headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static("ja-JP,en;q=0.5"));
        assert_eq!(of("/dashboard", &headers), Tongue::Japanese);
        headers.insert(header::COOKIE, HeaderValue::from_static("hayauma-lang=en"));
        assert_eq!(of("/dashboard", &headers), Tongue::English);
        assert_eq!(of("/dashboard?lang=ja", &headers), Tongue::Japanese);
    }
}
