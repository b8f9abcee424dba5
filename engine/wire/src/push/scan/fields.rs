//! The general path: elements in any order, every refusal.

use super::{Alert, CancelTarget, Cancellation, PushRequest, Request, ScanRefusal};
use crate::push::entities;
use crate::push::flat::{FlatError, FlatReader};
use crate::push::limits::{
    ALERT_ID_OCTETS_MAX, LIFETIME_HOURS_MAX, SENDER_OCTETS_MAX, UDH_DIGITS_MAX,
};
use crate::push::request::Echo;
use crate::terms::calendar;
use crate::terms::code::Code;
use crate::terms::ids::{Class, Kind, Msn, Reqid, Xpid, is_a_type};
use memchr::memchr;

/// The elements of E1 and E3, in the order of the interface's table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Name {
    Fncid,
    Comway,
    Msn,
    Reqid,
    Svcid,
    Lifetime,
    Ctrlflg,
    Pid,
    Dcs,
    Udh,
    Oadr,
    Dlvntf,
    Expiry,
    Alertid,
    Alertseq,
    Data,
}

const NAMES: usize = Name::Data as usize + 1;

impl Name {
    #[inline]
    fn parse(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"fncid" => Self::Fncid,
            b"comway" => Self::Comway,
            b"msn" => Self::Msn,
            b"reqid" => Self::Reqid,
            b"svcid" => Self::Svcid,
            b"lifetime" => Self::Lifetime,
            b"ctrlflg" => Self::Ctrlflg,
            b"pid" => Self::Pid,
            b"dcs" => Self::Dcs,
            b"udh" => Self::Udh,
            b"oadr" => Self::Oadr,
            b"dlvntf" => Self::Dlvntf,
            b"expiry" => Self::Expiry,
            b"alertid" => Self::Alertid,
            b"alertseq" => Self::Alertseq,
            b"data" => Self::Data,
            _ => return None,
        })
    }

    const fn bit(self) -> u32 {
        1 << self as u8
    }
}

const PUSH_REQUIRED: u32 = Name::Fncid.bit()
    | Name::Comway.bit()
    | Name::Msn.bit()
    | Name::Reqid.bit()
    | Name::Svcid.bit()
    | Name::Lifetime.bit()
    | Name::Ctrlflg.bit()
    | Name::Data.bit();
const PUSH_OPTIONAL: u32 = Name::Pid.bit()
    | Name::Dcs.bit()
    | Name::Udh.bit()
    | Name::Oadr.bit()
    | Name::Dlvntf.bit()
    | Name::Expiry.bit()
    | ALERT_PAIR;
const ALERT_PAIR: u32 = Name::Alertid.bit() | Name::Alertseq.bit();
const CANCEL_REQUIRED: u32 = Name::Fncid.bit()
    | Name::Comway.bit()
    | Name::Msn.bit()
    | Name::Reqid.bit()
    | Name::Svcid.bit();

/// The msn that stands for "all" in a cancellation.
const MSN_ALL: &[u8] = b"00000000000";

/// The general path of [`super::scan`].
pub(super) fn scan(body: &[u8]) -> Result<Request<'_>, ScanRefusal<'_>> {
    let mut fields = Fields::default();
    match read(body, &mut fields) {
        Ok(request) => Ok(request),
        Err(code) => Err(ScanRefusal { code, echo: fields.echo() }),
    }
}

fn read<'a>(body: &'a [u8], fields: &mut Fields<'a>) -> Result<Request<'a>, Code> {
    let mut reader = FlatReader::open(body).map_err(code_of)?;
    fields.fill(&mut reader)?;
    //= push element fncid
    match fields.value(Name::Fncid) {
        None => Err(Code::ELEMENT_MISSING),
        Some(b"0101") => read_push(fields).map(Request::Push),
        Some(b"0201") => read_cancel(fields).map(Request::Cancel),
        Some(_) => Err(Code::UNKNOWN_FNCID),
    }
}

fn read_push<'a>(fields: &Fields<'a>) -> Result<PushRequest<'a>, Code> {
    let class = fields.class()?;
    fields.check_elements(PUSH_REQUIRED, PUSH_OPTIONAL)?;
    //= push element alert
    if !matches!(fields.present & ALERT_PAIR, 0 | ALERT_PAIR) {
        return Err(Code::ELEMENT_MISSING);
    }
    let msn = fields.parsed(Name::Msn, Msn::parse)?;
    //= push element msn
    if msn == Msn::ALL {
        return Err(Code::BAD_VALUE);
    }
    //= push element reqid
    let reqid = fields.parsed(Name::Reqid, Reqid::parse)?;
    //= push element svcid
    let xpid = fields.parsed(Name::Svcid, Xpid::parse)?;
    let lifetime_hours = fields.parsed(Name::Lifetime, parse_lifetime)?;
    let kind = fields.parsed(Name::Ctrlflg, parse_kind)?;
    let options = Options::read(fields)?;
    let data = fields.value(Name::Data).ok_or(Code::ELEMENT_MISSING)?;
    check_data(kind, data)?;
    Ok(options.with(Front { class, msn, reqid, xpid, lifetime_hours, kind }, data))
}

