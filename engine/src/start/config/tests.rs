use super::*;

const CPUS: [usize; 2] = [0, 1];

fn variables(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    pairs.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect()
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), text).expect("written");
    file
}

fn resolve_file(text: &str) -> Result<Config, ConfigError> {
    Config::resolve(Settings::default(), Some(file(text).path()), [], &CPUS)
}

fn refusal(result: Result<Config, ConfigError>) -> String {
    result.expect_err("must be refused").to_string()
}

#[test]
fn without_any_setting_the_defaults_hold() {
    let config = Config::resolve(Settings::default(), None, [], &CPUS).expect("the defaults");
    assert_eq!(config.listen[0].to_string(), "127.0.0.1:8080");
    assert_eq!((config.admin, config.health), (None, None));
    let config = Config::resolve(Settings::default(), None, [], &CPUS).expect("the defaults");
    assert_eq!(config.data_dir, PathBuf::from("./hayauma-data"));
    assert_eq!((config.shards, config.cpus.as_slice()), (2, &CPUS[..]));
    assert_eq!(config.durability, Durability::Power);
    assert_eq!(config.queue_octets, 8 * 1024 * 1024 * 1024);
    assert_eq!(config, Config::defaults(Path::new("./hayauma-data"), &CPUS));
}

#[test]
fn flags_win_over_environment_over_file_over_defaults() {
    let file = file("shards = 3\nconnections_max = 30\npushes_max = 300\n");
    let environment =
        variables(&[("HAYAUMA_SHARDS", "4"), ("HAYAUMA_CONNECTIONS_MAX", "40"), ("PATH", "/bin")]);
    let flags = Settings { shards: Some(5), ..Settings::default() };
    let config = Config::resolve(flags, Some(file.path()), environment, &CPUS).expect("valid");
    assert_eq!(config.shards, 5);
    assert_eq!(config.connections_max, 40);
    assert_eq!(config.pushes_max, 300);
    assert_eq!(config.waiting_per_msn_max, WAITING_PER_MSN_MAX_DEFAULT);
}

#[test]
fn every_kind_of_value_is_read_from_the_file() {
    let config = resolve_file(
        "listen = '127.0.0.1:9000'\ndurability = 'process'\ndemo = true\nqueue_bytes = '1GiB'\n\
         segment_bytes = 1048576\ncpus = [1, 0, 1]\nlog = 'warn'\ninject = ['sync-failure=3']\n\
         network_time_scale = 60.0\nnetwork_latency_ms = 4\nnetwork_alerts_max = 0\n\
         [network_outcomes]\nabsent = 0.25\nmemory-full = 0.5\n",
    )
    .expect("valid");
    assert_eq!(config.listen[0].port(), 9000);
    assert_eq!(config.durability, Durability::Process);
    assert!(config.demo);
    assert_eq!((config.queue_octets, config.segment_octets), (1 << 30, 1 << 20));
    assert_eq!(config.cpus, CPUS);
    assert_eq!(config.inject, [Injection { kind: InjectionKind::SyncFailure, at: 3 }]);
    assert_eq!(config.network.outcome_rates.memory_full, 500_000);
    assert_eq!(config.network.alerts_max, 0);
    assert_eq!((config.network.latency_ms, config.network.latency_jitter_ms), (4, 4));
}

#[test]
fn every_kind_of_value_is_read_from_the_environment() {
    let environment = variables(&[
        ("HAYAUMA_DEMO", "true"),
        ("HAYAUMA_QUEUE_BYTES", "256MiB"),
        ("HAYAUMA_SEGMENT_BYTES", "1MiB"),
        ("HAYAUMA_CPUS", "1"),
        ("HAYAUMA_DURABILITY", "process"),
        ("HAYAUMA_NETWORK_OUTCOMES", "busy=0.1, failing=0.2"),
        ("HAYAUMA_LOAD_THREADS", "belongs to the load generator"),
    ]);
    let config = Config::resolve(Settings::default(), None, environment, &CPUS).expect("valid");
    assert!(config.demo);
    assert_eq!(config.queue_octets, 256 << 20);
    assert_eq!((config.shards, config.cpus.as_slice()), (1, &[1][..]));
    assert_eq!(config.durability, Durability::Process);
    assert_eq!(config.network.outcome_rates.system_failure, 200_000);
}

#[test]
fn the_environment_may_name_the_file_and_a_flag_overrides_it() {
    let (named, given) = (file("shards = 7"), file("shards = 8"));
    let environment = vec![(OsString::from("HAYAUMA_CONFIG"), named.path().into())];
    let config =
        Config::resolve(Settings::default(), None, environment.clone(), &CPUS).expect("valid");
    assert_eq!(config.shards, 7);
    let config = Config::resolve(Settings::default(), Some(given.path()), environment, &CPUS)
        .expect("valid");
    assert_eq!(config.shards, 8);
}

#[test]
fn an_unknown_key_is_refused_with_its_line() {
    let sentence = refusal(resolve_file("shards = 2\nshard = 3\n"));
    assert!(sentence.contains("line 2") && sentence.contains("shard"), "{sentence}");
    let sentence = refusal(resolve_file("shards = = 2\n"));
    assert!(sentence.contains("line 1"), "{sentence}");
}

