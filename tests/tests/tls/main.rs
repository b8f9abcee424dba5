//! TLS 1.3 on every port and with whomever is called: what a connection is worth that speaks
//! it, and who does not get in.

mod admin;
mod carriers;
mod certified;
mod customers;
mod handshakes;
mod load;
mod notifications;
mod reload;
mod scans;
mod storm;
mod traffic;

use tests::push::XPID;
use tests::site::Site;
use tests::tls::{Authority, Certified, Made, NAME};

/// A phone number that is contracted.
const MSN: &str = "09012345678";

/// An engine's place whose push port speaks TLS with a certificate of this authority.
fn site(authority: &Authority) -> Site {
    let mut site = Site::new(tests::programs!());
    site.add_client(XPID, &[]);
    site.add_contracts(XPID, &[MSN]);
    use_certificate(&mut site, &authority.certify(&[NAME], Made::Well));
    site
}

/// Has the next engine there use this certificate; one that runs, once it reloads.
fn use_certificate(site: &mut Site, certified: &Certified) {
    let (certificate, key) = certified.write(site.directory(), "server");
    site.set("--tls-cert", &certificate.display().to_string());
    site.set("--tls-key", &key.display().to_string());
}

/// Has every client need a certificate of this authority.
fn ask_for_certificates(site: &mut Site, authority: &Authority) {
    let path = site.path("clients.pem");
    std::fs::write(&path, authority.pem()).expect("a writable directory");
    site.set("--tls-client-ca", &path.display().to_string());
}
