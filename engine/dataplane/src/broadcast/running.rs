//! A broadcast that was started, as every shard is told of it: shared, and never changed.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use wire::smpp::coding::{self, Alphabet};
use wire::sms::coding_scheme::CodingScheme;
use wire::sms::limits::{TIME_OCTETS, TPDU_OCTETS_MAX};
use wire::sms::relay::{self, OriginatingAddress};
use wire::sms::segment::{self, Content, PlanOptions, SUBMITS_OCTETS_MAX, SubmitTemplate};
use wire::terms::calendar;
use wire::terms::ids::{Class, Kind, Xpid};

use super::control_sms::ControlSms;
use super::manifest::RowPace;
use super::outcomes::Outcome;
use super::recipients::own::OwnText;
use super::recipients::{OWN_FROM, Recipients};
use super::slice::OnDoubt;
use super::stakes::Stakes;
use wire::terms::time::WallMs;

/// What stands in place of a destination, which no SMS-DELIVER has.
const NO_DESTINATION: &[u8] = b"0";

/// In which form a text goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TextForm {
    /// As it takes least.
    #[default]
    AsItIs,
    /// As UCS-2: a carrier of the route lacks one of its characters.
    Recoded,
}

impl TextForm {
    /// Its number.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Back from [`Self::number`].
    pub fn from_number(number: u64) -> Self {
        if number == 0 { Self::AsItIs } else { Self::Recoded }
    }
}

/// A text as it goes to every phone: the SMS-DELIVER of each segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadyText {
    /// The SMS-DELIVERs, in the order of the segments.
    pub delivers: Vec<Box<[u8]>>,
}

impl ReadyText {
    /// Short messages that it takes, 1 to 10.
    pub fn segments(&self) -> u8 {
        self.delivers.len() as u8
    }

    /// Encodes a text, or what stands in its place; `None` where no ten short messages carry it.
    fn encode(
        (kind, text): (Kind, &str),
        form: TextForm,
        message_reference: u8,
        (originating, scts): (&OriginatingAddress, &[u8; TIME_OCTETS]),
    ) -> Option<Self> {
        let control = if kind == Kind::Control { Some(ControlSms::parse(text)?) } else { None };
        let control = control.as_ref();
        let content = control.map_or(Content::Text(text), ControlSms::content);
        let mut options = control.map_or_else(PlanOptions::default, ControlSms::options);
        if form == TextForm::Recoded {
            options.dcs = Some(CodingScheme::UCS2.0);
        }
        let plan = segment::plan(content, &options).ok()?;
        let template = SubmitTemplate {
            destination: NO_DESTINATION,
            first_message_reference: message_reference,
            concatenation_reference: message_reference,
            protocol_identifier: control.map_or(0, ControlSms::pid),
            validity_relative: None,
            status_report_requested: true,
            reject_duplicates: false,
        };
        let mut submits = vec![0; SUBMITS_OCTETS_MAX];
        let octets =
            segment::encode_submits(&plan, content, &options, &template, &mut submits).ok()?;
        let last = usize::from(plan.segments()) - 1;
        let mut delivers = Vec::with_capacity(last + 1);
        for (segment, submit) in relay::submits(&submits[..octets]).enumerate() {
            let mut out = [0; TPDU_OCTETS_MAX];
            let more = segment < last;
            let octets =
                relay::deliver_from_submit(submit, originating, scts, more, &mut out).ok()?;
            delivers.push(out[..octets].into());
        }
        Some(Self { delivers })
    }
}

/// The text of a row: one of those that are ready, or its own, encoded for this turn.
#[derive(Debug)]
pub enum RowText<'a> {
    /// As every phone gets it.
    Ready(&'a ReadyText),
    /// As this one alone does.
    Own(ReadyText),
}

impl std::ops::Deref for RowText<'_> {
    type Target = ReadyText;

    fn deref(&self) -> &ReadyText {
        match self {
            Self::Ready(text) => text,
            Self::Own(text) => text,
        }
    }
}

fn digest_of(text: &str) -> u64 {
    let digest = Sha256::digest(text.as_bytes());
    digest.first_chunk().map_or(0, |octets| u64::from_le_bytes(*octets))
}

/// How fast it goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RunningPace {
    /// Rows a second, in all shards; 0: as the network takes them.
    pub per_second: u32,
    /// Rows a second in each area; 0: no bound of its own.
    pub per_area: u32,
    /// Rows a second by each carrier; 0: no bound of its own.
    pub per_carrier: u32,
    /// Seconds until that of all is reached.
    pub ramp_seconds: u32,
    /// Its share beside other broadcasts of its class.
    pub weight: u16,
    /// Percent of the network's room that rows may take for it to begin some.
    pub share_max: u8,
    /// No attempt from then on, in place of what was so at the start.
    pub deadline_ms: Option<WallMs>,
}

