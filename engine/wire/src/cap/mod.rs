//! Warnings of other systems: CAP 1.2 (and 1.0, 1.1), JMA's XML and L-Alert, each as the draft of a
//! broadcast.
//!
//! The way in: `encoding` makes text of octets, `markup` refuses what would be dear or
//! dangerous to parse, `document` parses, `alert`, `jma` and `lalert` say what is written
//! there as one `message::Message`, and `judge` makes a [`draft::Draft`] of it. What a draft
//! still lacks is looked up elsewhere: areas in the catalogue, the chain in the source's log.
//!
//! **Never here:** sockets, files, clocks, signatures, or a decision to send. **Invariants:** no
//! octets make these functions panic, recurse, or take memory beyond a small multiple of the
//! document; nothing that could be understood in two ways is guessed; no area is never everywhere;
//! whatever was read around is a warning.

mod alert;
pub mod area;
mod document;
pub mod draft;
mod encoding;
mod jma;
mod judge;
mod lalert;
pub mod limits;
mod markup;
mod message;
mod profile;
mod refusal;
mod script;
mod variant;

pub use judge::{Rules, alertid};
pub use message::{Format, Reference, Scope, Status, Warning, Warnings};
pub use profile::Profile;
pub use refusal::{RefusalKind, WarningRefusal};
pub use script::foreign as foreign_script;
pub use variant::missing_prefix;

use document::Element;
use draft::Draft;

/// Judges a document of XML: an alert of CAP or a report of JMA.
///
/// # Errors
/// Whatever is no such document, has no area, is expired, or can be understood in two ways.
pub fn check_xml(octets: &[u8], rules: &Rules) -> Result<Draft, WarningRefusal> {
    let text = encoding::decode(octets)?;
    let document = document::parse(&text)?;
    let root = document.root_element();
    let (name, namespace) = (root.tag_name().name(), root.tag_name().namespace());
    let message = if alert::is_alert(name, namespace) {
        alert::read(Element::new(root))?
    } else if jma::is_report(name, namespace) {
        jma::read(Element::new(root))?
    } else {
        return Err(WarningRefusal::document(format!(
            "its first element is {:?} in the namespace {:?}, neither an alert of CAP 1.0 to 1.2 \
            nor a \
             report of JMA: send one of these",
            area::shown(name),
            area::shown(namespace.unwrap_or_default())
        )));
    };
    judge::judge(message, rules)
}

/// Judges a message of L-Alert in JSON.
///
/// # Errors
/// As [`check_xml`].
pub fn check_lalert(octets: &[u8], rules: &Rules) -> Result<Draft, WarningRefusal> {
    judge::judge(lalert::read(octets, rules.now)?, rules)
}

#[cfg(test)]
mod tests;
