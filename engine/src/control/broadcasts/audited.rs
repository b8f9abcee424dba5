//! What the audit has of texts: their digests. It is kept for ever and goes into reports, so what
//! people are told never stands in it, nor what somebody's list has of its people.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::check::hexadecimal;
use super::wanted::{FollowerWanted, UpdateWanted};
use crate::broadcast::manifest::{Manifest, Texts};
use crate::broadcast::templates::TemplateWanted;

/// Octets of a text's SHA-256 that are told.
const DIGEST_OCTETS: usize = 16;

/// A manifest without its texts.
pub(super) fn manifest(manifest: &Manifest) -> Manifest {
    let mut audited = manifest.clone();
    audited.legs.iter_mut().for_each(|leg| hide(&mut leg.texts));
    audited.retraction.iter_mut().flat_map(|prepared| &mut prepared.texts).for_each(hide);
    audited
}

/// What follows a broadcast, without its texts.
pub(super) fn follower(wanted: &FollowerWanted) -> FollowerWanted {
    let mut audited = wanted.clone();
    audited.texts.iter_mut().for_each(hide);
    audited
}

/// A version of a template, without its texts.
#[derive(Serialize)]
pub(super) struct AuditedTemplate {
    version: u32,
    digest: String,
}

/// What is kept of a version of these texts.
pub(super) fn template(version: u32, texts: &TemplateWanted) -> AuditedTemplate {
    let text = simd_json::to_string(texts).unwrap_or_default();
    AuditedTemplate { version, digest: digest_of(&text) }
}

impl AuditedTemplate {
    /// The version that these texts will be: the same ones are no other.
    pub(super) fn following(&self, texts: &TemplateWanted) -> u32 {
        let is_same = template(self.version, texts).digest == self.digest;
        if is_same { self.version } else { self.version + 1 }
    }
}

/// An update, without its texts.
pub(super) fn update(wanted: &UpdateWanted) -> UpdateWanted {
    let mut audited = wanted.clone();
    audited.texts.iter_mut().for_each(hide);
    audited.release.iter_mut().flat_map(|release| &mut release.texts).for_each(hide);
    audited.legs.iter_mut().flatten().for_each(|leg| hide(&mut leg.texts));
    audited.retraction.iter_mut().flat_map(|prepared| &mut prepared.texts).for_each(hide);
    audited
}

/// What became of a list's file, without its lines.
#[derive(Serialize)]
pub(super) struct AuditedImport {
    pub(super) list: String,
    pub(super) version: u32,
    pub(super) digest: String,
    pub(super) is_refused: bool,
    pub(super) rows: u64,
    pub(super) refused: u64,
}

/// Puts the digest of each text in its place.
pub(super) fn hide(texts: &mut Texts) {
    hide_all(&mut texts.variants);
    hide_all(&mut texts.parameters);
    texts.area_parameters.values_mut().for_each(hide_all);
    for octets in [&mut texts.control, &mut texts.udh].into_iter().flatten() {
        *octets = digest_of(octets);
    }
}

pub(super) fn hide_all(texts: &mut BTreeMap<String, String>) {
    texts.values_mut().for_each(|text| *text = digest_of(text));
}

pub(super) fn digest_of(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    format!("sha256 {}", hexadecimal(&digest[..DIGEST_OCTETS]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_people_are_told_is_left() {
        let texts = r#"{"variants":{"en":"SECRET one"},"fallback":["en"],
            "parameters":{"place":"SECRET two"},
            "area_parameters":{"13101":{"shelter":"SECRET three"}}}"#;
        let text = format!(
            r#"{{"xpid":"00100000001","sender":"Town","class":"02","reqid":"r",
            "legs":[{{"audience":{{"list":"l","areas":"everywhere"}},"texts":{texts}}}],
            "retraction":{{"reqid":"s","texts":{texts}}}}}"#
        );
        let whole = Manifest::read(text.as_bytes()).expect("a manifest");
        let said = simd_json::to_string(&manifest(&whole)).expect("JSON");
        assert!(!said.contains("SECRET") && said.contains("\"shelter\":\"sha256 "), "{said}");
        let more = format!(
            r#"{{"reqid":"r","legs":[{{"audience":{{"list":"l"}},"texts":{texts}}}],"texts":{texts},
            "release":{{"texts":{texts}}},"retraction":{{"reqid":"s","texts":{texts}}}}}"#
        );
        let wanted: UpdateWanted = wire::json::read(&mut more.into_bytes()).expect("an update");
        let said = simd_json::to_string(&update(&wanted)).expect("JSON");
        assert!(!said.contains("SECRET") && said.contains("\"en\":\"sha256 "), "{said}");
        let mut octets = texts.as_bytes().to_vec();
        let texts: Texts = wire::json::read(&mut octets).expect("texts");
        let wanted = FollowerWanted { reqid: "r".to_owned(), texts: Some(texts), lifetime: None };
        let said = simd_json::to_string(&follower(&wanted)).expect("JSON");
        assert!(!said.contains("SECRET") && said.contains("\"en\":\"sha256 "), "{said}");
    }
}
