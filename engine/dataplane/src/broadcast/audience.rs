//! Which rows a broadcast addresses, and the text that each gets: what a check finds out, and what
//! the start takes.
//!
//! A recipient of several legs gets the first one's text. Texts are rendered once for each language
//! and set of parameters that somebody has; what cannot be sent as it is, is an error with its
//! place, and nothing is cut.

mod narrowing;
mod own;
mod waves;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;

use serde::{Deserialize, Serialize};
use wire::terms::ids::Msn;

use super::areas::{AreaCatalogue, AreaSelection, key_of};
use super::control_sms::ControlSms;
use super::limits::TEXTS_MAX;
use super::lists::view::{ListView, RunView};
use super::manifest::{Areas, Leg, Manifest, ManifestError, no_area, wrong};
use super::recipients::{Recipient, RecipientsWriter};
use super::variants::{Variants, segments as segments_of};
use narrowing::{Narrowing, Placed};
use waves::Sorter;

/// The parameter that is the name of the recipient's area, unless somebody gives it a value.
pub const AREA_PARAMETER: &str = "area";

/// A version of a list that a leg names.
pub struct PinnedList<'a> {
    /// The list.
    pub list: String,
    /// Which of its versions.
    pub version: u32,
    /// What it is.
    pub view: ListView<'a>,
    /// The digest of it.
    pub digest: [u8; 32],
}

/// A text as somebody gets it.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize)]
pub struct AddressedText {
    /// The leg.
    pub leg: usize,
    /// The language.
    pub language: String,
    /// The text.
    pub text: String,
    /// Short messages that it takes; of rows' own texts the longest.
    pub segments: u8,
    /// How many get it.
    pub recipients: u64,
    /// Each of them gets it with values of the row's own, encoded when the row has its turn.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_own: bool,
}

/// What a check finds.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, Serialize)]
pub struct Addressed {
    /// Recipients, those without a text among them.
    pub targeted: u64,
    /// Of them those for whose language there is no text: 7001.
    pub without_text: u64,
    /// By area; `unknown` is none.
    pub areas: BTreeMap<String, u64>,
    /// By language; `none` is none.
    pub languages: BTreeMap<String, u64>,
    /// By leg.
    pub legs: Vec<u64>,
    /// By wave, where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waves: Vec<u64>,
    /// The texts.
    pub texts: Vec<AddressedText>,
    /// Short messages in all.
    pub segments: u64,
    /// Rows that are left out because their cell of the mesh lies outside the leg's shapes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub outside: u64,
    /// Of the recipients those whom shapes were to narrow and who have no cell: they count with
    /// their areas.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unplaced: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Why it cannot be said whom a broadcast addresses.
#[derive(Debug, thiserror::Error)]
pub enum AudienceError {
    /// The manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The disk.
    #[error(
        "the recipients cannot be written ({0}): free some space on the device of the data \
         directory, then check again"
    )]
    Disk(#[from] io::Error),
}

/// Where the rows of a leg come from.
pub struct LegSources<'a> {
    /// The list's version.
    pub list: PinnedList<'a>,
    /// Lists whose recipients are none.
    pub except: Vec<PinnedList<'a>>,
    /// Where it names another broadcast: the msns that it takes of it, in order.
    pub only: Option<Vec<u64>>,
    /// For each of its waves the lists whose recipients are in it.
    pub waves: Vec<Vec<PinnedList<'a>>>,
}

