//! Whether settings fit: each by itself, and with the others.

use super::{
    Address, COMMIT_DELAY_US_MAX_LIMIT, CONNECTIONS_MAX_LIMIT, Config, ConfigError, CpuList,
    IDLE_POLL_US_LIMIT, KEPT_DAYS_LIMIT, NETWORK_ALERTS_MAX_LIMIT, NETWORK_LATENCY_MS_LIMIT,
    NETWORK_TIME_SCALE_LIMIT, PARTITIONS_MAX, PUSHES_MAX_LIMIT, SEGMENT_OCTETS_STEP, SHARDS_MAX,
    TIMEOUT_MS_LIMIT, WAITING_PER_MSN_MAX_LIMIT, log_filter,
};
use crate::journal::{BUDGET_SEGMENTS_MIN, SEGMENT_OCTETS_MAX, SEGMENT_OCTETS_MIN};
use crate::network::line_states::Line;
use std::path::PathBuf;
use wire::terms::pace::TIME_SCALE_MAX;

impl Config {
    /// Refuses what does not fit.
    pub(super) fn check(&self, cpus_allowed: &[usize]) -> Result<(), ConfigError> {
        self.check_shards(cpus_allowed)?;
        self.check_queue()?;
        self.check_ports()?;
        self.check_tls()?;
        self.check_network()?;
        within("waiting-per-msn-max", self.waiting_per_msn_max, 1, WAITING_PER_MSN_MAX_LIMIT)?;
        within("commit-delay-us-max", self.commit_delay_us_max, 0, COMMIT_DELAY_US_MAX_LIMIT)?;
        within("idle-poll-us", self.idle_poll_us, 0, IDLE_POLL_US_LIMIT)?;
        within("connections-max", self.connections_max, 1, CONNECTIONS_MAX_LIMIT)?;
        within("request-timeout-ms", self.request_timeout_ms, 10, TIMEOUT_MS_LIMIT)?;
        within("idle-timeout-ms", self.idle_timeout_ms, 10, TIMEOUT_MS_LIMIT)?;
        within("drain-timeout-ms", self.drain_timeout_ms, 0, TIMEOUT_MS_LIMIT)?;
        within("broadcasts-kept-days", self.broadcasts_kept_days, 1, KEPT_DAYS_LIMIT)?;
        within("rehearsal-time-scale", self.rehearsal_time_scale, 1, TIME_SCALE_MAX)?;
        log_filter::check(&self.log).map_err(ConfigError::Unfit)
    }

    fn check_shards(&self, cpus_allowed: &[usize]) -> Result<(), ConfigError> {
        within("shards", self.shards, 1, SHARDS_MAX)?;
        within("partitions", self.partitions, 1, PARTITIONS_MAX)?;
        if !self.partitions.is_multiple_of(self.shards) {
            let (partitions, shards) = (self.partitions, self.shards);
            let fit = partitions.div_ceil(shards) * shards;
            return unfit(format!(
                "partitions = {partitions} is no multiple of shards = {shards}, which share them \
                 evenly: use {fit}, or leave it out for {shards}"
            ));
        }
        if self.cpus.is_empty() {
            return unfit("cpus is empty: name at least one CPU, such as cpus = 0".to_owned());
        }
        match self.cpus.iter().find(|cpu| !cpus_allowed.contains(cpu)) {
            None => Ok(()),
            Some(cpu) => {
                let allowed = CpuList(cpus_allowed.to_vec());
                unfit(format!(
                    "cpus names CPU {cpu}, which this process may not use: choose from {allowed}"
                ))
            }
        }
    }

    pub(super) fn check_queue(&self) -> Result<(), ConfigError> {
        within("pushes-max", self.pushes_max, 1, PUSHES_MAX_LIMIT)?;
        within(
            "segment-bytes",
            self.segment_octets,
            SEGMENT_OCTETS_MIN.into(),
            SEGMENT_OCTETS_MAX.into(),
        )?;
        if !self.segment_octets.is_multiple_of(SEGMENT_OCTETS_STEP) {
            return unfit(format!(
                "segment-bytes = {} is not a multiple of {SEGMENT_OCTETS_STEP}: use a whole number \
                 of MiB, such as 64MiB",
                self.segment_octets
            ));
        }
        let needed = self.partitions as u64 * BUDGET_SEGMENTS_MIN * self.segment_octets;
        if self.queue_octets < needed {
            return unfit(format!(
                "queue-bytes = {} is too small for {} shards with segments of {}: use at \
                 least {needed}, or smaller segments",
                self.queue_octets, self.partitions, self.segment_octets
            ));
        }
        Ok(())
    }

