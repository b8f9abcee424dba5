//! An engine with a port for customers, and one customer registered.

use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use tests::esme::{Esme, command};
use tests::ports::free_address;
use tests::push::XPID;
use tests::site::Site;

/// The customer's system_id.
pub(crate) const ID: &str = "client1";
/// Its password.
pub(crate) const PASSWORD: &str = "secret08";

/// The place.
pub(crate) struct Office {
    site: Site,
    pub(crate) smpp: SocketAddr,
}

impl Office {
    /// One shard; the customer binds from this host, and has contracts for 09010000000 to
    /// 09010000999.
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// As [`Office::new`], with these further arguments of `client add`.
    pub(crate) fn with(more: &[&str]) -> Self {
        let mut site = Site::new(tests::programs!());
        let smpp = free_address();
        site.set("--smpp", &smpp.to_string());
        let office = Self { site, smpp };
        office.add_customer(XPID, ID, PASSWORD, &[&["--network", "127.0.0.0/8"], more].concat());
        office.add_contracts(XPID, &["09010000000-09010000999"]);
        office
    }

    /// Registers a customer.
    pub(crate) fn add_customer(&self, xpid: &str, id: &str, password: &str, more: &[&str]) {
        let file = self.path(&format!("password-{id}"));
        std::fs::write(&file, password).expect("a writable directory");
        let file = file.display().to_string();
        let account = ["--system-id", id, "--smpp-password-file", &file];
        self.add_client(xpid, &[&account, more].concat());
    }

    /// Binds as a transceiver.
    #[track_caller]
    pub(crate) fn bind(&self) -> Esme {
        Esme::bound(self.smpp, command::BIND_TRANSCEIVER, ID, PASSWORD)
    }
}

impl Deref for Office {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

impl DerefMut for Office {
    fn deref_mut(&mut self) -> &mut Site {
        &mut self.site
    }
}

/// One of the customer's phones.
pub(crate) fn msn(number: u64) -> String {
    format!("0901{number:07}")
}
