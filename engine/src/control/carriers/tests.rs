use super::*;

fn good() -> CarrierSettings {
    CarrierSettings {
        name: "alpha".to_owned(),
        hosts: vec!["192.0.2.10:2775".to_owned()],
        system_id: "hayauma1".to_owned(),
        password: "secret".to_owned(),
        ..CarrierSettings::default()
    }
}

#[test]
fn settings_that_cannot_work_are_told_in_one_sentence() {
    assert_eq!(good().check(), Ok(()));
    type Change = fn(&mut CarrierSettings);
    let changes: [(&str, Change); 15] = [
        ("name", |settings| settings.name = "a b".to_owned()),
        ("hosts", |settings| settings.hosts.clear()),
        ("HOST:PORT", |settings| settings.hosts = vec!["alpha".to_owned()]),
        ("HOST:PORT", |settings| settings.hosts = vec!["alpha:0".to_owned()]),
        ("system_id", |settings| settings.system_id.clear()),
        ("password", |settings| settings.password = "nine chars".to_owned()),
        ("password", |settings| settings.password = "ünicode".to_owned()),
        ("sessions", |settings| settings.sessions = 9),
        ("window", |settings| settings.window = 0),
        ("rate", |settings| settings.rate = RATE_MAX + 1),
        ("country", |settings| settings.country = "081".to_owned()),
        ("data_coding", |settings| settings.binary = 3),
        ("data_coding", |settings| {
            settings.data_codings.insert("00".to_owned(), "1".to_owned());
        }),
        ("messaging mode", |settings| settings.esm_class = 4),
        ("type of number", |settings| settings.source_ton = 7),
    ];
    for (word, change) in changes {
        let mut settings = good();
        change(&mut settings);
        let sentence = settings.check().expect_err(word);
        assert!(sentence.contains(word), "{sentence}");
        assert!(settings.carrier(1, |_, _| Vec::new()).is_err());
    }
}

#[test]
fn a_window_that_outlasts_the_rate_is_warned_of() {
    assert_eq!(good().warning(), None);
    let slow = CarrierSettings { rate: 3, ..good() };
    assert!(slow.warning().is_some_and(|sentence| sentence.contains("sent twice")));
    assert_eq!(CarrierSettings { rate: 4, ..good() }.warning(), None);
}
