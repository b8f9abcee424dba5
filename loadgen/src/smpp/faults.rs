//! What an SMSC under test does wrong on purpose, and how each submit of a run fares.
//!
//! Invariant: the fate of submit `n` depends on the seed and `n` alone, so that a run with the same
//! order of submits has the same faults.

use crate::random::{below, splitmix};
use std::time::Duration;
use wire::smpp::status::Status;

/// Parts of a whole that a [`Share`] counts.
const WHOLE: u32 = 1_000_000;
/// What sets the draws of one submit apart from each other.
const ANSWER_DRAW: u64 = 0x616e_7377;
const RECEIPT_DRAW: u64 = 0x7265_6370;
const END_DRAW: u64 = 0x656e_6421;

/// A share of all submits, in millionths.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Share(u32);

impl Share {
    /// None of them.
    pub const NONE: Self = Self(0);
    /// All of them.
    pub const ALL: Self = Self(WHOLE);

    /// One in `count`; none where `count` is 0.
    pub const fn one_in(count: u32) -> Self {
        match WHOLE.checked_div(count) {
            Some(parts) => Self(parts),
            None => Self::NONE,
        }
    }

    /// Reads `2%`, `0.5%`, `1/7` or `all`; else a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let refuse = || format!("\"{text}\" is not a share: write 2%, 1/7 or all.");
        let parts = match (text.strip_suffix('%'), text.split_once('/')) {
            (Some(percent), _) => percent.parse::<f64>().map_err(|_| refuse())? / 100.0,
            (None, Some((part, whole))) => {
                let number = |text: &str| text.parse::<f64>().map_err(|_| refuse());
                number(part)? / number(whole)?
            }
            (None, None) if text == "all" => 1.0,
            (None, None) => return Err(refuse()),
        };
        if !(0.0..=1.0).contains(&parts) {
            return Err(refuse());
        }
        Ok(Self((parts * f64::from(WHOLE)).round() as u32))
    }
}

/// What goes wrong, each for a share of the submits. Faults of the answer exclude each other, as do
/// those of the receipt.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Faults {
    /// Taken, and never answered.
    pub no_answer: Share,
    /// Taken, and answered `late_by` later.
    pub late_answer: Share,
    /// See `late_answer`.
    pub late_by: Duration,
    /// Taken, and the connection is cut instead of an answer.
    pub cut: Share,
    /// Taken, and answered ESME_ROK without a body: there is no message_id.
    pub bodyless: Share,
    /// Refused with these statuses.
    pub statuses: Vec<(Status, Share)>,
    /// The receipt is never sent.
    pub lost_receipt: Share,
    /// The receipt is sent twice.
    pub double_receipt: Share,
    /// The receipt comes before the answer.
    pub early_receipt: Share,
    /// The message ends undelivered.
    pub undelivered: Share,
}

/// How the answer to one submit fares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AnswerFate {
    /// Taken and answered.
    Taken,
    /// Taken, answered later.
    Late,
    /// Taken, not answered.
    Never,
    /// Taken, the connection cut.
    Cut,
    /// Taken, answered without a body.
    Bodyless,
    /// Refused.
    Refused(Status),
}

/// How the receipt of one submit fares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReceiptFate {
    /// Once, after the answer.
    Once,
    /// Never.
    Lost,
    /// Twice.
    Twice,
    /// Before the answer.
    Early,
}

impl Faults {
    /// Takes one more from `NAME=SHARE`, where the name is one of [`FAULT_NAMES`] or a status such
    /// as `status:0x45`; else a sentence.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        let (name, share) = text
            .split_once('=')
            .ok_or_else(|| format!("\"{text}\" is not a fault: write NAME=SHARE."))?;
        let share = Share::parse(share)?;
        let place = match name {
            "no-answer" => &mut self.no_answer,
            "late-answer" => &mut self.late_answer,
            "cut" => &mut self.cut,
            "bodyless" => &mut self.bodyless,
            "lost-receipt" => &mut self.lost_receipt,
            "double-receipt" => &mut self.double_receipt,
            "early-receipt" => &mut self.early_receipt,
            "undelivered" => &mut self.undelivered,
            _ => {
                let number = name
                    .strip_prefix("status:0x")
                    .and_then(|hex| u32::from_str_radix(hex, 16).ok());
                let number = number.filter(|&number| number > 0).ok_or_else(|| {
                    format!("\"{name}\" is no fault: choose {FAULT_NAMES} or status:0xNN.")
                })?;
                self.statuses.push((Status(number), share));
                return Ok(());
            }
        };
        *place = share;
        Ok(())
    }

    /// How the answer to submit `number` fares under `seed`.
    pub fn answer(&self, seed: u64, number: u64) -> AnswerFate {
        let fixed = [
            (self.no_answer, AnswerFate::Never),
            (self.late_answer, AnswerFate::Late),
            (self.cut, AnswerFate::Cut),
            (self.bodyless, AnswerFate::Bodyless),
        ];
        let refused =
            self.statuses.iter().map(|&(status, share)| (share, AnswerFate::Refused(status)));
        let all = fixed.into_iter().chain(refused);
        chosen(draw(seed, number, ANSWER_DRAW), all).unwrap_or(AnswerFate::Taken)
    }

    /// How its receipt fares.
    pub fn receipt(&self, seed: u64, number: u64) -> ReceiptFate {
        let all = [
            (self.lost_receipt, ReceiptFate::Lost),
            (self.double_receipt, ReceiptFate::Twice),
            (self.early_receipt, ReceiptFate::Early),
        ];
        chosen(draw(seed, number, RECEIPT_DRAW), all).unwrap_or(ReceiptFate::Once)
    }

    /// Whether it ends delivered.
    pub fn is_delivered(&self, seed: u64, number: u64) -> bool {
        draw(seed, number, END_DRAW) >= self.undelivered.0
    }
}

