//! All that a carrier is set up with, each setting under the name of the option that sets it. The
//! password is nowhere: whoever shows a carrier does not have it.

use std::collections::BTreeMap;
use std::path::Path;

use clap::ValueEnum;

use crate::control::carriers::CarrierSettings;

/// What stands for nothing.
const NOTHING: &str = "-";

/// The word of a choice, as its option takes it.
fn word(choice: &impl ValueEnum) -> String {
    choice.to_possible_value().map_or_else(String::new, |word| word.get_name().to_owned())
}

fn or_nothing(text: &str) -> String {
    if text.is_empty() { NOTHING.to_owned() } else { text.to_owned() }
}

fn pairs(pairs: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(left, right)| format!("{left}={right}")).collect();
    or_nothing(&pairs.join(" "))
}

fn file(path: &Path) -> String {
    or_nothing(&path.to_string_lossy())
}

fn seconds(seconds: u32) -> String {
    if seconds == 0 { "never".to_owned() } else { format!("{seconds} s") }
}

/// The settings, in the order in which `carrier add` explains them.
pub(super) fn set_rows(settings: &CarrierSettings) -> Vec<(&'static str, String)> {
    let tls = &settings.tls;
    let rate = match settings.rate {
        0 => "no limit".to_owned(),
        rate => rate.to_string(),
    };
    vec![
        ("host", settings.hosts.join(", ")),
        ("system-id", or_nothing(&settings.system_id)),
        ("system-type", or_nothing(&settings.system_type)),
        ("sessions", settings.sessions.to_string()),
        ("bind", word(&settings.bind)),
        ("window", settings.window.to_string()),
        ("rate", rate),
        ("response-ids", word(&settings.response_ids)),
        ("receipt-ids", word(&settings.receipt_ids)),
        ("country", settings.country.clone()),
        ("destination", word(&settings.destination)),
        ("validity", word(&settings.validity)),
        ("receipts", settings.receipts.to_string()),
        ("priority", settings.priority.to_string()),
        ("alphabet", word(&settings.alphabet)),
        ("long", word(&settings.long)),
        ("binary", settings.binary.to_string()),
        ("data-coding", pairs(&settings.data_codings)),
        ("source-ton", settings.source_ton.to_string()),
        ("source-npi", settings.source_npi.to_string()),
        ("esm-class", settings.esm_class.to_string()),
        ("service-type", or_nothing(&settings.service_type)),
        ("enquire-link", seconds(settings.enquire_link_s)),
        ("response", format!("{} s", settings.response_s)),
        ("status", pairs(&settings.statuses)),
        ("error", pairs(&settings.errors)),
        ("tlvs", settings.tlvs.to_string()),
        ("cancel", settings.cancel.to_string()),
        ("query", settings.query.to_string()),
        ("in-doubt", word(&settings.in_doubt)),
        ("tls", tls.on.to_string()),
        ("tls-ca", file(&tls.ca)),
        ("tls-name", or_nothing(&tls.name)),
        ("tls-cert", file(&tls.certificate)),
        ("tls-key", file(&tls.key)),
        ("paused", settings.paused.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::carrier::ChangeCommand;
    use clap::Args as _;

    #[test]
    fn every_option_of_a_carrier_is_shown_under_its_own_name() {
        let rows = set_rows(&CarrierSettings::default());
        let shown: Vec<&str> = rows.iter().map(|(name, _)| *name).collect();
        let command = ChangeCommand::augment_args(clap::Command::new("add"));
        let options: Vec<&str> = command.get_arguments().filter_map(|one| one.get_long()).collect();
        assert!(options.len() > 30, "{options:?}");
        // The password, and where the engine is.
        let kept_back = ["password-file", "password-env", "data-dir", "config"];
        for option in options {
            let is_place = option.starts_with("admin") || kept_back.contains(&option);
            assert!(is_place || shown.contains(&option), "--{option} is not shown");
        }
    }

    #[test]
    fn what_is_set_is_shown_in_the_words_that_set_it() {
        let mut settings = CarrierSettings { enquire_link_s: 0, ..CarrierSettings::default() };
        settings.response_ids = crate::control::carriers::IdsSetting::Hex;
        settings.password = "secret".to_owned();
        settings.statuses.insert("0x58".to_owned(), "retry".to_owned());
        let rows = set_rows(&settings);
        let of = |name: &str| {
            let row = rows.iter().find(|(known, _)| *known == name);
            row.map_or("", |(_, value)| value.as_str())
        };
        assert_eq!((of("response-ids"), of("receipt-ids")), ("hex", "text"));
        assert_eq!((of("status"), of("enquire-link")), ("0x58=retry", "never"));
        assert_eq!((of("rate"), of("tls-ca")), ("no limit", "-"));
        assert!(rows.iter().all(|(_, value)| !value.contains("secret")));
    }
}
