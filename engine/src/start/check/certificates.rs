//! Every certificate, key and authority that the engine is set up with: whether it can be read and
//! used, whether a key lies open to others, and until when it counts.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::Finding;
use crate::control::store::{STORE_FILE_NAME, Store};
use crate::io::tls::{Acceptance, Calling, CallingFiles, TlsFiles, dates_in};
use crate::start::config::Config;
use host::clock;
use host::fatal::FatalReason;
use wire::terms::calendar::jst_text;

const SUBJECT: &str = "certificates";
/// Who has less time than this left is warned of.
const SOON_MS: u64 = 30 * 24 * 3_600_000;
/// Whoever may read or write a file beside its owner.
const MODE_OF_OTHERS: u32 = 0o077;

/// What the files of one place were found to be.
struct Place {
    name: String,
    /// What is wrong with them as a whole, if anything.
    unfit: Option<String>,
    certificates: Vec<PathBuf>,
    keys: Vec<PathBuf>,
    /// Whether the engine ends where they cannot be used.
    keeps_from_starting: bool,
}

/// One finding for each thing that is amiss, or a good one.
pub(super) fn check_certificates(config: &Config) -> Vec<Finding> {
    let places = places(config);
    let now_ms = clock::unix_ms();
    let mut found: Vec<Finding> = places.iter().flat_map(|place| place.findings(now_ms)).collect();
    if found.is_empty() {
        found.push(Finding::good(SUBJECT, told(&places)));
    }
    found
}

/// What all is well with: each place, and when its first certificate ends.
fn told(places: &[Place]) -> String {
    let told: Vec<String> = places
        .iter()
        .filter_map(|place| {
            let first = place.dates().iter().map(|dates| dates.2).min()?;
            Some(format!("{} until {}", place.name, day(first)))
        })
        .collect();
    match told.is_empty() {
        true => "the engine is set up with none".to_owned(),
        false => told.join(", "),
    }
}

fn places(config: &Config) -> Vec<Place> {
    let ports = [
        ("the push port", config.tls_files()),
        ("the SMPP port", config.smpp_tls_files()),
        ("the admin port", config.admin_tls_files()),
    ];
    let mut places: Vec<Place> =
        ports.into_iter().filter_map(|(name, files)| Some(Place::of_port(name, files?))).collect();
    let calling = config.calling_files();
    if calling != CallingFiles::default() {
        places.push(Place::of_calling("notifications".to_owned(), &calling));
    }
    places.extend(carriers(config));
    places
}

/// The carriers that are spoken to over TLS.
fn carriers(config: &Config) -> Vec<Place> {
    if !config.data_dir.join(STORE_FILE_NAME).exists() {
        return Vec::new();
    }
    // What is wrong with the registry is told where registrations are looked at.
    let carriers = Store::open(&config.data_dir).and_then(|store| store.carriers());
    let carriers = carriers.unwrap_or_default().into_iter().map(|(_, settings)| settings);
    carriers
        .filter(|settings| settings.tls.on)
        .map(|settings| {
            let unfit = settings.tls.resolve(&settings.hosts).err();
            let name = format!("the carrier {}", settings.name);
            Place { keeps_from_starting: false, ..Place::of(name, unfit, &settings.tls.files()) }
        })
        .collect()
}

impl Place {
    fn of_port(name: &str, files: TlsFiles) -> Self {
        let unfit = Acceptance::read(&files, None).err().map(|error| error.to_string());
        let TlsFiles { certificate, key, client_ca } = files;
        let certificates = [Some(certificate), client_ca].into_iter().flatten().collect();
        let (name, keys) = (name.to_owned(), vec![key]);
        Self { name, unfit, certificates, keys, keeps_from_starting: true }
    }

    fn of_calling(name: String, files: &CallingFiles) -> Self {
        Self::of(name, Calling::read(files).err().map(|error| error.to_string()), files)
    }

    fn of(name: String, unfit: Option<String>, files: &CallingFiles) -> Self {
        let (certificate, key) = files.shown.clone().unzip();
        let certificates = [files.authorities.clone(), certificate].into_iter().flatten().collect();
        let keys = key.into_iter().collect();
        Self { name, unfit, certificates, keys, keeps_from_starting: true }
    }

    /// The file, the first and the last moment of each certificate.
    fn dates(&self) -> Vec<(&Path, u64, u64)> {
        let dates = self.certificates.iter().flat_map(|path| {
            let dates = dates_in("certificate", path).unwrap_or_default();
            dates.into_iter().map(|dates| (path.as_path(), dates.from_ms, dates.until_ms))
        });
        dates.collect()
    }

