//! Whether this host can run the engine: kernel, driver, limits, CPUs, ports, certificates, data
//! directory, sync latency.
//!
//! Each check gives a [`Finding`]: one sentence with, where something is amiss, the remedy. `serve`
//! runs the quick ones and refuses to start on a fatal one; `doctor` runs all and prints each.
//! Nothing here stays open or behind.

mod certificates;
mod descriptors;
mod disk;

use crate::control::broadcasts::{UNREADABLE_REMEDY, unreadable};
use crate::control::store::{STORE_FILE_NAME, Store};
use crate::gateway::registration::Registration;
use crate::io::driver::{DriverKind, DriverRefusal};
use crate::start::config::Config;
use crate::start::driver;
use crate::start::driver::Choice;
use crate::start::origin::{self, Birthplace};
use host::address::{Address, ListenError, listen_on};
use host::fatal::{Fatal, FatalReason};
use std::io::ErrorKind;

pub use descriptors::{BROADCAST_DOOR_SHARES, DescriptorShares};
pub use disk::SyncLatency;

/// Locked memory that the shards' rings may need, in octets, on kernels that count it.
const MEMLOCK_OCTETS_MIN: u64 = 512 << 10;
/// Free room under which nothing is started, in octets.
const FREE_OCTETS_MIN: u64 = 32 << 20;
/// Sync latency above which group commit is felt by push clients, in microseconds.
const SYNC_LATENCY_US_FAIR: u64 = 2_000;
/// Read-ahead above which answers wait for whoever reads on the device, in KiB.
const READ_AHEAD_KIB_FAIR: u64 = 512;

/// How grave a finding is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// As it should be.
    Good,
    /// The engine runs, but slower or with less than it could have.
    Warning,
    /// The engine cannot run.
    Fatal,
}

/// What one check found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// What was looked at, one or two words.
    pub subject: &'static str,
    /// How grave it is.
    pub severity: Severity,
    /// What was found, a clause without a full stop.
    pub message: String,
    /// What to do, unless all is good.
    pub remedy: Option<String>,
    /// The reason to end with, when it is fatal.
    reason: FatalReason,
}

impl Finding {
    fn good(subject: &'static str, message: impl Into<String>) -> Self {
        Self {
            subject,
            severity: Severity::Good,
            message: message.into(),
            remedy: None,
            reason: FatalReason::HostUnfit,
        }
    }

    fn warning(
        subject: &'static str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Warning,
            remedy: Some(remedy.into()),
            ..Self::good(subject, message)
        }
    }

    fn fatal(
        subject: &'static str,
        reason: FatalReason,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Fatal,
            remedy: Some(remedy.into()),
            reason,
            ..Self::good(subject, message)
        }
    }
}

/// The checks that `serve` runs before it starts anything, beside the driver's choice; takes
/// milliseconds. Also raises the process's limit of open files.
pub fn check_for_start(config: &Config) -> Vec<Finding> {
    vec![
        check_open_files(config),
        disk::check_directory(config),
        disk::check_file_system(config),
        disk::check_room(config),
    ]
}

/// Whether the directory is a copy: nothing would be sent from it.
fn check_origin(config: &Config) -> Option<Finding> {
    let Ok(Birthplace::Elsewhere(why)) = origin::look(&config.data_dir) else { return None };
    let remedy = "start it with --take-over once the original is stopped for good";
    Some(Finding::warning("data directory", format!("{why}: `serve` only looks on at it"), remedy))
}

/// All checks, for `doctor`; syncs some pages to the device, which takes up to some seconds.
pub fn examine(config: &Config) -> Vec<Finding> {
    // Raises the limit, within which a driver is tried as a start tries it.
    let open_files = check_open_files(config);
    let choice = driver::choose(config.io);
    let has_rings = choice.as_ref().is_ok_and(|choice| choice.kind == DriverKind::Uring);
    let mut findings = vec![
        check_kernel(),
        check_driver(choice),
        check_memlock(limit_of(libc::RLIMIT_MEMLOCK).map(|(soft, _)| soft), has_rings),
        open_files,
        check_cpus(config),
        check_port("push port", &config.listen, "--listen"),
        check_port("SMPP port", &config.smpp, "--smpp"),
        check_port("admin port", config.admin.as_slice(), "--admin"),
        check_port("port of probes", config.health.as_slice(), "--health"),
        check_port("port of broadcasts", config.broadcast.as_slice(), "--broadcast"),
        check_environment(config),
        check_registrations(config),
        check_broadcasts(config),
    ];
    findings.extend(certificates::check_certificates(config));
    findings.extend(check_origin(config));
    findings.extend([
        disk::check_directory(config),
        disk::check_file_system(config),
        disk::check_room(config),
        disk::check_read_ahead(config),
        disk::check_sync_latency(config),
    ]);
    findings
}