/// Finds the rows of each leg and writes them.
///
/// # Errors
/// What is wrong, and where.
pub fn address(
    manifest: &Manifest,
    sources: &[LegSources<'_>],
    catalogue: &AreaCatalogue,
    writer: &mut RecipientsWriter,
) -> Result<Addressed, AudienceError> {
    assert_eq!(manifest.legs.len(), sources.len(), "each leg has its list");
    let mut found = Addressed { legs: vec![0; sources.len()], ..Addressed::default() };
    // Rows of earlier legs, by leg and number: only where there are several.
    let mut taken: Vec<Vec<u64>> = Vec::new();
    for (at, (leg, source)) in manifest.legs.iter().zip(sources).enumerate() {
        let mut selector = Selector::new((manifest, catalogue), at, leg, source)?;
        let rows = source.list.view.rows() as usize;
        let mut mine = if sources.len() > 1 { vec![0u64; rows.div_ceil(64)] } else { Vec::new() };
        let earlier = (&sources[..at], &taken[..]);
        selector.is_own =
            writer.takes_own() && selector.asks_for_own(TEXTS_MAX - found.texts.len());
        if selector.waves.are_there() {
            selector.decide_waves(earlier, &mut found)?;
        }
        for run in source.list.view.runs() {
            if selector.takes_area(&run) {
                selector.take_run(&run, earlier, &mut mine, writer, &mut found)?;
            }
        }
        taken.push(mine);
    }
    found.targeted = found.legs.iter().sum();
    // Of rows' own texts they are counted row by row.
    let ready = found.texts.iter().filter(|text| !text.is_own);
    found.segments += ready.map(|text| text.recipients * u64::from(text.segments)).sum::<u64>();
    Ok(found)
}

/// Rows of one wave of a run, as they are taken.
struct Taking<'a> {
    wave: u8,
    count: u64,
    by_language: &'a mut [u64],
    /// One bit for each row of the list: whether the leg has it.
    mine: &'a mut [u64],
}

/// What becomes of a row with these attributes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// It is not addressed.
    Out,
    /// Nor is it, by its cell of the mesh.
    Outside,
    /// It is.
    In(Taken),
}

/// Of a row that is addressed.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Taken {
    /// The text that it gets; `None`: there is none.
    text: Option<u32>,
    /// Which of those that are shown that is.
    shown: u16,
    /// Short messages that are counted for it by itself.
    own_segments: u8,
    /// It has no cell, where shapes were to narrow its area.
    is_unplaced: bool,
}

/// One leg's choice among the rows of its list.
struct Selector<'a, 'b> {
    manifest: &'a Manifest,
    catalogue: &'a AreaCatalogue,
    at: usize,
    leg: &'a Leg,
    source: &'a LegSources<'b>,
    variants: Variants,
    /// `None`: all.
    areas: Option<AreaSelection<'a>>,
    /// Values of areas, by the areas' codes as they are compared.
    area_values: HashMap<String, &'a BTreeMap<String, String>>,
    /// The area of the run that is being looked at, as it is compared.
    area: String,
    /// Shapes that narrow the areas.
    narrowing: Option<Narrowing<'a>>,
    /// For each place of a parameter in the list, its values that are taken.
    conditions: Vec<(usize, &'a [String])>,
    /// By language and parameters of the run that is being looked at.
    choices: HashMap<(u8, u16), Choice>,
    last: Option<((u8, u16), Choice)>,
    numbers: HashMap<(String, String), u16>,
    /// Rows have texts of their own.
    is_own: bool,
    /// The places of what is shown for those, by variant.
    shown: HashMap<usize, u16>,
    waves: Sorter<'a, 'b>,
    /// What devices get in place of a text.
    control: Option<ControlSms>,
}

impl<'a, 'b> Selector<'a, 'b> {
    fn new(
        (manifest, catalogue): (&'a Manifest, &'a AreaCatalogue),
        at: usize,
        leg: &'a Leg,
        source: &'a LegSources<'b>,
    ) -> Result<Self, ManifestError> {
        let place = format!("/legs/{at}");
        let control = ControlSms::of(&leg.texts);
        let variants = match &control {
            Some(_) => Ok(Variants::none()),
            None => Variants::new(&leg.texts.variants, &leg.texts.fallback),
        };
        let variants =
            variants.map_err(|error| wrong(format!("{place}/texts"), error.to_string()))?;
        let areas = match &leg.audience.areas {
            Some(Areas::Codes(codes)) => {
                let own = source.list.view.areas().filter_map(|(area, _)| area);
                let own: BTreeSet<String> = own.map(|area| key_of(&area)).collect();
                let selected = catalogue.select(codes, &own);
                Some(selected.map_err(|(code, unknown)| {
                    no_area(format!("{place}/audience/areas/{code}"), unknown.to_string())
                })?)
            }
            _ => None,
        };
        let names = source.list.view.parameter_names();
        let mut conditions = Vec::new();
        for (name, values) in &leg.audience.conditions {
            let found = names.iter().position(|known| known == name).ok_or_else(|| {
                let sentence = format!("the list has no parameter {name:?}: name one of its own");
                wrong(format!("{place}/audience/where"), sentence)
            })?;
            conditions.push((found, values.as_slice()));
        }
        let of_areas = leg.texts.area_parameters.iter();
        let narrowing = leg.audience.within.as_ref();
        let narrowing = narrowing.map(|within| {
            Narrowing::new(within, catalogue, &source.list.view, &format!("{place}/audience"))
        });
        Ok(Self {
            manifest,
            catalogue,
            at,
            leg,
            source,
            variants,
            control,
            areas,
            area_values: of_areas.map(|(code, values)| (key_of(code), values)).collect(),
            area: String::new(),
            narrowing: narrowing.transpose()?,
            conditions,
            choices: HashMap::new(),
            last: None,
            numbers: HashMap::new(),
            is_own: false,
            shown: HashMap::new(),
            waves: Sorter::new(&leg.waves, &source.waves, source.list.view.rows()),
        })
    }