#[test]
fn a_file_that_nests_deep_or_never_ends_is_refused_and_ends_no_process() {
    for deep in [
        "a = ".to_owned() + &"[".repeat(100_000),
        "{ b = ".repeat(100_000),
        "[a".to_owned() + &".a".repeat(200_000),
    ] {
        refusal(resolve_file(&deep));
        refusal(resolve_file(&format!("inject = {deep}")));
    }
    let endless = Path::new("/dev/zero");
    let sentence = refusal(Config::resolve(Settings::default(), Some(endless), [], &CPUS));
    assert!(sentence.contains("longer than 1048576 octets"), "{sentence}");
}

#[test]
fn what_kubernetes_tells_of_a_service_ends_nothing_and_a_near_miss_is_named() {
    let told = variables(&[
        ("HAYAUMA_PORT", "tcp://10.0.0.1:8080"),
        ("HAYAUMA_SERVICE_HOST", "10.0.0.1"),
        ("HAYAUMA_PORT_8080_TCP_PROTO", "tcp"),
        ("HAYAUMA_SHARD", "3"),
        ("HAYAUMA_CONECTIONS_MAX", "3"),
    ]);
    let config = Config::resolve(Settings::default(), None, told, &CPUS).expect("passed over");
    assert_eq!((config.shards, config.connections_max), (2, CONNECTIONS_MAX_DEFAULT));
    let sentence = config.variables_passed_over().expect("there are some");
    for part in [
        "HAYAUMA_PORT,",
        "HAYAUMA_PORT_8080_TCP_PROTO,",
        "HAYAUMA_SERVICE_HOST,",
        "HAYAUMA_SHARD (is HAYAUMA_SHARDS meant?)",
        "HAYAUMA_CONECTIONS_MAX (is HAYAUMA_CONNECTIONS_MAX meant?)",
    ] {
        assert!(sentence.contains(part), "{part}: {sentence}");
    }
    assert!(!sentence.contains('\n') && !sentence.contains("10.0.0.1"), "{sentence}");
    let many = (0..99).map(|at| (OsString::from(format!("HAYAUMA_X{at}")), OsString::new()));
    let config = Config::resolve(Settings::default(), None, many, &CPUS).expect("passed over");
    assert!(config.variables_passed_over().expect("some").contains(" and 83 more"));
    let known = variables(&[("HAYAUMA_SHARDS", "1"), ("HAYAUMA_TEST_IO", "x"), ("PATH", "/bin")]);
    let config = Config::resolve(Settings::default(), None, known, &CPUS).expect("valid");
    assert_eq!(config.variables_passed_over(), None);
}

#[test]
fn several_addresses_are_read_from_file_environment_and_flags() {
    let shown =
        |config: Config| -> Vec<String> { config.listen.iter().map(ToString::to_string).collect() };
    let config = resolve_file("listen = ':9000'\nadmin = 'localhost:9001'").expect("valid");
    assert_eq!(config.admin.as_ref().map(ToString::to_string).as_deref(), Some("localhost:9001"));
    assert_eq!(shown(config), [":9000"]);
    let config = resolve_file("listen = ['[::1]:9000', 'sms.example:80']").expect("valid");
    assert_eq!(shown(config), ["[::1]:9000", "sms.example:80"]);
    let environment = variables(&[("HAYAUMA_LISTEN", "127.0.0.1:1,127.0.0.1:2")]);
    let config = Config::resolve(Settings::default(), None, environment, &CPUS).expect("valid");
    assert_eq!(shown(config), ["127.0.0.1:1", "127.0.0.1:2"]);
}

#[test]
fn a_wrong_variable_is_refused_by_name() {
    let wrong = variables(&[("HAYAUMA_SHARDS", "many")]);
    let sentence = refusal(Config::resolve(Settings::default(), None, wrong, &CPUS));
    assert!(sentence.contains("HAYAUMA_SHARDS") && sentence.contains("many"), "{sentence}");
    assert!(!sentence.contains('\n'), "{sentence}");
}

#[test]
fn a_missing_file_is_refused_by_name() {
    let sentence = refusal(Config::resolve(
        Settings::default(),
        Some(Path::new("/nonexistent/x.toml")),
        [],
        &CPUS,
    ));
    assert!(sentence.contains("/nonexistent/x.toml"), "{sentence}");
}

