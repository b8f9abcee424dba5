//! What a manifest says by itself, held against its rules: the first thing that is wrong, with its
//! place.

use wire::terms::ids::{Class, Reqid, Xpid, is_a_type};
use wire::terms::municipality::Municipality;
use wire::terms::rfc3339::parse_rfc3339;

use super::{Areas, Audience, Leg, Manifest, ManifestError, Texts, Within, no_area, wrong};
use crate::broadcast::control_sms::ControlSms;
use crate::broadcast::limits::{
    AREA_OCTETS_MAX, AREAS_MAX, HOLD_SECONDS_MAX, LEGS_MAX, LIFETIME_SECONDS_MAX, WAVES_MAX,
};
use crate::broadcast::templates::{TemplatePart, name_and_version};
use crate::broadcast::variants::Variants;

/// Short messages that no text of a broadcast ever takes more than.
const SEGMENTS_MAX: u8 = 10;
const EVERYWHERE: &str = "everywhere";
const NO_CODE: &str = "it is no code: give a municipality's, or system:code";

impl Manifest {
    /// Checks all of it.
    pub(super) fn check(&self) -> Result<(), ManifestError> {
        Xpid::parse(self.xpid.as_bytes())
            .ok_or_else(|| wrong("/xpid", "it is no XPID: give 11 digits"))?;
        if self.sender.is_empty() || self.sender.chars().nth(20).is_some() {
            return Err(wrong("/sender", "a sender has 1 to 20 characters"));
        }
        let class = self.class().ok_or_else(|| wrong("/class", "give 01, 02, 03 or 09"))?;
        Reqid::parse(self.reqid.as_bytes())
            .ok_or_else(|| wrong("/reqid", "give 1 to 23 of the characters 0-9 A-Z a-z . _ -"))?;
        self.check_chain()?;
        self.check_times(class)?;
        self.check_numbers()?;
        if self.ignores_suppression() && class != Class::Emergency {
            return Err(wrong(
                "/suppression",
                "opt-outs are ignored by class 03 only: take it out",
            ));
        }
        if !(1..=LEGS_MAX).contains(&self.legs.len()) {
            return Err(wrong("/legs", format!("give 1 to {LEGS_MAX} of them")));
        }
        for (at, leg) in self.legs.iter().enumerate() {
            leg.check(&format!("/legs/{at}"))?;
        }
        let with_control = self.legs.iter().filter(|leg| leg.texts.control.is_some()).count();
        if with_control != 0 && with_control != self.legs.len() {
            let sentence = "texts and control SMS are broadcasts of their own";
            return Err(wrong("/legs", sentence));
        }
        let mut with_waves = (0..).zip(&self.legs).filter(|(_, leg)| !leg.waves.is_empty());
        if let Some((at, _)) = with_waves.nth(1) {
            let sentence = "one leg has waves: make the other a broadcast of its own";
            return Err(wrong(format!("/legs/{at}/waves"), sentence));
        }
        self.check_retraction()
    }

    fn check_retraction(&self) -> Result<(), ManifestError> {
        let Some(prepared) = &self.retraction else { return Ok(()) };
        Reqid::parse(prepared.reqid.as_bytes())
            .filter(|_| prepared.reqid != self.reqid)
            .ok_or_else(|| {
                let sentence = "give another than the broadcast's own: 1 to 23 of the characters \
                                0-9 A-Z a-z . _ -";
                wrong("/retraction/reqid", sentence)
            })?;
        match &prepared.texts {
            Some(texts) => texts.check("/retraction/texts"),
            None if self.legs.iter().all(|leg| leg.texts.template.is_some()) => Ok(()),
            None => {
                let sentence = "a leg is of no template that could have it: give texts";
                Err(wrong("/retraction/texts", sentence))
            }
        }
    }

    fn check_chain(&self) -> Result<(), ManifestError> {
        let is_name = |name: &String| (1..=26).contains(&name.len()) && name.bytes().all(is_a_type);
        match (&self.alertid, self.alertseq) {
            (None, None) => Ok(()),
            (Some(name), _) if !is_name(name) => {
                Err(wrong("/alertid", "give 1 to 26 of the characters 0-9 A-Z a-z . _ -"))
            }
            (Some(_), Some(0..=99)) => Ok(()),
            (Some(_), Some(_)) => Err(wrong("/alertseq", "give 0 to 99")),
            _ => Err(wrong("/alertid", "alertid and alertseq belong together: give both or none")),
        }
    }

