//! Texts of rows' own: a leg whose texts have parameters of the list, and more different values of
//! them than texts can be ready for, has each text put aside and encoded when a row has its turn.
//!
//! **Invariant:** it is decided by leg: one that can do with ready texts has them.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use super::{AREA_PARAMETER, Addressed, AddressedText, AudienceError, Selector, Taken};
use crate::broadcast::limits::TEXTS_MAX;
use crate::broadcast::manifest::{ManifestError, wrong};
use crate::broadcast::recipients::own::OwnText;
use crate::broadcast::recipients::{OWN_FROM, RecipientsWriter};
use crate::broadcast::variants::segments;
use wire::smpp::coding::{self, Alphabet};
use wire::sms::coding_scheme::CodingScheme;
use wire::sms::segment::{Content, PlanOptions, plan};

impl Selector<'_, '_> {
    /// Whether the leg's texts come to more than so many different ones, as far as that can be told
    /// from the values that its list has.
    pub(super) fn asks_for_own(&self, most: usize) -> bool {
        let view = &self.source.list.view;
        let is_used =
            |name: &str| self.variants.all().any(|(_, text)| text.parameters().any(|p| p == name));
        let names = view.parameter_names().iter().enumerate();
        let used: Vec<usize> = names.filter(|(_, name)| is_used(name)).map(|(at, _)| at).collect();
        if used.is_empty() {
            return false;
        }
        let by_area = is_used(AREA_PARAMETER) || !self.area_values.is_empty();
        let variants = self.variants.all().count().max(1);
        // Two that look the same make one text too few, and nobody counts on the number.
        let (hasher, mut seen) = (RandomState::new(), HashSet::new());
        for run in view.runs().filter(|run| self.takes_area(run)) {
            for number in 0..=view.parameters_in(run.number) {
                let values = view.parameters_of(run.number, number);
                let value = |at: &usize| values.get(*at).copied().unwrap_or_default();
                let values: Vec<&str> = used.iter().map(value).collect();
                let area = if by_area { run.area.as_deref() } else { None };
                seen.insert(hasher.hash_one((area, values)));
                if seen.len() * variants > most {
                    return true;
                }
            }
        }
        false
    }

    /// As many as the manifest allows.
    pub(super) fn not_too_long(
        &self,
        segments: Option<u8>,
        place: &str,
    ) -> Result<u8, ManifestError> {
        let most = self.manifest.segments_max;
        segments.filter(|segments| *segments <= most).ok_or_else(|| {
            wrong(place, format!("it takes more than {most} short messages: shorten it"))
        })
    }

    /// Puts the text of rows with these values aside; without a writer it is only looked at.
    pub(super) fn own_text(
        &mut self,
        variant: usize,
        values: &[&str],
        (found, writer): (&mut Addressed, Option<&mut RecipientsWriter>),
    ) -> Result<Taken, AudienceError> {
        let (language, text, place) = self.rendered(variant, values)?;
        let segments = self.not_too_long(segments(&text), &place)?;
        let shown = self.shown_for(variant, (language, segments), &place, found)?;
        let ucs2 = PlanOptions { dcs: Some(CodingScheme::UCS2.0), ..PlanOptions::default() };
        let recoded = || plan(Content::Text(&text), &ucs2).ok().map(|plan| plan.segments());
        let is_ascii = coding::carries(&text, Alphabet::Ascii);
        let own = OwnText {
            text: &text,
            segments,
            recoded: if is_ascii { Some(segments) } else { recoded() },
            is_ascii,
            is_latin: coding::carries(&text, Alphabet::Latin1),
        };
        let number = writer.map(|writer| writer.own(&own)).transpose()?;
        let text = Some(number.unwrap_or(OWN_FROM));
        Ok(Taken { text, shown, own_segments: segments, is_unplaced: false })
    }

    /// The place of what is shown for a variant: the text as it was written, and the most short
    /// messages that any row's takes.
    fn shown_for(
        &mut self,
        variant: usize,
        (language, segments): (String, u8),
        place: &str,
        found: &mut Addressed,
    ) -> Result<u16, ManifestError> {
        if let Some(known) = self.shown.get(&variant) {
            let text = &mut found.texts[usize::from(*known)];
            text.segments = text.segments.max(segments);
            return Ok(*known);
        }
        if found.texts.len() == TEXTS_MAX {
            let sentence =
                format!("there are more than {TEXTS_MAX} different texts: take some out");
            return Err(wrong(place, sentence));
        }
        let text = self.leg.texts.variants.get(&language).cloned().unwrap_or_default();
        let shown = found.texts.len() as u16;
        let (leg, recipients, is_own) = (self.at, 0, true);
        found.texts.push(AddressedText { leg, language, text, segments, recipients, is_own });
        self.shown.insert(variant, shown);
        Ok(shown)
    }
}
