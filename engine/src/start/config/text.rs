//! A configuration as the file that would give it: what `hayauma config` prints. Every setting
//! stands in it, one that says nothing behind a `#`.

use super::{Config, Settings};
use std::path::PathBuf;
use toml::{Table, Value};

/// Width that comments are wrapped at.
const COMMENT_COLUMNS: usize = 92;

impl Config {
    /// The file's text; under `explained` with what each setting is for above it.
    ///
    /// Reading it gives this configuration again, but for the faults to rehearse, which no file
    /// should hold.
    pub fn to_toml(&self, explained: bool) -> String {
        let mut text = String::new();
        for (key, value) in self.rows() {
            if explained && let Some(help) = Settings::help_of(&key.replace('_', "-")) {
                text += "\n";
                wrap(&help, &mut text);
            }
            match value {
                Some(value) => text += &format!("{key} = {value}\n"),
                None => text += &format!("# {key} is not set\n"),
            }
        }
        text.trim_start().to_owned()
    }

    /// Every setting with its value, in the order of `--help`.
    fn rows(&self) -> Vec<(&'static str, Option<Value>)> {
        let mut rows = self.own_rows();
        rows.extend(self.network_rows());
        rows.push(("rehearsal_time_scale", number(self.rehearsal_time_scale)));
        rows.push(("log", word(&self.log)));
        rows
    }

    /// Where they are as many as the shards, they follow them.
    fn own_partitions(&self) -> Option<Value> {
        number(self.partitions as u64).filter(|_| self.partitions != self.shards)
    }

    fn own_rows(&self) -> Vec<(&'static str, Option<Value>)> {
        let listen = self.listen.iter().map(|address| Value::from(address.to_string())).collect();
        let smpp = self.smpp.iter().map(|address| Value::from(address.to_string())).collect();
        let allowed = self.notify_allow.iter().map(|net| Value::from(net.to_string())).collect();
        let path = |path: Option<&PathBuf>| path.and_then(|path| word(path.display()));
        vec![
            ("listen", Some(Value::Array(listen))),
            ("tls_cert", path(self.tls_cert.as_ref())),
            ("tls_key", path(self.tls_key.as_ref())),
            ("tls_client_ca", path(self.tls_client_ca.as_ref())),
            ("smpp", Some(Value::Array(smpp))),
            ("smpp_tls_cert", path(self.smpp_tls_cert.as_ref())),
            ("smpp_tls_key", path(self.smpp_tls_key.as_ref())),
            ("smpp_tls_client_ca", path(self.smpp_tls_client_ca.as_ref())),
            ("notify_allow", Some(Value::Array(allowed))),
            ("notify_ca", path(self.notify_ca.as_ref())),
            ("notify_cert", path(self.notify_cert.as_ref())),
            ("notify_key", path(self.notify_key.as_ref())),
            ("admin", self.admin.as_ref().and_then(word)),
            ("admin_tls_cert", path(self.admin_tls_cert.as_ref())),
            ("admin_tls_key", path(self.admin_tls_key.as_ref())),
            ("admin_tls_client_ca", path(self.admin_tls_client_ca.as_ref())),
            ("admin_name", Some(Value::from(self.admin_names.clone()))),
            ("admin_open", Some(Value::Boolean(self.admin_open))),
            ("health", self.health.as_ref().and_then(word)),
            ("broadcast", self.broadcast.as_ref().and_then(word)),
            ("data_dir", word(self.data_dir.display())),
            ("shards", number(self.shards as u64)),
            ("partitions", self.own_partitions()),
            ("cpus", word(host::cpu_list::CpuList(self.cpus.clone()))),
            ("durability", word(self.durability)),
            ("io", word(self.io)),
            ("demo", Some(Value::Boolean(self.demo))),
            ("queue_bytes", number(self.queue_octets)),
            ("segment_bytes", number(self.segment_octets)),
            ("pushes_max", number(self.pushes_max)),
            ("waiting_per_msn_max", number(self.waiting_per_msn_max.into())),
            ("commit_delay_us_max", number(self.commit_delay_us_max.into())),
            ("idle_poll_us", number(self.idle_poll_us.into())),
            ("connections_max", number(self.connections_max.into())),
            ("request_timeout_ms", number(self.request_timeout_ms)),
            ("idle_timeout_ms", number(self.idle_timeout_ms)),
            ("drain_timeout_ms", number(self.drain_timeout_ms)),
            ("broadcasts_kept_days", number(self.broadcasts_kept_days.into())),
        ]
    }

