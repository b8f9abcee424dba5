//! How a carrier is spoken to over TLS, as operators set it up and the registry keeps it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::io::tls::{Calling, CallingFiles};
use crate::network::smpp::carrier::CarrierTls;

/// What a carrier's TLS is set up with. Empty texts and paths say nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CarrierTlsSettings {
    /// Whether it is spoken at all.
    pub on: bool,
    /// File of authorities that are trusted beside those of this system, PEM.
    pub ca: PathBuf,
    /// The name that the carrier's certificate has to be made for, in place of its hosts'.
    pub name: String,
    /// File of a certificate to show to a carrier that asks for one, PEM.
    pub certificate: PathBuf,
    /// File of its private key, PEM.
    pub key: PathBuf,
}

impl CarrierTlsSettings {
    /// Whether the settings go together; no file is read.
    ///
    /// # Errors
    /// One sentence with a remedy.
    pub fn check(&self) -> Result<(), String> {
        if is_named(&self.certificate) != is_named(&self.key) {
            return Err("a certificate and its key go together: give both --tls-cert and \
                        --tls-key"
                .to_owned());
        }
        let says_nothing = Self { on: self.on, ..Self::default() } == *self;
        if !self.on && !says_nothing {
            return Err(
                "files or a name for TLS are given, and it is off: say --tls true, or take \
                        them away with an empty value"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// The files that it is spoken with.
    pub fn files(&self) -> CallingFiles {
        CallingFiles {
            authorities: is_named(&self.ca).then(|| self.ca.clone()),
            shown: is_named(&self.key).then(|| (self.certificate.clone(), self.key.clone())),
        }
    }

    /// What the hosts are spoken to with, `HOST:PORT` each; `None` without TLS.
    ///
    /// # Errors
    /// One sentence about the first file or name that cannot be used.
    pub fn resolve(&self, hosts: &[String]) -> Result<Option<CarrierTls>, String> {
        if !self.on {
            return Ok(None);
        }
        let calling =
            Calling::read_for_carrier(&self.files()).map_err(|error| error.to_string())?;
        self.check_names(hosts)?;
        Ok(Some(CarrierTls { names: self.names(hosts), spoken_with: Arc::new(calling) }))
    }

    /// Whether certificates can be made for these hosts; no file is read.
    ///
    /// # Errors
    /// One sentence about the first that none can be made for.
    pub fn check_names(&self, hosts: &[String]) -> Result<(), String> {
        if self.on {
            self.names(hosts).iter().try_for_each(|name| Calling::check_name(name))
        } else {
            Ok(())
        }
    }

    /// These hosts spoken to with what was set up before; no file is read.
    pub fn over(&self, hosts: &[String], before: &CarrierTls) -> CarrierTls {
        CarrierTls { names: self.names(hosts), spoken_with: Arc::clone(&before.spoken_with) }
    }

    /// What stands where the files cannot be used: nobody is called with it.
    pub fn not_set_up(&self, hosts: &[String]) -> CarrierTls {
        CarrierTls { names: self.names(hosts), spoken_with: Arc::new(NotSetUp) }
    }

    fn names(&self, hosts: &[String]) -> Vec<String> {
        hosts.iter().map(|host| self.name_of(host)).collect()
    }

    /// The name that the certificate of `HOST:PORT` has to be made for.
    fn name_of(&self, host: &str) -> String {
        if !self.name.is_empty() {
            return self.name.clone();
        }
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        name.trim_start_matches('[').trim_end_matches(']').to_owned()
    }
}

/// In the place of what TLS would be spoken with.
struct NotSetUp;

/// Whether a carrier can be called with it.
pub fn is_set_up(tls: &CarrierTls) -> bool {
    !(*tls.spoken_with).is::<NotSetUp>()
}

fn is_named(path: &Path) -> bool {
    !path.as_os_str().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_do_not_go_together_are_told_and_names_come_from_the_hosts() {
        let on = CarrierTlsSettings { on: true, ..CarrierTlsSettings::default() };
        assert_eq!(on.check(), Ok(()));
        let path = || PathBuf::from("/nowhere/file.pem");
        for (settings, part) in [
            (CarrierTlsSettings { certificate: path(), ..on.clone() }, "--tls-key"),
            (CarrierTlsSettings { key: path(), ..on.clone() }, "--tls-cert"),
            (CarrierTlsSettings { ca: path(), ..CarrierTlsSettings::default() }, "--tls true"),
        ] {
            assert!(settings.check().is_err_and(|sentence| sentence.contains(part)), "{part}");
        }
        let gone = CarrierTlsSettings { ca: path(), ..on.clone() };
        assert!(gone.resolve(&[]).is_err_and(|sentence| sentence.contains("/nowhere/file.pem")));
        let hosts = ["smsc.example:3550", "192.0.2.7:3550", "[2001:db8::1]:3550"];
        let hosts = hosts.map(str::to_owned);
        let names = on.resolve(&hosts).expect("good names").expect("TLS").names;
        assert_eq!(names, ["smsc.example", "192.0.2.7", "2001:db8::1"]);
        let named = CarrierTlsSettings { name: "other.example".to_owned(), ..on };
        let names = named.resolve(&hosts).expect("a good name").expect("TLS").names;
        assert_eq!(names, ["other.example"; 3]);
        let off = CarrierTlsSettings::default().resolve(&hosts);
        assert!(off.is_ok_and(|tls| tls.is_none()));
    }
}