#[test]
fn values_out_of_range_or_at_odds_are_refused() {
    for (text, hint) in [
        ("shards = 0", "shards"),
        ("shards = 65", "shards"),
        ("cpus = [9]", "CPU 9"),
        ("cpus = []", "cpus is empty"),
        ("segment_bytes = 1000", "segment-bytes"),
        ("segment_bytes = 1048577", "multiple"),
        ("queue_bytes = '64MiB'\nsegment_bytes = '64MiB'", "queue-bytes"),
        ("queue_bytes = '100KiB'", "queue-bytes"),
        ("queue_bytes = 'lots'", "size"),
        ("admin = '0.0.0.0:8081'", "--admin-open"),
        ("admin = '0.0.0.0:8081'", "--admin-tls-cert"),
        ("admin_tls_cert = 'a'\nadmin = '127.0.0.1:1'", "admin-tls-key"),
        ("admin_tls_key = 'a'\nadmin = '127.0.0.1:1'", "admin-tls-cert"),
        ("admin_tls_client_ca = 'a'\nadmin = '127.0.0.1:1'", "admin-tls-cert"),
        ("admin_tls_cert = 'a'\nadmin_tls_key = 'b'", "no admin port"),
        ("tls_cert = 'a'", "tls-key"),
        ("smpp_tls_cert = 'a'\nsmpp = ':2775'", "smpp-tls-key"),
        ("smpp_tls_key = 'a'\nsmpp = ':2775'", "smpp-tls-cert"),
        ("smpp_tls_client_ca = 'a'\nsmpp = ':2775'", "smpp-tls-cert"),
        ("smpp_tls_cert = 'a'\nsmpp_tls_key = 'b'", "no SMPP port"),
        ("admin = '127.0.0.1:8080'", "different ports"),
        ("health = '127.0.0.1:8080'", "different ports"),
        ("admin = '127.0.0.1:1'\nhealth = '127.0.0.1:1'", "different ports"),
        ("network_time_scale = 0.5", "network-time-scale"),
        ("network_time_scale = 1.5", "whole number"),
        ("rehearsal_time_scale = 0", "rehearsal-time-scale"),
        ("rehearsal_time_scale = 86401", "rehearsal-time-scale"),
        ("network_default_line_state = 'elsewhere'", "elsewhere"),
        ("network_latency_ms = 1\nnetwork_latency_jitter_ms = 2", "network-latency-jitter-ms"),
        ("network_alerts_max = 16777217", "network-alerts-max"),
        ("network_outcomes = { absent = 0.7, busy = 0.7 }", "over 1"),
        ("network_outcomes = { absent = 2.0 }", "absent"),
        ("network_outcomes = { report-late = 0.7, report-lost = 0.7 }", "over 1"),
        ("network_outcomes = { missing = 0.1 }", "missing"),
        ("inject = ['sync-failure=0']", "count"),
        ("inject = ['nonsense=1']", "nonsense"),
        ("log = 'a=b=c'", "log"),
        ("log = 'inof'", "inof"),
        ("listen = []", "listen"),
        ("listen = ['127.0.0.1:1', '127.0.0.1:1']", "twice"),
        ("listen = '127.0.0.1'", "HOST:PORT"),
        ("admin = ':8081'", "--admin-open"),
        ("admin = 'sms.example:8081'", "--admin-open"),
        ("pushes_max = 0", "pushes-max"),
        ("request_timeout_ms = 1", "request-timeout-ms"),
    ] {
        let sentence = refusal(resolve_file(text));
        assert!(sentence.contains(hint), "{text}: {sentence}");
        assert!(!sentence.contains('\n'), "{text}: {sentence}");
    }
    assert!(resolve_file("admin = '0.0.0.0:8081'\nadmin_open = true").is_ok());
    let over_tls = "admin = ':8081'\nadmin_tls_cert = 'a'\nadmin_tls_key = 'b'";
    assert!(resolve_file(over_tls).is_ok());
    assert!(resolve_file("listen = '127.0.0.1:0'\nadmin = '127.0.0.1:0'").is_ok());
}

#[test]
fn segments_are_as_small_as_the_room_wants_them() {
    for (queue, shards, segment) in [
        ("8GiB", 2, 64 << 20),
        ("8GiB", 64, 8 << 20),
        ("64MiB", 1, 4 << 20),
        ("100MiB", 3, 2 << 20),
        ("1MiB", 1, 64 << 10),
    ] {
        let config =
            resolve_file(&format!("queue_bytes = '{queue}'\nshards = {shards}")).expect("valid");
        assert_eq!(config.segment_octets, segment, "{queue} for {shards}");
    }
}

#[test]
fn cpu_lists_read_ranges_and_print_them() {
    let list: CpuList = "8, 0-3,2".parse().expect("a list");
    assert_eq!(list.0, [0, 1, 2, 3, 8]);
    assert_eq!(list.to_string(), "0-3,8");
    for wrong in ["", "a", "3-1", "1-", "0-99999"] {
        assert!(wrong.parse::<CpuList>().is_err(), "{wrong}");
    }
}

#[test]
fn sizes_read_their_units() {
    for (text, octets) in
        [("7", 7), ("64MiB", 64 << 20), ("8 GiB", 8 << 30), ("2KB", 2_000), ("5B", 5)]
    {
        assert_eq!(text.parse(), Ok(Octets(octets)));
    }
    assert!("99999999999999GiB".parse::<Octets>().is_err());
    assert!("-1".parse::<Octets>().is_err());
}

#[test]
fn the_example_file_shows_the_defaults() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/hayauma.toml");
    let shown =
        Config::resolve(Settings::default(), Some(&path), [], &CPUS).expect("the example is valid");
    let defaults = Config::resolve(Settings::default(), None, [], &CPUS).expect("the defaults");
    assert_eq!(shown, defaults);
}