    fn findings(&self, now_ms: u64) -> Vec<Finding> {
        let name = &self.name;
        if let Some(sentence) = &self.unfit {
            let (message, remedy) = sentence.rsplit_once(": ").unwrap_or((sentence, "mend it"));
            let message = format!("of {name}: {message}");
            return vec![match self.keeps_from_starting {
                true => Finding::fatal(SUBJECT, FatalReason::Configuration, message, remedy),
                false => Finding::warning(SUBJECT, message, remedy),
            }];
        }
        let mut found = Vec::new();
        for key in self.keys.iter().filter(|key| lies_open(key)) {
            let message =
                format!("of {name}: the key {} may be read by other users", key.display());
            found.push(Finding::warning(
                SUBJECT,
                message,
                format!("close it with `chmod 600 {}`", key.display()),
            ));
        }
        for (path, from_ms, until_ms) in self.dates() {
            let what = match () {
                () if until_ms <= now_ms => format!("expired on {}", day(until_ms)),
                () if from_ms > now_ms => format!("counts only from {} on", day(from_ms)),
                () if until_ms <= now_ms + SOON_MS => format!("expires on {}", day(until_ms)),
                () => continue,
            };
            let message = format!("of {name}: one in {} {what}", path.display());
            let remedy = "put one that follows it into the file, and send the engine SIGHUP";
            found.push(Finding::warning(SUBJECT, message, remedy));
        }
        found
    }
}

/// Whether others than its owner may read or write the file.
fn lies_open(path: &Path) -> bool {
    let mode = std::fs::metadata(path).map(|file| file.permissions().mode());
    mode.is_ok_and(|mode| mode & MODE_OF_OTHERS != 0)
}

fn day(unix_ms: u64) -> String {
    jst_text(unix_ms).chars().take("YYYY-MM-DD".len()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::start::check::Severity;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    const DAY_MS: u64 = 24 * 3_600_000;

    /// A certificate until then and its key, in files of the directory.
    fn files(directory: &Path, name: &str, until: (i32, u8, u8)) -> TlsFiles {
        let mut params = CertificateParams::new(vec!["a.example".to_owned()]).expect("a name");
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until.0, until.1, until.2);
        let key = KeyPair::generate().expect("a key");
        let made = params.self_signed(&key).expect("a certificate");
        let write = |what: &str, text: String| {
            let path = directory.join(format!("{name}.{what}"));
            std::fs::write(&path, text).expect("a writable directory");
            let closed = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(&path, closed).expect("its own file");
            path
        };
        let certificate = write("pem", made.pem());
        TlsFiles { certificate, key: write("key", key.serialize_pem()), client_ca: None }
    }

    fn config(directory: &Path, files: &TlsFiles) -> Config {
        let mut config = Config::defaults(&directory.join("data"), &[0]);
        config.smpp_tls_cert = Some(files.certificate.clone());
        config.smpp_tls_key = Some(files.key.clone());
        config
    }

    #[test]
    fn what_cannot_be_used_is_fatal_and_what_ends_soon_or_lies_open_is_warned_of() {
        let place = tempfile::tempdir().expect("a directory");
        let good = files(place.path(), "good", (2090, 1, 1));
        let [finding] = &check_certificates(&config(place.path(), &good))[..] else {
            panic!("one finding")
        };
        assert_eq!(finding.severity, Severity::Good);
        assert_eq!(finding.message, "the SMPP port until 2090-01-01");

        let old = files(place.path(), "old", (2021, 1, 1));
        let other = TlsFiles { key: old.key.clone(), ..good.clone() };
        let gone = TlsFiles { key: place.path().join("gone.key"), ..good.clone() };
        for (files, severity, part) in [
            (&old, Severity::Warning, "expired on 2021-01-01"),
            (&other, Severity::Fatal, "cannot be used"),
            (&gone, Severity::Fatal, "cannot be read"),
        ] {
            let findings = check_certificates(&config(place.path(), files));
            assert_eq!((findings.len(), findings[0].severity), (1, severity), "{findings:?}");
            assert!(findings[0].message.contains(part), "{findings:?}");
            assert!(findings[0].message.contains("the SMPP port"), "{findings:?}");
        }
        let open = std::fs::Permissions::from_mode(0o640);
        std::fs::set_permissions(&good.key, open).expect("its own file");
        let findings = check_certificates(&config(place.path(), &good));
        assert!(findings[0].message.contains("may be read by other users"), "{findings:?}");
        assert!(findings[0].remedy.as_ref().is_some_and(|remedy| remedy.contains("chmod 600")));
    }

    #[test]
    fn a_month_before_its_end_a_certificate_is_warned_of() {
        let kept = tempfile::tempdir().expect("a directory");
        let place = Place::of_port("the push port", files(kept.path(), "a", (2040, 6, 1)));
        let until_ms = place.dates()[0].2;
        assert!(place.findings(until_ms - 31 * DAY_MS).is_empty());
        let soon = place.findings(until_ms - 30 * DAY_MS);
        assert!(soon[0].message.contains("expires on 2040-06-01"), "{soon:?}");
        assert!(place.findings(until_ms)[0].message.contains("expired"));
        let early = place.findings(0);
        assert!(early[0].message.contains("counts only from 2020-01-01"), "{early:?}");
    }
}