    fn check_ports(&self) -> Result<(), ConfigError> {
        if self.listen.is_empty() {
            return unfit("listen names no address: name one, such as 127.0.0.1:8080".to_owned());
        }
        for (name, addresses) in [("listen", &self.listen), ("smpp", &self.smpp)] {
            for (place, address) in addresses.iter().enumerate() {
                if address.port() != 0 && addresses[..place].contains(address) {
                    return unfit(format!("{name} names {address} twice: leave one out"));
                }
            }
        }
        for (name, address, certificate, flag) in [
            ("admin", &self.admin, &self.admin_tls_cert, "--admin-tls-cert"),
            ("broadcast", &self.broadcast, &self.tls_cert, "--tls-cert"),
        ] {
            if let Some(address) = address
                && certificate.is_none()
                && !self.admin_open
                && !address.is_loopback()
            {
                return unfit(format!(
                    "{name} = {address} would show tokens to whoever sees the network: give it a \
                     certificate with {flag}, use a loopback address, or say --admin-open if that \
                     network is trusted"
                ));
            }
        }
        let others =
            [("admin", &self.admin), ("health", &self.health), ("broadcast", &self.broadcast)];
        let others = others.into_iter().filter_map(|(name, one)| Some((name, one.as_ref()?)));
        let others = self.smpp.iter().map(|address| ("smpp", address)).chain(others);
        let mut taken: Vec<(&str, &Address)> =
            self.listen.iter().map(|address| ("listen", address)).collect();
        for (name, address) in others {
            let same = taken.iter().find(|(_, other)| *other == address && address.port() != 0);
            if let Some((other, _)) = same {
                return unfit(format!(
                    "{other} and {name} are both {address}: give them different ports"
                ));
            }
            taken.push((name, address));
        }
        Ok(())
    }

    fn check_tls(&self) -> Result<(), ConfigError> {
        if self.notify_cert.is_some() != self.notify_key.is_some() {
            let sentence = "notify-cert and notify-key belong together: give both or none";
            return unfit(sentence.to_owned());
        }
        together("", [&self.tls_cert, &self.tls_key, &self.tls_client_ca])?;
        let of_smpp = [&self.smpp_tls_cert, &self.smpp_tls_key, &self.smpp_tls_client_ca];
        together("smpp-", of_smpp)?;
        if self.smpp.is_empty() && self.smpp_tls_cert.is_some() {
            let sentence = "smpp-tls-cert is given and there is no SMPP port: name one with \
                            --smpp, or leave the certificate out";
            return unfit(sentence.to_owned());
        }
        let of_admin = [&self.admin_tls_cert, &self.admin_tls_key, &self.admin_tls_client_ca];
        together("admin-", of_admin)?;
        if self.admin.is_none() && self.admin_tls_cert.is_some() {
            let sentence = "admin-tls-cert is given and there is no admin port: name one with \
                            --admin, or leave the certificate out";
            return unfit(sentence.to_owned());
        }
        Ok(())
    }

    fn check_network(&self) -> Result<(), ConfigError> {
        let network = &self.network;
        within("network-latency-ms", network.latency_ms, 0, NETWORK_LATENCY_MS_LIMIT)?;
        within("network-latency-jitter-ms", network.latency_jitter_ms, 0, network.latency_ms)?;
        within("network-alerts-max", network.alerts_max, 0, NETWORK_ALERTS_MAX_LIMIT)?;
        within("network-time-scale", network.time_scale, 1.0, NETWORK_TIME_SCALE_LIMIT)?;
        if network.time_scale.fract() != 0.0 {
            return unfit(format!(
                "network-time-scale = {} is no whole number: use one",
                network.time_scale
            ));
        }
        match Line::parse(&network.default_line_state) {
            Ok(_) => Ok(()),
            Err(error) => unfit(format!("network-default-line-state: {error}")),
        }
    }
}

/// Whether certificate, key and authorities of one port go together; its flags begin with `port`.
fn together(port: &str, files: [&Option<PathBuf>; 3]) -> Result<(), ConfigError> {
    match files.map(Option::is_some) {
        [true, true, _] | [false, false, false] => Ok(()),
        [true, false, _] => unfit(format!(
            "{port}tls-cert is given without {port}tls-key: give the certificate's key too"
        )),
        [false, true, _] => unfit(format!(
            "{port}tls-key is given without {port}tls-cert: give the key's certificate too"
        )),
        [false, false, true] => unfit(format!(
            "{port}tls-client-ca is given without {port}tls-cert and {port}tls-key: a plain port \
             asks for no certificate, so give both"
        )),
    }
}

fn within<N: PartialOrd + std::fmt::Display>(
    name: &str,
    value: N,
    least: N,
    most: N,
) -> Result<(), ConfigError> {
    if value < least || value > most {
        return unfit(format!("{name} = {value} is out of range: use {least} to {most}"));
    }
    Ok(())
}

fn unfit(sentence: String) -> Result<(), ConfigError> {
    Err(ConfigError::Unfit(sentence))
}