/// The first fatal finding as the reason to end, if there is one.
pub fn first_fatal(findings: &[Finding]) -> Option<Fatal> {
    let finding = findings.iter().find(|finding| finding.severity == Severity::Fatal)?;
    let remedy = finding.remedy.clone().unwrap_or_else(|| finding.reason.repair().to_owned());
    Some(Fatal::with_remedy(finding.reason, finding.message.clone(), remedy))
}

fn check_broadcasts(config: &Config) -> Finding {
    let subject = "broadcasts";
    match unreadable(&config.data_dir) {
        Ok(found) if found.is_empty() => Finding::good(subject, "all of them can be read"),
        Ok(found) => Finding::warning(
            subject,
            format!("{} cannot be read: {}", found.len(), found.join("; ")),
            UNREADABLE_REMEDY,
        ),
        Err(error) => Finding::warning(
            subject,
            format!("they cannot be looked at ({error})"),
            "correct the permissions of lists and broadcasts in the data directory",
        ),
    }
}

fn check_kernel() -> Finding {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    Finding::good("kernel", format!("Linux {}", release.trim()))
}

/// Which driver would carry octets.
fn check_driver(choice: Result<Choice, DriverRefusal>) -> Finding {
    const SUBJECT: &str = "driver";
    match choice {
        Ok(choice) => {
            let message = choice.to_string();
            match choice.instead {
                Some(refusal) => Finding::warning(
                    SUBJECT,
                    message,
                    format!("for the faster driver {}", refusal.remedy),
                ),
                None => Finding::good(SUBJECT, message),
            }
        }
        Err(refusal) => {
            Finding::fatal(SUBJECT, FatalReason::HostUnfit, refusal.message, refusal.remedy)
        }
    }
}

/// Only rings lock memory; where they cannot be had for want of it the driver's finding says so.
fn check_memlock(soft: Option<u64>, has_rings: bool) -> Finding {
    const SUBJECT: &str = "locked memory";
    match soft {
        Some(soft) if soft < MEMLOCK_OCTETS_MIN && has_rings => Finding::warning(
            SUBJECT,
            format!("the limit is {} KiB, which is too low for more than a few rings", soft >> 10),
            "raise it with `ulimit -l 8192` or LimitMEMLOCK=8M",
        ),
        Some(libc::RLIM_INFINITY) => Finding::good(SUBJECT, "no limit"),
        Some(soft) => Finding::good(SUBJECT, format!("limit {} KiB", soft >> 10)),
        None => Finding::good(SUBJECT, "limit unknown"),
    }
}

/// Raises the soft limit to the hard one, then compares it with what the connections may take.
fn check_open_files(config: &Config) -> Finding {
    const SUBJECT: &str = "open files";
    let needed = descriptors::wanted(config);
    match raise_open_files() {
        Some(limit) if limit < needed => Finding::warning(
            SUBJECT,
            format!(
                "the limit is {limit}, files and all connections together may need {needed}: each \
                 shard takes at most {} push connections",
                DescriptorShares::of(config).push_per_shard
            ),
            format!(
                "raise it with `ulimit -Hn {needed}` or LimitNOFILE={needed}, or lower \
                 --connections-max"
            ),
        ),
        Some(limit) => Finding::good(SUBJECT, format!("limit {limit}, needed at most {needed}")),
        None => Finding::good(SUBJECT, "limit unknown"),
    }
}

fn check_cpus(config: &Config) -> Finding {
    const SUBJECT: &str = "CPUs";
    let cpus = host::cpu_list::CpuList(config.cpus.clone());
    let message = format!("{} shards on CPUs {cpus}", config.shards);
    if config.shards > config.cpus.len() {
        return Finding::warning(
            SUBJECT,
            format!("{message}: several shards share a CPU"),
            format!("use --shards {}", config.cpus.len()),
        );
    }
    Finding::good(SUBJECT, message)
}