    fn takes_area(&self, run: &RunView) -> bool {
        match (&self.areas, &run.area) {
            (None, _) => true,
            (Some(areas), Some(area)) => areas.takes(area),
            // What has no area belongs to no selection of areas.
            (Some(_), None) => false,
        }
    }

    /// Rows of this run are looked at from here on.
    fn begin_run(&mut self, area: &str) {
        self.area = key_of(area);
        self.narrowing.iter_mut().for_each(|narrowing| narrowing.begin_area(&self.area));
        self.choices.clear();
        self.last = None;
    }

    /// Decides which wave each row is in that the leg addresses.
    fn decide_waves(
        &mut self,
        earlier: (&[LegSources<'_>], &[Vec<u64>]),
        found: &mut Addressed,
    ) -> Result<(), AudienceError> {
        let view = &self.source.list.view;
        for run in view.runs() {
            if !self.takes_area(&run) {
                continue;
            }
            self.begin_run(run.area.as_deref().unwrap_or("unknown"));
            for number in run.first..run.first + run.rows {
                let (msn, language, parameters) = self.row(number)?;
                match self.choice(run.number, (language, parameters), found, None)? {
                    Choice::Out => {}
                    Choice::Outside => found.outside += 1,
                    Choice::In(_) => {
                        if !self.is_left_out(msn) && !is_of_earlier(msn, earlier) {
                            self.waves.note(number);
                        }
                    }
                }
            }
        }
        let at = self.at;
        let msn_of = |row| view.plain(row).map(|row| row.0).ok_or_else(|| damaged(at, row));
        Ok(self.waves.decide(msn_of)?)
    }

    /// A row of the leg's list: its msn, language and parameters.
    fn row(&self, number: u32) -> Result<(Msn, u8, u16), ManifestError> {
        self.source.list.view.plain(number).ok_or_else(|| damaged(self.at, number))
    }

    fn take_run(
        &mut self,
        run: &RunView,
        earlier: (&[LegSources<'_>], &[Vec<u64>]),
        mine: &mut [u64],
        writer: &mut RecipientsWriter,
        found: &mut Addressed,
    ) -> Result<(), AudienceError> {
        let view = &self.source.list.view;
        let languages: Vec<u16> = std::iter::once(0)
            .chain(view.languages().iter().map(|tag| writer.language(tag)))
            .collect();
        let area = run.area.as_deref().unwrap_or("unknown");
        self.begin_run(area);
        let mut by_language = vec![0u64; languages.len()];
        let mut count = 0u64;
        for wave in 0..self.waves.count() {
            writer.begin_run((self.at as u32, wave), area);
            let mut taking = Taking { wave, count: 0, by_language: &mut by_language, mine };
            self.take_wave(run, earlier, &languages, &mut taking, writer, found)?;
            let taken = taking.count;
            count += taken;
            if self.waves.are_there() {
                found.waves.resize(usize::from(self.waves.count()), 0);
                found.waves[usize::from(wave)] += taken;
            }
        }
        if count > 0 {
            *found.areas.entry(area.to_owned()).or_default() += count;
            found.legs[self.at] += count;
        }
        let view = &self.source.list.view;
        for (place, count) in by_language.into_iter().enumerate().filter(|(_, count)| *count > 0) {
            let tag = place.checked_sub(1).map_or("none", |place| view.languages()[place]);
            *found.languages.entry(tag.to_owned()).or_default() += count;
        }
        Ok(())
    }

    /// Writes the rows of a run that are in one wave.
    fn take_wave(
        &mut self,
        run: &RunView,
        earlier: (&[LegSources<'_>], &[Vec<u64>]),
        languages: &[u16],
        taking: &mut Taking<'_>,
        writer: &mut RecipientsWriter,
        found: &mut Addressed,
    ) -> Result<(), AudienceError> {
        const ROWS_AT_ONCE: usize = 8_192;
        let mut rows = Vec::with_capacity(ROWS_AT_ONCE);
        for number in run.first..run.first + run.rows {
            if !self.waves.is_in(taking.wave, number) {
                continue;
            }
            let (msn, language, parameters) = self.row(number)?;
            let key = (language, parameters);
            let taken = match self.choice(run.number, key, found, Some(writer))? {
                Choice::In(taken) => taken,
                Choice::Outside => {
                    // Of waves they were counted when these were decided.
                    found.outside += 1;
                    continue;
                }
                Choice::Out => continue,
            };
            // What is in a wave has been looked at.
            if !self.waves.are_there() && (self.is_left_out(msn) || is_of_earlier(msn, earlier)) {
                continue;
            }
            if let Some(word) = taking.mine.get_mut(number as usize / 64) {
                *word |= 1 << (number % 64);
            }
            taking.count += 1;
            found.unplaced += u64::from(taken.is_unplaced);
            taking.by_language[usize::from(language).min(languages.len() - 1)] += 1;
            match taken.text {
                Some(_) => {
                    found.texts[usize::from(taken.shown)].recipients += 1;
                    found.segments += u64::from(taken.own_segments);
                }
                None => found.without_text += 1,
            }
            let language = languages.get(usize::from(language)).copied().unwrap_or(0);
            rows.push(Recipient { msn, text: taken.text, language });
            if rows.len() == ROWS_AT_ONCE {
                writer.push(&rows)?;
                rows.clear();
            }
        }
        writer.push(&rows)?;
        Ok(())
    }

    /// What becomes of rows with this language and these parameters in this run.
    #[inline]
    fn choice(
        &mut self,
        run: usize,
        key: (u8, u16),
        found: &mut Addressed,
        writer: Option<&mut RecipientsWriter>,
    ) -> Result<Choice, AudienceError> {
        if let Some((last, choice)) = self.last
            && last == key
        {
            return Ok(choice);
        }
        let choice = match self.choices.get(&key) {
            Some(choice) => *choice,
            None => {
                let choice = self.choose(run, key, found, writer)?;
                self.choices.insert(key, choice);
                choice
            }
        };
        self.last = Some((key, choice));
        Ok(choice)
    }

    fn choose(
        &mut self,
        run: usize,
        (language, parameters): (u8, u16),
        found: &mut Addressed,
        writer: Option<&mut RecipientsWriter>,
    ) -> Result<Choice, AudienceError> {
        let view = &self.source.list.view;
        let place = usize::from(language).checked_sub(1);
        let tag = place.and_then(|place| view.languages().get(place)).copied().unwrap_or_default();
        let wanted = &self.leg.audience.languages;
        if !wanted.is_empty() && !wanted.iter().any(|wanted| is_within(tag, wanted)) {
            return Ok(Choice::Out);
        }
        let values = view.parameters_of(run, parameters);
        let fits = self.conditions.iter().all(|(place, wanted)| {
            let value = values.get(*place).copied().unwrap_or_default();
            wanted.iter().any(|wanted| wanted == value)
        });
        if !fits {
            return Ok(Choice::Out);
        }
        let is_unplaced = match self.narrowing.as_mut().map(|narrowing| narrowing.place(&values)) {
            Some(Placed::Outside) => return Ok(Choice::Outside),
            Some(Placed::Nowhere) => true,
            None | Some(Placed::Within) => false,
        };
        let nothing = Taken { text: None, shown: 0, own_segments: 0, is_unplaced };
        let ready = |shown: u16| Choice::In(Taken { text: Some(shown.into()), shown, ..nothing });
        if let Some(control) = &self.control {
            let (line, segments) = (control.to_string(), control.segments());
            let place = format!("/legs/{}/texts/control", self.at);
            let key = (String::new(), line);
            return Ok(ready(self.number(key, segments, place, found)?));
        }
        let Some(variant) = self.variants.pick(tag) else { return Ok(Choice::In(nothing)) };
        if self.is_own {
            let own = self.own_text(variant, &values, (found, writer))?;
            return Ok(Choice::In(Taken { is_unplaced, ..own }));
        }
        Ok(ready(self.text(variant, &values, found)?))
    }

    /// The number of a variant with these values of the list's parameters.
    fn text(
        &mut self,
        variant: usize,
        values: &[&str],
        found: &mut Addressed,
    ) -> Result<u16, ManifestError> {
        let (language, rendered, place) = self.rendered(variant, values)?;
        self.number((language, rendered), None, place, found)
    }

    /// A variant with these values of the list's parameters: its language, the text, its place.
    fn rendered(
        &self,
        variant: usize,
        values: &[&str],
    ) -> Result<(String, String, String), ManifestError> {
        let names = self.source.list.view.parameter_names();
        let Some((language, text)) = self.variants.all().nth(variant) else {
            unreachable!("a place that was picked")
        };
        let place = format!("/legs/{}/texts/variants/{language}", self.at);
        let value = |name: &str| {
            let own = names.iter().position(|known| *known == name);
            let own = own.and_then(|at| values.get(at)).copied().filter(|value| !value.is_empty());
            let of_area = || self.area_values.get(&self.area)?.get(name).map(String::as_str);
            let of_all = || self.leg.texts.parameters.get(name).map(String::as_str);
            let known = || {
                let named = (name == AREA_PARAMETER).then_some(self.area.as_str())?;
                self.catalogue.name(named, language)
            };
            own.or_else(of_area).or_else(of_all).or_else(known)
        };
        let rendered = text.render(value).map_err(|error| wrong(&place, error.to_string()))?;
        if rendered.trim().is_empty() {
            return Err(wrong(place, "there is nothing to say: write the text"));
        }
        Ok((language.to_owned(), rendered, place))
    }

    /// The number of what is said in a language, or to devices, which takes so many short messages
    /// if that is known.
    fn number(
        &mut self,
        key: (String, String),
        segments: Option<u8>,
        place: String,
        found: &mut Addressed,
    ) -> Result<u16, ManifestError> {
        if let Some(number) = self.numbers.get(&key) {
            return Ok(*number);
        }
        if found.texts.len() == TEXTS_MAX {
            let sentence = format!(
                "there are more than {TEXTS_MAX} different texts: take out parameters that differ \
                 for every recipient"
            );
            return Err(wrong(place, sentence));
        }
        let segments = self.not_too_long(segments.or_else(|| segments_of(&key.1)), &place)?;
        let (language, text) = key.clone();
        let number = found.texts.len() as u16;
        let (leg, recipients, is_own) = (self.at, 0, false);
        found.texts.push(AddressedText { leg, language, text, segments, recipients, is_own });
        self.numbers.insert(key, number);
        Ok(number)
    }

    fn is_left_out(&self, msn: Msn) -> bool {
        let is_other =
            self.source.only.as_ref().is_some_and(|only| only.binary_search(&msn.value()).is_err());
        is_other || self.source.except.iter().any(|list| list.view.find(msn).is_some())
    }
}

/// Whether an earlier leg addresses it.
fn is_of_earlier(msn: Msn, (sources, taken): (&[LegSources<'_>], &[Vec<u64>])) -> bool {
    sources.iter().zip(taken).any(|(source, taken)| {
        let row = source.list.view.find(msn);
        row.is_some_and(|row| {
            taken.get(row as usize / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
        })
    })
}

/// Whether a tag is that of the language, or of a part of it.
fn is_within(tag: &str, language: &str) -> bool {
    let head = tag.get(..language.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(language))
        && matches!(tag.as_bytes().get(language.len()), None | Some(b'-'))
}

fn damaged(leg: usize, row: u32) -> ManifestError {
    let sentence =
        format!("the list's version is damaged at row {row}: restore its file, or import it again");
    wrong(format!("/legs/{leg}/audience/list"), sentence)
}

#[cfg(test)]
mod tests;