impl RunningPace {
    /// As the network takes them, with the share that a manifest gives which says nothing of it.
    pub fn unlimited() -> Self {
        let RowPace { weight, share_max, .. } = RowPace::default();
        Self {
            per_second: 0,
            per_area: 0,
            per_carrier: 0,
            ramp_seconds: 0,
            weight,
            share_max,
            deadline_ms: None,
        }
    }
}

/// The rows of another broadcast that a leg is for, by what becomes of them: that is looked at when
/// a row's turn comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize)]
pub struct RowsOf {
    /// The other's ordinal.
    pub ordinal: u32,
    /// One bit for each outcome.
    pub outcomes: u16,
}

impl RowsOf {
    /// Those with one of these outcomes.
    pub fn new(ordinal: u32, outcomes: &[Outcome]) -> Self {
        let outcomes = outcomes.iter().fold(0, |bits, outcome| bits | 1 << *outcome as u16);
        Self { ordinal, outcomes }
    }

    /// Whether it is for a row with this outcome.
    pub fn takes(self, outcome: Outcome) -> bool {
        self.outcomes >> outcome as u16 & 1 == 1
    }
}

/// What a started broadcast is about, beside whom it addresses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunningTerms {
    /// Its number in the data directory, given once.
    pub ordinal: u32,
    /// Whose contracts it stands on.
    pub xpid: Xpid,
    /// Its class.
    pub class: Class,
    /// Text for people, or octets for devices.
    pub kind: Kind,
    /// Who phones show as its sender.
    pub sender: String,
    /// When it was started.
    pub started_ms: WallMs,
    /// Between that and the first attempt, in milliseconds.
    pub hold_ms: u64,
    /// No attempt from then on.
    pub deadline_ms: WallMs,
    /// Its place in its chain.
    pub alertseq: u8,
    /// What becomes of rows that a crash leaves in doubt.
    pub on_doubt: OnDoubt,
    /// How fast.
    pub pace: RunningPace,
    /// What fails is not tried again.
    pub once: bool,
    /// What stands in each recipient's place of a reqid.
    pub reqid: String,
    /// The alert that it belongs to, by name.
    pub alertid: Option<String>,
    /// Opt-outs do not count.
    pub ignores_suppression: bool,
    /// Who had the same text within so many milliseconds is skipped.
    pub skips_had_within_ms: Option<u64>,
    /// It takes back what others were told: the end of their alert does not end it.
    pub takes_back: bool,
    /// By leg, where it is for rows of a broadcast that was live at the check; empty where no leg
    /// is.
    pub of: Vec<Option<RowsOf>>,
}

/// A text that some carriers cannot be given as it is.
#[derive(Debug)]
struct Recoded {
    /// Carriers of ISO 8859-1 can.
    is_latin: bool,
    /// `None`: ten short messages do not carry it so.
    text: Option<ReadyText>,
}

/// A started broadcast.
#[derive(Debug)]
pub struct RunningBroadcast {
    /// What it is about.
    pub terms: RunningTerms,
    /// Whom it addresses.
    pub recipients: Recipients,
    /// Its texts, by their numbers.
    pub texts: Vec<ReadyText>,
    /// The same recoded, where there are carriers that lack one of their characters.
    recoded: Vec<Option<Recoded>>,
    /// What tells each text from others, whatever broadcast it is of.
    digests: Vec<u64>,
    /// The same, sorted.
    sorted_digests: Vec<u64>,
    /// Who phones show as its sender.
    originating: OriginatingAddress,
    /// What each shard has left of it.
    pub stakes: Arc<Stakes>,
    /// TP-SCTS of all of them.
    pub scts: [u8; TIME_OCTETS],
    /// TP-MR of the first segment of each text.
    pub message_reference: u8,
}

impl RunningBroadcast {
    /// A broadcast with these texts; `None` where one cannot be encoded, which a check has made
    /// sure of.
    pub fn new(terms: RunningTerms, recipients: Recipients, texts: &[String]) -> Option<Self> {
        let at = calendar::jst(terms.started_ms.ms());
        let scts = relay::scts_jst(at.year, at.month, at.day, at.hour, at.minute, at.second);
        let originating = OriginatingAddress::parse(&terms.sender).ok()?;
        // Two that start in the same second differ.
        let message_reference = (terms.ordinal as u8).wrapping_mul(10);
        let digests: Vec<u64> = texts.iter().map(|text| digest_of(text)).collect();
        let mut sorted_digests = digests.clone();
        sorted_digests.sort_unstable();
        let encode = |text: &String, form: TextForm| {
            let stamp = (&originating, &scts);
            ReadyText::encode((terms.kind, text), form, message_reference, stamp)
        };
        let recoded = |text: &String| {
            let is_plain = terms.kind == Kind::Control || coding::carries(text, Alphabet::Ascii);
            (!is_plain).then(|| Recoded {
                is_latin: coding::carries(text, Alphabet::Latin1),
                text: encode(text, TextForm::Recoded),
            })
        };
        let recoded = texts.iter().map(recoded).collect();
        let texts =
            texts.iter().map(|text| encode(text, TextForm::AsItIs)).collect::<Option<_>>()?;
        Some(Self {
            terms,
            recipients,
            texts,
            recoded,
            digests,
            sorted_digests,
            originating,
            stakes: Arc::default(),
            scts,
            message_reference,
        })
    }