fn check_port(subject: &'static str, addresses: &[Address], flag: &str) -> Finding {
    match listen_on(addresses) {
        Ok(_) => {
            let shown: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            let message = match shown.len() {
                0 => format!("none is asked for by {flag}"),
                1 => format!("{} is free", shown[0]),
                _ => format!("{} are free", shown.join(", ")),
            };
            Finding::good(subject, message)
        }
        Err(error) if error.source.kind() == ErrorKind::AddrInUse => Finding::warning(
            subject,
            format!("{} is in use, by a running engine or by another program", error.address),
            format!("if it is another program, choose another address with {flag}"),
        ),
        Err(error) => {
            let fatal = port_fatal(subject, flag, &error);
            let remedy = fatal.remedy.unwrap_or_default();
            Finding::fatal(subject, FatalReason::PortUnavailable, fatal.cause, remedy)
        }
    }
}

/// Why a port of this kind cannot be had, and what to do, as `serve` and `doctor` say it.
pub(super) fn port_fatal(subject: &str, flag: &str, error: &ListenError) -> Fatal {
    let address = &error.address;
    let (cause, remedy) = match error.source.kind() {
        ErrorKind::AddrInUse => (
            format!("the {subject} {address} is in use by another program"),
            format!("stop that program or choose another with {flag}"),
        ),
        ErrorKind::PermissionDenied => (
            format!("the {subject} {address} is one that this user may not bind"),
            format!(
                "choose one from 1024 on with {flag}, or give the program the right \
                 (AmbientCapabilities=CAP_NET_BIND_SERVICE in its unit, or `setcap \
                 cap_net_bind_service=+ep` on its file)"
            ),
        ),
        ErrorKind::AddrNotAvailable => (
            format!("the {subject} {address} is no address of this host"),
            format!("name one that `ip address` shows, or :PORT for all of them, with {flag}"),
        ),
        _ => (
            format!("the {subject} {address} cannot be bound ({})", error.source),
            format!("choose an address of this host with {flag}"),
        ),
    };
    Fatal::with_remedy(FatalReason::PortUnavailable, cause, remedy)
}

/// Registrations that whoever reaches the push port may use.
fn check_registrations(config: &Config) -> Finding {
    const SUBJECT: &str = "registrations";
    if !config.data_dir.join(STORE_FILE_NAME).exists() {
        return Finding::good(SUBJECT, "there are none yet");
    }
    let registrations = match Store::open(&config.data_dir).and_then(|store| store.registrations())
    {
        Ok(registrations) => registrations,
        Err(error) => {
            return Finding::warning(SUBJECT, "they cannot be read", error.to_string());
        }
    };
    if let Some(sentence) = unheard_certificates(config, &registrations) {
        return Finding::warning(SUBJECT, sentence, UNHEARD_CERTIFICATES_REMEDY);
    }
    let open: Vec<_> = registrations.iter().filter(|one| one.is_open()).collect();
    match open.first() {
        None => {
            let each = format!("{} ask for a token, certificate or network", registrations.len());
            Finding::good(SUBJECT, each)
        }
        Some(first) => Finding::warning(
            SUBJECT,
            format!(
                "{} of {} may be used by whoever reaches the push port, the first is {}",
                open.len(),
                registrations.len(),
                first.xpid
            ),
            "give each a token or networks with `hayauma client set`",
        ),
    }
}

/// What to do about registrations that ask for what no client can show.
pub(super) const UNHEARD_CERTIFICATES_REMEDY: &str = "give that port its certificate and key: \
     --tls-cert and --tls-key, or --smpp-tls-cert and --smpp-tls-key";

/// Registrations that ask for a certificate while the push port speaks no TLS: all their pushes are
/// refused.
pub(super) fn unheard_certificates(
    config: &Config,
    registrations: &[Registration],
) -> Option<String> {
    let mut asking = registrations.iter().filter(|one| !one.certificates.is_empty());
    if config.tls_cert.is_none() {
        let first = asking.next()?;
        return Some(format!(
            "the XPID {} and {} more ask for a certificate, and the push port speaks no TLS: \
             their pushes are refused with 2001",
            first.xpid,
            asking.count()
        ));
    }
    if config.smpp.is_empty() || config.smpp_tls_cert.is_some() {
        return None;
    }
    let mut binding = asking.filter(|one| one.smpp.is_some());
    let first = binding.next()?;
    Some(format!(
        "the XPID {} and {} more ask for a certificate, and the SMPP port speaks no TLS: their \
         binds are refused",
        first.xpid,
        binding.count()
    ))
}

