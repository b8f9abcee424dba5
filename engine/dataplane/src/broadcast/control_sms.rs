//! A control SMS: octets for devices, in place of a text. Beside texts it stands written in one
//! line, `c0ffee udh 06050415b30000 pid 64 dcs 4`, of which only the octets are always there.
//!
//! **Invariant:** what is written is read again as the same.

use std::fmt::{self, Display, Formatter};

use wire::sms::segment::{self, Content, PlanOptions};

use super::manifest::Texts;

/// Octets for devices, and what stands before them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ControlSms {
    octets: Vec<u8>,
    udh: Vec<u8>,
    pid: u8,
    dcs: Option<u8>,
}

impl ControlSms {
    /// What is to be sent; `None` where it is none, or not in whole octets.
    pub fn of(texts: &Texts) -> Option<Self> {
        let octets = octets_of(texts.control.as_deref()?).filter(|octets| !octets.is_empty())?;
        let udh = octets_of(texts.udh.as_deref().unwrap_or_default())?;
        Some(Self { octets, udh, pid: texts.pid.unwrap_or_default(), dcs: texts.dcs })
    }

    /// Back from the line that it is written in.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let octets = octets_of(words.next()?)?;
        let mut read = Self { octets, udh: Vec::new(), pid: 0, dcs: None };
        while let Some(name) = words.next() {
            let value = words.next()?;
            match name {
                "udh" => read.udh = octets_of(value)?,
                "pid" => read.pid = value.parse().ok()?,
                "dcs" => read.dcs = Some(value.parse().ok()?),
                _ => return None,
            }
        }
        Some(read)
    }

    /// The octets.
    pub fn content(&self) -> Content<'_> {
        Content::Octets(&self.octets)
    }

    /// How they are coded, and behind which header.
    pub fn options(&self) -> PlanOptions<'_> {
        PlanOptions { client_udh: &self.udh, dcs: self.dcs, national: false }
    }

    /// TP-PID.
    pub fn pid(&self) -> u8 {
        self.pid
    }

    /// Short messages that it takes; `None` where ten do not carry it, or where header or coding
    /// scheme are none for octets.
    pub fn segments(&self) -> Option<u8> {
        segment::plan(self.content(), &self.options()).ok().map(|plan| plan.segments())
    }
}

impl Display for ControlSms {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))?;
        if !self.udh.is_empty() {
            f.write_str(" udh ")?;
            self.udh.iter().try_for_each(|octet| write!(f, "{octet:02x}"))?;
        }
        if self.pid != 0 {
            write!(f, " pid {}", self.pid)?;
        }
        self.dcs.map_or(Ok(()), |dcs| write!(f, " dcs {dcs}"))
    }
}

fn octets_of(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.as_bytes();
    let digit = |at: usize| char::from(digits[at]).to_digit(16).map(|digit| digit as u8);
    let octet = |at: usize| Some(digit(at)? << 4 | digit(at + 1)?);
    digits.len().is_multiple_of(2).then(|| (0..digits.len()).step_by(2).map(octet).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(control: &str) -> Texts {
        Texts { control: Some(control.to_owned()), ..Texts::default() }
    }

    #[test]
    fn what_is_written_is_read_again_as_the_same() {
        for (texts, line, segments) in [
            (texts("C0FFee"), "c0ffee", Some(1)),
            (
                Texts {
                    udh: Some("06050415b30000".to_owned()),
                    pid: Some(64),
                    dcs: Some(4),
                    ..texts("00")
                },
                "00 udh 06050415b30000 pid 64 dcs 4",
                Some(1),
            ),
            (texts(&"ab".repeat(141)), &"ab".repeat(141), Some(2)),
            (texts(&"ab".repeat(5_000)), &"ab".repeat(5_000), None),
            (Texts { dcs: Some(0), ..texts("00") }, "00 dcs 0", None),
            (Texts { udh: Some("05".to_owned()), ..texts("00") }, "00 udh 05", None),
        ] {
            let control = ControlSms::of(&texts).expect("octets");
            assert_eq!(control.to_string(), line);
            assert_eq!(ControlSms::parse(line), Some(control.clone()));
            assert_eq!(control.segments(), segments, "{line}");
        }
        assert_eq!(ControlSms::of(&Texts::default()), None);
        for wrong in ["", "0", "0g", "é0"] {
            assert_eq!(ControlSms::of(&texts(wrong)), None, "{wrong}");
        }
        assert_eq!(ControlSms::parse("00 udh"), None);
    }
}