fn read_cancel<'a>(fields: &Fields<'a>) -> Result<Cancellation<'a>, Code> {
    fields.class()?;
    //= push cancel alert
    let of_an_alert = fields.value(Name::Msn) == Some(MSN_ALL);
    let alert_id = if of_an_alert { Name::Alertid.bit() } else { 0 };
    fields.check_elements(CANCEL_REQUIRED | alert_id, 0)?;
    let msn = fields.parsed(Name::Msn, Msn::parse)?;
    let reqid = fields.parsed(Name::Reqid, Reqid::parse)?;
    let xpid = fields.parsed(Name::Svcid, Xpid::parse)?;
    let target = if of_an_alert {
        CancelTarget::Alert { reqid, alert_id: fields.parsed(Name::Alertid, parse_alert_id)? }
    } else {
        CancelTarget::Push { msn, reqid }
    };
    Ok(Cancellation { xpid, target })
}

/// Text data must be UTF-8 of XML's characters with good references; control data is left to
/// admission.
pub(super) fn check_data(kind: Kind, data: &[u8]) -> Result<(), Code> {
    if kind == Kind::Control {
        return Ok(());
    }
    //= push body characters
    if str::from_utf8(data).is_err() {
        return Err(Code::NOT_UTF8);
    }
    entities::check_characters(data)?;
    if memchr(b'&', data).is_some() { entities::check_entities(data) } else { Ok(()) }
}

//= push element lifetime
pub(super) fn parse_lifetime(text: &[u8]) -> Option<u8> {
    parse_two_digits(text).filter(|&hours| hours <= LIFETIME_HOURS_MAX)
}

//= push element ctrlflg
pub(super) fn parse_kind(text: &[u8]) -> Option<Kind> {
    match text {
        b"0" => Some(Kind::Control),
        b"1" => Some(Kind::Text),
        _ => None,
    }
}

/// What a push's front elements say, once read.
pub(super) struct Front {
    pub(super) class: Class,
    pub(super) msn: Msn,
    pub(super) reqid: Reqid,
    pub(super) xpid: Xpid,
    pub(super) lifetime_hours: u8,
    pub(super) kind: Kind,
}

/// The optional elements of a push.
#[derive(Default)]
pub(super) struct Options<'a> {
    protocol_identifier: Option<u8>,
    coding_scheme: Option<u8>,
    udh_hex: Option<&'a [u8]>,
    sender: Option<&'a [u8]>,
    wants_notification: Option<bool>,
    expiry_ms: Option<u64>,
    alert: Option<Alert<'a>>,
}

impl<'a> Options<'a> {
    fn read(fields: &Fields<'a>) -> Result<Self, Code> {
        let alert_id = fields.optional(Name::Alertid, parse_alert_id)?;
        let alert_sequence = fields.optional(Name::Alertseq, parse_two_digits)?;
        Ok(Self {
            protocol_identifier: fields.optional(Name::Pid, parse_octet)?,
            coding_scheme: fields.optional(Name::Dcs, parse_octet)?,
            udh_hex: fields.optional(Name::Udh, parse_udh)?,
            //= push element oadr
            sender: fields.optional(Name::Oadr, |text| a_type(text, SENDER_OCTETS_MAX))?,
            wants_notification: fields.optional(Name::Dlvntf, parse_flag)?,
            //= push element expiry
            expiry_ms: fields.optional(Name::Expiry, calendar::parse_jst_digits)?,
            alert: alert_id.zip(alert_sequence).map(|(id, sequence)| Alert { id, sequence }),
        })
    }

    /// The optional elements and `data` of a push whose front was read elsewhere; `None` if
    /// anything about them calls for the general path.
    pub(super) fn read_tail(tail: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let mut fields = Fields::default();
        fields.fill(&mut FlatReader::resume(tail)).ok()?;
        fields.check_elements(Name::Data.bit(), PUSH_OPTIONAL).ok()?;
        if !matches!(fields.present & ALERT_PAIR, 0 | ALERT_PAIR) {
            return None;
        }
        Some((Self::read(&fields).ok()?, fields.value(Name::Data)?))
    }