    /// The same under another number. Its texts name it to phones, and are encoded anew.
    pub fn numbered(self, ordinal: u32, texts: &[String]) -> Option<Self> {
        Self::new(RunningTerms { ordinal, ..self.terms }, self.recipients, texts)
    }

    /// What tells a text from others; `None` where there is none.
    pub fn digest(&self, number: Option<u32>) -> Option<u64> {
        match self.own(number) {
            Some(own) => Some(digest_of(own.text)),
            None => number.and_then(|number| self.digests.get(number as usize)).copied(),
        }
    }

    /// Whether it may have a text of this digest: those of rows' own are looked at row by row.
    pub fn has_digest(&self, digest: u64) -> bool {
        self.sorted_digests.binary_search(&digest).is_ok()
            || self.recipients.own_segments_max().is_some()
    }

    /// The text of a row's own, where it is one. What is ready pays one look for this.
    #[inline]
    fn own(&self, number: Option<u32>) -> Option<OwnText<'_>> {
        let number = number.filter(|number| *number >= OWN_FROM)?;
        let Some(own) = self.recipients.own_text(number) else {
            panic!("text {number} of a row is not what was checked: the file was changed")
        };
        Some(own)
    }

    /// In which form a text goes to carriers that take text in this alphabet.
    pub fn form_in(&self, number: Option<u32>, alphabet: Alphabet) -> TextForm {
        if let Some(own) = self.own(number) {
            let as_it_is = match alphabet {
                Alphabet::Gsm | Alphabet::GsmPacked => true,
                Alphabet::Latin1 => own.is_latin,
                Alphabet::Ascii => own.is_ascii,
            };
            return if as_it_is { TextForm::AsItIs } else { TextForm::Recoded };
        }
        let recoded = number.and_then(|number| self.recoded.get(number as usize)?.as_ref());
        match (recoded, alphabet) {
            (None, _) | (_, Alphabet::Gsm | Alphabet::GsmPacked) => TextForm::AsItIs,
            (Some(recoded), Alphabet::Latin1) if recoded.is_latin => TextForm::AsItIs,
            _ => TextForm::Recoded,
        }
    }

    /// The text of a recipient in a form; `None` where it has none, or none that goes so. One of
    /// its own is encoded by this.
    pub fn text_in(&self, number: Option<u32>, form: TextForm) -> Option<RowText<'_>> {
        if let Some(own) = self.own(number) {
            return self.encoded(&own, form).map(RowText::Own);
        }
        let at = number? as usize;
        let ready = match (form, self.recoded.get(at)?) {
            (TextForm::Recoded, Some(recoded)) => recoded.text.as_ref(),
            _ => self.texts.get(at),
        };
        ready.map(RowText::Ready)
    }

    #[cold]
    fn encoded(&self, own: &OwnText<'_>, form: TextForm) -> Option<ReadyText> {
        let form = if own.is_ascii { TextForm::AsItIs } else { form };
        let stamp = (&self.originating, &self.scts);
        ReadyText::encode((self.terms.kind, own.text), form, self.message_reference, stamp)
    }

    /// Short messages of a recipient's text in a form; `None` as for [`Self::text_in`]. Nothing is
    /// encoded for this.
    pub fn segments_in(&self, number: Option<u32>, form: TextForm) -> Option<u8> {
        match self.own(number) {
            Some(own) if form == TextForm::AsItIs || own.is_ascii => Some(own.segments),
            Some(own) => own.recoded,
            None => self.text_in(number, form).map(|text| text.segments()),
        }
    }

    /// The most short messages that one of its texts takes.
    pub fn segments_max(&self) -> u8 {
        let recoded = self.recoded.iter().flatten().filter_map(|recoded| recoded.text.as_ref());
        let ready = self.texts.iter().chain(recoded).map(ReadyText::segments);
        ready.chain(self.recipients.own_segments_max()).max().unwrap_or(1)
    }
}