    fn check_times(&self, class: Class) -> Result<(), ManifestError> {
        let instant = |place: &str, text: &str| {
            let sentence = "give a date and time with an offset, as 2026-11-28T19:00:00+09:00";
            parse_rfc3339(text).ok_or_else(|| wrong(place, sentence))
        };
        let start = match self.start.as_str() {
            "now" => None,
            time => Some(instant("/start", time)?),
        };
        let deadline =
            self.deadline.as_deref().map(|time| instant("/deadline", time)).transpose()?;
        match (deadline, self.lifetime) {
            (Some(_), Some(_)) => {
                return Err(wrong("/lifetime", "give a deadline or a lifetime, not both"));
            }
            (None, None) if class == Class::Emergency => {
                return Err(wrong(
                    "/deadline",
                    "class 03 needs an end: give a deadline or a lifetime",
                ));
            }
            (_, Some(0)) => {
                return Err(wrong("/lifetime", "it is over when it starts: give seconds"));
            }
            (_, Some(seconds)) if seconds > LIFETIME_SECONDS_MAX => {
                return Err(wrong("/lifetime", "no broadcast lasts longer than 72 h: give less"));
            }
            _ => {}
        }
        if let (Some(start), Some(deadline)) = (start, deadline) {
            let latest = start + LIFETIME_SECONDS_MAX * 1_000;
            if deadline <= start || deadline > latest {
                return Err(wrong("/deadline", "it has to lie behind the start, by 72 h at most"));
            }
        }
        if self.hold_seconds > HOLD_SECONDS_MAX {
            return Err(wrong("/hold_seconds", format!("give 0 to {HOLD_SECONDS_MAX}")));
        }
        Ok(())
    }

    fn check_numbers(&self) -> Result<(), ManifestError> {
        if !(1..=1_000).contains(&self.pace.weight) {
            return Err(wrong("/pace/weight", "give 1 to 1000"));
        }
        if !(1..=100).contains(&self.pace.share_max) {
            return Err(wrong("/pace/share_max", "give a percentage, 1 to 100"));
        }
        if !(1..=SEGMENTS_MAX).contains(&self.segments_max) {
            return Err(wrong("/segments_max", format!("give 1 to {SEGMENTS_MAX}")));
        }
        match self.expect.recipients {
            Some([least, most]) if least > most => {
                Err(wrong("/expect/recipients", "the least is more than the most: turn them round"))
            }
            _ => Ok(()),
        }
    }
}

impl Leg {
    fn check(&self, place: &str) -> Result<(), ManifestError> {
        self.audience.check(&format!("{place}/audience"))?;
        self.texts.check(&format!("{place}/texts"))?;
        self.check_waves(&format!("{place}/waves"))
    }

    fn check_waves(&self, place: &str) -> Result<(), ManifestError> {
        if self.waves.len() > WAVES_MAX {
            return Err(wrong(place, format!("there are at most {WAVES_MAX}")));
        }
        if self.waves.len() == 1 {
            return Err(wrong(
                place,
                "one wave is none: leave it out, or say what comes behind it",
            ));
        }
        for (at, wave) in self.waves.iter().enumerate() {
            let place = format!("{place}/{at}");
            let named =
                [wave.after_percent.is_some(), wave.after_seconds.is_some(), wave.after_order];
            let conditions = named.into_iter().filter(|is_named| *is_named).count();
            let percent = wave.after_percent.unwrap_or(1);
            if conditions != usize::from(at > 0) || !(1..=100).contains(&percent) {
                let sentence = "all but the first need one of after_percent (1 to 100), \
                                after_seconds and after_order";
                return Err(wrong(place, sentence));
            }
            let is_last = at + 1 == self.waves.len();
            let who = (is_last, wave.lists.is_empty(), wave.rows);
            if !matches!(who, (true, true, None) | (false, false, None) | (false, true, Some(1..)))
            {
                let sentence = "a wave names lists or how many rows, and the last neither: it is \
                                everybody else";
                return Err(wrong(place, sentence));
            }
        }
        Ok(())
    }
}