/// Variables that look like settings and are none.
fn check_environment(config: &Config) -> Finding {
    const SUBJECT: &str = "environment";
    match config.variables_passed_over() {
        None => Finding::good(SUBJECT, "nothing in it looks like a setting and is none"),
        Some(passed_over) => {
            Finding::warning(SUBJECT, passed_over, "correct or unset what was meant for the engine")
        }
    }
}

/// The soft limit of open files after raising it as far as it goes.
fn raise_open_files() -> Option<u64> {
    let (soft, hard) = limit_of(libc::RLIMIT_NOFILE)?;
    if soft >= hard {
        return Some(soft);
    }
    let raised = libc::rlimit { rlim_cur: hard, rlim_max: hard };
    // SAFETY: `raised` is a valid rlimit that lives over the call, which only reads it.
    let status = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) };
    Some(if status == 0 { hard } else { soft })
}

/// Soft and hard limit of a resource.
fn limit_of(resource: libc::__rlimit_resource_t) -> Option<(u64, u64)> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid rlimit that lives over the call, which only writes it.
    let status = unsafe { libc::getrlimit(resource, &raw mut limit) };
    (status == 0).then_some((limit.rlim_cur, limit.rlim_max))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::start::config::Io;
    use std::path::Path;
    use std::slice::from_ref;

    fn config(directory: &Path) -> Config {
        let mut config = Config::defaults(directory, &[0]);
        config.listen = vec![config.listen[0].with_port(0)];
        config
    }

    #[test]
    fn every_finding_that_is_not_good_names_a_remedy() {
        let directory = tempfile::tempdir().expect("a directory");
        let findings = examine(&config(directory.path()));
        assert_eq!(findings.len(), 19);
        for finding in &findings {
            assert_eq!(finding.remedy.is_none(), finding.severity == Severity::Good, "{finding:?}");
            assert!(!finding.message.is_empty() && !finding.message.ends_with('.'), "{finding:?}");
        }
        assert_eq!(
            std::fs::read_dir(directory.path()).expect("readable").count(),
            0,
            "nothing stays behind"
        );
    }

    #[test]
    fn the_driver_that_was_asked_for_is_named_and_nothing_is_amiss_with_it() {
        let finding = check_driver(driver::choose(Io::Poll));
        assert_eq!(finding.severity, Severity::Good);
        assert!(
            finding.message.contains("poll") && finding.message.contains("--io"),
            "{}",
            finding.message
        );
    }

    #[test]
    fn a_port_that_this_user_may_not_bind_is_told_with_the_right_that_lacks() {
        let source = ErrorKind::PermissionDenied.into();
        let error = ListenError { address: "127.0.0.1:80".to_owned(), source };
        let sentence = port_fatal("push port", "--listen", &error).to_string();
        for part in ["127.0.0.1:80", "may not bind", "1024", "cap_net_bind_service", "--listen"] {
            assert!(sentence.contains(part), "{part}: {sentence}");
        }
    }

    #[test]
    fn little_locked_memory_matters_to_rings_only() {
        let little = Some(MEMLOCK_OCTETS_MIN - 1);
        assert_eq!(check_memlock(little, true).severity, Severity::Warning);
        assert_eq!(check_memlock(little, false).severity, Severity::Good);
        assert_eq!(check_memlock(Some(MEMLOCK_OCTETS_MIN), true).severity, Severity::Good);
    }

    #[test]
    fn a_port_in_use_is_told_from_an_address_that_is_not_here() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address: Address = taken.local_addr().expect("its address").into();
        let finding = check_port("push port", from_ref(&address), "--listen");
        assert_eq!(finding.severity, Severity::Warning);
        let elsewhere: Address = "192.0.2.1:1".parse().expect("an address");
        let finding = check_port("push port", &[address.with_port(0), elsewhere], "--listen");
        assert_eq!(finding.severity, Severity::Fatal);
        assert!(finding.message.contains("192.0.2.1:1"), "{}", finding.message);
        assert_eq!(first_fatal(&[finding]).expect("fatal").reason, FatalReason::PortUnavailable);
    }
}