    pub(super) fn with(self, front: Front, data: &'a [u8]) -> PushRequest<'a> {
        PushRequest {
            class: front.class,
            msn: front.msn,
            reqid: front.reqid,
            xpid: front.xpid,
            lifetime_hours: front.lifetime_hours,
            kind: front.kind,
            protocol_identifier: self.protocol_identifier,
            coding_scheme: self.coding_scheme,
            udh_hex: self.udh_hex,
            sender: self.sender,
            wants_notification: self.wants_notification,
            expiry_ms: self.expiry_ms,
            alert: self.alert,
            data,
        }
    }
}

/// The first text of each element that occurred.
#[derive(Default)]
struct Fields<'a> {
    texts: [&'a [u8]; NAMES],
    present: u32,
    repeated_or_unknown: bool,
}

impl<'a> Fields<'a> {
    fn fill(&mut self, reader: &mut FlatReader<'a>) -> Result<(), Code> {
        while let Some(element) = reader.next().map_err(code_of)? {
            let name = Name::parse(element.name);
            //= push body order
            if self.present & Name::Data.bit() != 0 && name != Some(Name::Data) {
                return Err(Code::NOT_FLAT_FORM);
            }
            match name {
                Some(name) if self.present & name.bit() == 0 => {
                    self.texts[name as usize] = element.text;
                    self.present |= name.bit();
                }
                _ => self.repeated_or_unknown = true,
            }
        }
        Ok(())
    }

    #[inline]
    fn value(&self, name: Name) -> Option<&'a [u8]> {
        (self.present & name.bit() != 0).then(|| self.texts[name as usize])
    }

    /// The class of the first `comway`. Without one the answer does not matter: it is missing
    /// further on.
    //= push element comway
    fn class(&self) -> Result<Class, Code> {
        match self.value(Name::Comway) {
            None | Some(b"1101") => Ok(Class::Standard),
            Some(b"1102") => Ok(Class::Urgent),
            Some(b"1103") => Ok(Class::Emergency),
            Some(b"1109") => Ok(Class::Exercise),
            Some(_) => Err(Code::UNKNOWN_COMWAY),
        }
    }

    /// No element that the event does not have, none twice, none missing.
    //= push body elements
    fn check_elements(&self, required: u32, optional: u32) -> Result<(), Code> {
        if self.repeated_or_unknown || self.present & !(required | optional) != 0 {
            return Err(Code::UNKNOWN_ELEMENT);
        }
        if self.present & required != required { Err(Code::ELEMENT_MISSING) } else { Ok(()) }
    }

    #[inline]
    fn parsed<T>(&self, name: Name, parse: impl Fn(&'a [u8]) -> Option<T>) -> Result<T, Code> {
        parse(self.value(name).ok_or(Code::ELEMENT_MISSING)?).ok_or(Code::BAD_VALUE)
    }

    #[inline]
    fn optional<T>(
        &self,
        name: Name,
        parse: impl Fn(&'a [u8]) -> Option<T>,
    ) -> Result<Option<T>, Code> {
        self.value(name).map(|text| parse(text).ok_or(Code::BAD_VALUE)).transpose()
    }

    //= push element echo
    fn echo(&self) -> Echo<'a> {
        let legal =
            |name, is_legal: fn(&[u8]) -> bool| self.value(name).filter(|text| is_legal(text));
        Echo {
            msn: legal(Name::Msn, |text| Msn::parse(text).is_some()).unwrap_or_default(),
            reqid: legal(Name::Reqid, |text| Reqid::parse(text).is_some()).unwrap_or_default(),
            svcid: legal(Name::Svcid, |text| Xpid::parse(text).is_some()).unwrap_or_default(),
        }
    }
}

fn code_of(error: FlatError) -> Code {
    match error {
        FlatError::Form => Code::NOT_FLAT_FORM,
        FlatError::Encoding => Code::NOT_UTF8,
    }
}

fn parse_two_digits(text: &[u8]) -> Option<u8> {
    match text {
        [tens @ b'0'..=b'9', units @ b'0'..=b'9'] => Some((tens - b'0') * 10 + units - b'0'),
        _ => None,
    }
}

//= push element pid and dcs
fn parse_octet(text: &[u8]) -> Option<u8> {
    let &[high, low] = text else { return None };
    let digit = |octet: u8| char::from(octet).to_digit(16);
    Some((digit(high)? * 16 + digit(low)?) as u8)
}

//= push element dlvntf
fn parse_flag(text: &[u8]) -> Option<bool> {
    match text {
        b"0" => Some(false),
        b"1" => Some(true),
        _ => None,
    }
}

//= push element udh
fn parse_udh(text: &[u8]) -> Option<&[u8]> {
    let legal = (2..=UDH_DIGITS_MAX).contains(&text.len())
        && text.len().is_multiple_of(2)
        && text.iter().all(u8::is_ascii_hexdigit);
    legal.then_some(text)
}

//= push element alert
fn parse_alert_id(text: &[u8]) -> Option<&[u8]> {
    a_type(text, ALERT_ID_OCTETS_MAX)
}

fn a_type(text: &[u8], octets_max: usize) -> Option<&[u8]> {
    let legal =
        !text.is_empty() && text.len() <= octets_max && text.iter().all(|&octet| is_a_type(octet));
    legal.then_some(text)
}