    fn network_rows(&self) -> Vec<(&'static str, Option<Value>)> {
        let network = &self.network;
        let named = network.outcome_rates.named().into_iter().filter(|(_, rate)| *rate > 0.0);
        let rates: Table = named.map(|(name, rate)| (name.to_owned(), rate.into())).collect();
        let states = network.line_states.as_ref().map(|path| path.display());
        vec![
            ("network_line_states", states.and_then(word)),
            ("network_default_line_state", word(&network.default_line_state)),
            ("network_latency_ms", number(network.latency_ms.into())),
            ("network_latency_jitter_ms", number(network.latency_jitter_ms.into())),
            ("network_outcomes", Some(Value::Table(rates))),
            ("network_alerts_max", number(network.alerts_max.into())),
            ("network_seed", number(network.seed)),
            ("network_time_scale", Some(Value::Float(network.time_scale))),
        ]
    }
}

fn word(value: impl ToString) -> Option<Value> {
    Some(Value::String(value.to_string()))
}

/// TOML's numbers are signed; one beyond their range stands as text, which sizes may.
fn number(value: u64) -> Option<Value> {
    Some(i64::try_from(value).map_or_else(|_| Value::String(value.to_string()), Value::Integer))
}

/// Adds the text as comment lines.
fn wrap(text: &str, into: &mut String) {
    let mut column = 0;
    for word in text.split_whitespace() {
        if column == 0 || column + 1 + word.len() > COMMENT_COLUMNS {
            *into += if column == 0 { "# " } else { "\n# " };
            column = 2;
        } else {
            *into += " ";
            column += 1;
        }
        *into += word;
        column += word.len();
    }
    *into += "\n";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const CPUS: [usize; 2] = [0, 1];

    fn read_again(text: &str) -> Config {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), text).expect("written");
        let read = Config::resolve(Settings::default(), Some(file.path()), [], &CPUS);
        read.unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    #[test]
    fn what_is_printed_is_read_as_the_same_configuration() {
        let mut config = Config::defaults(Path::new("./hayauma-data"), &CPUS);
        for explained in [false, true] {
            assert_eq!(read_again(&config.to_toml(explained)), config);
        }
        config.listen = vec![":80".parse().expect("an address"), "[::1]:81".parse().expect("one")];
        config.network.outcome_rates = "absent=0.25,report-lost=0.5".parse().expect("rates");
        config.network.line_states = Some("a \"b\".csv".into());
        config.network.time_scale = 60.0;
        config.durability = crate::shard::Durability::Process;
        assert_eq!(read_again(&config.to_toml(true)), config);
    }

    #[test]
    fn every_setting_but_the_faults_is_printed_with_what_it_is_for() {
        let config = Config::defaults(Path::new("./hayauma-data"), &CPUS);
        let printed: Vec<String> =
            config.rows().iter().map(|(key, _)| key.replace('_', "-")).collect();
        let known: Vec<String> =
            Settings::names().into_iter().filter(|name| name != "inject").collect();
        assert_eq!(printed, known);
        assert!(known.iter().all(|name| Settings::help_of(name).is_some()));
        let text = config.to_toml(true);
        assert!(text.contains("\nlisten = [\"127.0.0.1:8080\"]\n"), "{text}");
        assert!(text.lines().all(|line| line.len() <= COMMENT_COLUMNS + 8), "{text}");
    }
}