impl Texts {
    fn check(&self, place: &str) -> Result<(), ManifestError> {
        let kinds = [!self.variants.is_empty(), self.template.is_some(), self.control.is_some()];
        if kinds.into_iter().filter(|is_there| *is_there).count() != 1 {
            let sentence = "give variants, a template or a control SMS: one of them";
            return Err(wrong(place, sentence));
        }
        if kinds[0] {
            Variants::new(&self.variants, &self.fallback)
                .map_err(|error| wrong(place, error.to_string()))?;
        }
        if let Some(name) = &self.template
            && name_and_version(name).is_none()
        {
            let sentence = "give a template's name, with @ and a version behind it or without";
            return Err(wrong(format!("{place}/template"), sentence));
        }
        if self.template.is_none() && self.part != TemplatePart::Variants {
            let sentence = "only a template has a retraction and a release: take it out";
            return Err(wrong(format!("{place}/part"), sentence));
        }
        self.check_area_parameters(&format!("{place}/area_parameters"))?;
        let has_more = self.udh.is_some() || self.pid.is_some() || self.dcs.is_some();
        if self.control.is_none() {
            let sentence = "only a control SMS has udh, pid and dcs: take them out";
            return if has_more { Err(wrong(place, sentence)) } else { Ok(()) };
        }
        let place = format!("{place}/control");
        let control = ControlSms::of(self)
            .ok_or_else(|| wrong(&place, "give whole octets in hexadecimal, udh too"))?;
        control.segments().map(drop).ok_or_else(|| {
            let sentence = "it is longer than ten short messages, or its header or coding scheme \
                            are none for octets";
            wrong(&place, sentence)
        })
    }

    fn check_area_parameters(&self, place: &str) -> Result<(), ManifestError> {
        if self.area_parameters.len() > AREAS_MAX {
            return Err(wrong(place, format!("give values for {AREAS_MAX} areas at most")));
        }
        match self.area_parameters.keys().find(|code| !is_code(code)) {
            Some(code) => {
                let shown: String = code.chars().take(48).collect();
                Err(no_area(format!("{place}/{shown}"), NO_CODE))
            }
            None => Ok(()),
        }
    }
}

impl Audience {
    fn check(&self, place: &str) -> Result<(), ManifestError> {
        if self.list.is_empty() {
            return Err(wrong(format!("{place}/list"), "name a list"));
        }
        if let Some(within) = &self.within {
            self.check_within(within, &format!("{place}/within"))?;
        }
        let place = format!("{place}/areas");
        let codes = match &self.areas {
            None => {
                return Err(no_area(place, "no area is named: name them, or say \"everywhere\""));
            }
            Some(Areas::Word(word)) if word == EVERYWHERE => return Ok(()),
            Some(Areas::Word(_)) => {
                return Err(no_area(place, "give a list of codes, or \"everywhere\""));
            }
            Some(Areas::Codes(codes)) => codes,
        };
        if codes.is_empty() || codes.len() > AREAS_MAX {
            return Err(no_area(place, format!("give 1 to {AREAS_MAX} codes, or \"everywhere\"")));
        }
        for (at, code) in codes.iter().enumerate() {
            if !is_code(code) {
                return Err(no_area(format!("{place}/{at}"), NO_CODE));
            }
        }
        Ok(())
    }
}

impl Audience {
    fn check_within(&self, within: &Within, place: &str) -> Result<(), ManifestError> {
        within.shapes(place)?;
        if matches!(self.areas, Some(Areas::Word(_))) {
            let sentence =
                "shapes narrow areas that are named: name their codes, not \"everywhere\"";
            return Err(wrong(place, sentence));
        }
        match within.areas.iter().position(|code| !is_code(code)) {
            Some(at) => Err(no_area(format!("{place}/areas/{at}"), NO_CODE)),
            None => Ok(()),
        }
    }
}

fn is_code(code: &str) -> bool {
    let is_other = code.len() <= AREA_OCTETS_MAX
        && code
            .split_once(':')
            .is_some_and(|(system, code)| !system.is_empty() && !code.is_empty());
    Municipality::parse(code.as_bytes()).is_some() || is_other
}