/// The names of faults that are no statuses.
pub const FAULT_NAMES: &str = "no-answer, late-answer, cut, bodyless, lost-receipt, \
     double-receipt, early-receipt, undelivered";

fn draw(seed: u64, number: u64, which: u64) -> u32 {
    below(splitmix(seed ^ which), number, u64::from(WHOLE)) as u32
}

/// The one that `drawn` falls on, each having its share of `0..WHOLE` behind those before it.
fn chosen<T>(drawn: u32, all: impl IntoIterator<Item = (Share, T)>) -> Option<T> {
    let mut bound = 0;
    all.into_iter().find_map(|(Share(parts), one)| {
        bound += parts;
        (drawn < bound).then_some(one)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_as_people_write_them() {
        for (text, parts) in
            [("2%", 20_000), ("0.5%", 5_000), ("1/8", 125_000), ("all", WHOLE), ("0%", 0)]
        {
            assert_eq!(Share::parse(text), Ok(Share(parts)), "{text}");
        }
        for wrong in ["", "2", "x%", "101%", "-1%", "1/0", "3/2", "0/0"] {
            assert!(Share::parse(wrong).expect_err(wrong).ends_with('.'), "{wrong}");
        }
        assert_eq!((Share::one_in(0), Share::one_in(4)), (Share::NONE, Share(250_000)));
    }

    #[test]
    fn every_fault_comes_in_its_share_and_the_same_for_the_same_seed() {
        let mut faults = Faults::default();
        for fault in ["no-answer=10%", "late-answer=5%", "cut=1%", "bodyless=4%", "status:0x58=20%"]
        {
            faults.add(fault).expect(fault);
        }
        for fault in
            ["lost-receipt=10%", "double-receipt=20%", "early-receipt=30%", "undelivered=25%"]
        {
            faults.add(fault).expect(fault);
        }
        let count = 100_000;
        let share =
            |is: &dyn Fn(u64) -> bool| (0..count).filter(|&n| is(n)).count() as f64 / count as f64;
        let near =
            |share: f64, wanted: f64| assert!((share - wanted).abs() < 0.01, "{share} {wanted}");
        near(share(&|n| faults.answer(1, n) == AnswerFate::Never), 0.10);
        near(share(&|n| faults.answer(1, n) == AnswerFate::Late), 0.05);
        near(share(&|n| faults.answer(1, n) == AnswerFate::Cut), 0.01);
        near(share(&|n| faults.answer(1, n) == AnswerFate::Bodyless), 0.04);
        near(share(&|n| faults.answer(1, n) == AnswerFate::Refused(Status::THROTTLED)), 0.20);
        near(share(&|n| faults.receipt(1, n) == ReceiptFate::Lost), 0.10);
        near(share(&|n| faults.receipt(1, n) == ReceiptFate::Twice), 0.20);
        near(share(&|n| faults.receipt(1, n) == ReceiptFate::Early), 0.30);
        near(share(&|n| !faults.is_delivered(1, n)), 0.25);
        assert!((0..1_000).all(|n| faults.answer(7, n) == faults.clone().answer(7, n)));
        assert!((0..1_000).any(|n| faults.answer(7, n) != faults.answer(8, n)));
        for wrong in ["no-answer", "fly=1%", "status:0x0=1%", "status:99=1%", "cut=7"] {
            assert!(faults.add(wrong).expect_err(wrong).ends_with('.'), "{wrong}");
        }
    }
}
