//! The PDUs of a customer, written and read octet by octet.

/// command_ids of requests.
pub mod command {
    pub const BIND_RECEIVER: u32 = 0x01;
    pub const BIND_TRANSMITTER: u32 = 0x02;
    pub const QUERY_SM: u32 = 0x03;
    pub const SUBMIT_SM: u32 = 0x04;
    pub const DELIVER_SM: u32 = 0x05;
    pub const UNBIND: u32 = 0x06;
    pub const REPLACE_SM: u32 = 0x07;
    pub const CANCEL_SM: u32 = 0x08;
    pub const BIND_TRANSCEIVER: u32 = 0x09;
    pub const OUTBIND: u32 = 0x0B;
    pub const ENQUIRE_LINK: u32 = 0x15;
    pub const SUBMIT_MULTI: u32 = 0x21;
    pub const BROADCAST_SM: u32 = 0x111;
    pub const DATA_SM: u32 = 0x103;
    /// The bit of answers.
    pub const ANSWER: u32 = 0x8000_0000;
    pub const GENERIC_NACK: u32 = ANSWER;
}

/// Tags of optional parameters.
pub mod tag {
    pub const RECEIPTED_MESSAGE_ID: u16 = 0x001E;
    pub const USER_MESSAGE_REFERENCE: u16 = 0x0204;
    pub const SAR_MSG_REF_NUM: u16 = 0x020C;
    pub const SAR_TOTAL_SEGMENTS: u16 = 0x020E;
    pub const SAR_SEGMENT_SEQNUM: u16 = 0x020F;
    pub const SC_INTERFACE_VERSION: u16 = 0x0210;
    pub const MESSAGE_PAYLOAD: u16 = 0x0424;
    pub const MESSAGE_STATE: u16 = 0x0427;
    pub const MESSAGE_IDS: u16 = 0x1504;
    pub const REQID: u16 = 0x1501;
}

/// A PDU that came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pdu {
    pub command: u32,
    pub status: u32,
    pub sequence: u32,
    pub body: Vec<u8>,
}

impl Pdu {
    /// The text at the front of the body, up to its NUL: the id of an answer to a message.
    pub fn id(&self) -> String {
        let end = self.body.iter().position(|&octet| octet == 0).unwrap_or(self.body.len());
        String::from_utf8_lossy(&self.body[..end]).into_owned()
    }
}

/// What a submit_multi_resp holds (SMPP 3.4, 4.5.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MultiAnswer {
    pub id: String,
    /// Who was not taken, and why.
    pub failed: Vec<(String, u32)>,
    /// Of each destination the id, or nothing.
    pub ids: Vec<String>,
}

impl MultiAnswer {
    /// Reads it.
    ///
    /// # Panics
    /// When it is none.
    pub fn read(pdu: &Pdu) -> Self {
        assert_eq!(pdu.command, command::SUBMIT_MULTI | command::ANSWER);
        let id = pdu.id();
        let mut rest = &pdu.body[id.len() + 1..];
        let count = rest[0];
        rest = &rest[1..];
        let mut failed = Vec::new();
        for _ in 0..count {
            let end = 2 + rest[2..].iter().position(|&octet| octet == 0).expect("a NUL");
            let name = String::from_utf8(rest[2..end].to_vec()).expect("ASCII");
            let status = rest[end + 1..end + 5].try_into().expect("four octets");
            failed.push((name, u32::from_be_bytes(status)));
            rest = &rest[end + 5..];
        }
        let ids = tlvs_of(rest).into_iter().find(|(tag, _)| *tag == tag::MESSAGE_IDS);
        let ids = String::from_utf8(ids.map(|(_, value)| value).unwrap_or_default());
        let ids = ids.expect("ASCII").split(',').map(str::to_owned).collect();
        Self { id, failed, ids }
    }
}

/// A receipt: what its deliver_sm holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receipt {
    pub sequence: u32,
    pub from: String,
    pub to: String,
    pub esm_class: u8,
    pub text: String,
    tlvs: Vec<(u16, Vec<u8>)>,
}

impl Receipt {
    /// Reads the body of a deliver_sm (SMPP 3.4, 4.6.1).
    ///
    /// # Panics
    /// When it is none.
    pub fn read(pdu: &Pdu) -> Self {
        assert_eq!(pdu.command, command::DELIVER_SM);
        let mut at = 0;
        let text = |at: &mut usize| {
            let begun = *at;
            while pdu.body[*at] != 0 {
                *at += 1;
            }
            *at += 1;
            String::from_utf8(pdu.body[begun..*at - 1].to_vec()).expect("ASCII")
        };
        text(&mut at);
        at += 2;
        let from = text(&mut at);
        at += 2;
        let to = text(&mut at);
        let esm_class = pdu.body[at];
        at += 3;
        text(&mut at);
        text(&mut at);
        at += 4;
        let length = usize::from(pdu.body[at]);
        // Latin-1, which ASCII is a part of.
        let text =
            pdu.body[at + 1..at + 1 + length].iter().map(|&octet| char::from(octet)).collect();
        let tlvs = tlvs_of(&pdu.body[at + 1 + length..]);
        Self { sequence: pdu.sequence, from, to, esm_class, text, tlvs }
    }

    /// A field of the text, such as `stat`.
    pub fn field(&self, name: &str) -> &str {
        let begins = format!("{name}:");
        let at = self.text.find(&begins).unwrap_or_else(|| panic!("no {name}: {}", self.text));
        self.text[at + begins.len()..].split(' ').next().unwrap_or_default()
    }

    /// The value of an optional parameter.
    pub fn tlv(&self, tag: u16) -> Option<&[u8]> {
        self.tlvs.iter().find(|(known, _)| *known == tag).map(|(_, value)| &value[..])
    }
}

fn tlvs_of(mut octets: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let mut tlvs = Vec::new();
    while octets.len() >= 4 {
        let length = usize::from(u16::from_be_bytes([octets[2], octets[3]]));
        let tag = u16::from_be_bytes([octets[0], octets[1]]);
        tlvs.push((tag, octets[4..4 + length].to_vec()));
        octets = &octets[4 + length..];
    }
    tlvs
}

/// A submit_sm under construction; by default a receipt is wanted of every end.
#[derive(Clone, Debug)]
pub struct Submit {
    pub source: (u8, u8, String),
    pub destination: (u8, u8, String),
    pub esm_class: u8,
    pub priority: u8,
    pub schedule: String,
    pub validity: String,
    pub registered_delivery: u8,
    pub replace: u8,
    pub data_coding: u8,
    pub default_message: u8,
    pub text: Vec<u8>,
    pub tlvs: Vec<(u16, Vec<u8>)>,
}

impl Submit {
    /// A text to this msn, with the country code.
    pub fn text(msn: &str, text: &str) -> Self {
        Self {
            source: (0, 0, String::new()),
            destination: (1, 1, format!("81{}", &msn[1..])),
            esm_class: 0,
            priority: 0,
            schedule: String::new(),
            validity: String::new(),
            registered_delivery: 1,
            replace: 0,
            data_coding: 0,
            default_message: 0,
            text: text.as_bytes().to_vec(),
            tlvs: Vec::new(),
        }
    }

    /// Adds an optional parameter.
    #[must_use]
    pub fn with(mut self, tag: u16, value: &[u8]) -> Self {
        self.tlvs.push((tag, value.to_vec()));
        self
    }

    /// The body of the PDU (SMPP 3.4, 4.4.1).
    pub fn body(&self) -> Vec<u8> {
        let mut body = vec![0];
        for (ton, npi, digits) in [&self.source, &self.destination] {
            body.extend([*ton, *npi]);
            put_text(&mut body, digits);
        }
        body.extend([self.esm_class, 0, self.priority]);
        put_text(&mut body, &self.schedule);
        put_text(&mut body, &self.validity);
        body.extend([self.registered_delivery, self.replace, self.data_coding]);
        body.extend([self.default_message, self.text.len() as u8]);
        body.extend_from_slice(&self.text);
        put_tlvs(&mut body, &self.tlvs);
        body
    }

    /// The same as the body of a submit_multi to these phones and then to these lists (SMPP 3.4,
    /// 4.5.1).
    pub fn multi_body(&self, msns: &[&str], lists: &[&str]) -> Vec<u8> {
        let (ton, npi, digits) = &self.source;
        let mut body = vec![0, *ton, *npi];
        put_text(&mut body, digits);
        body.push((msns.len() + lists.len()) as u8);
        for msn in msns {
            body.extend([1, 1, 1]);
            put_text(&mut body, &format!("81{}", &msn[1..]));
        }
        for list in lists {
            body.push(2);
            put_text(&mut body, list);
        }
        let single = self.body();
        let heads: usize =
            [&self.source, &self.destination].iter().map(|(.., digits)| 3 + digits.len()).sum();
        body.extend_from_slice(&single[1 + heads..]);
        body
    }

    /// The same as the body of a data_sm (SMPP 3.4, 4.7.1): the text is a parameter.
    pub fn data_body(&self) -> Vec<u8> {
        let mut body = vec![0];
        for (ton, npi, digits) in [&self.source, &self.destination] {
            body.extend([*ton, *npi]);
            put_text(&mut body, digits);
        }
        body.extend([self.esm_class, self.registered_delivery, self.data_coding]);
        put_tlvs(&mut body, &[(tag::MESSAGE_PAYLOAD, self.text.clone())]);
        put_tlvs(&mut body, &self.tlvs);
        body
    }
}

pub(super) fn put_text(body: &mut Vec<u8>, text: &str) {
    body.extend_from_slice(text.as_bytes());
    body.push(0);
}

fn put_tlvs(body: &mut Vec<u8>, tlvs: &[(u16, Vec<u8>)]) {
    for (tag, value) in tlvs {
        body.extend(tag.to_be_bytes());
        body.extend((value.len() as u16).to_be_bytes());
        body.extend_from_slice(value);
    }
}

/// A PDU's octets.
pub fn pdu(command: u32, sequence: u32, body: &[u8]) -> Vec<u8> {
    answer_pdu(command, 0, sequence, body)
}

pub(super) fn answer_pdu(command: u32, status: u32, sequence: u32, body: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(16 + body.len());
    for number in [16 + body.len() as u32, command, status, sequence] {
        octets.extend(number.to_be_bytes());
    }
    octets.extend_from_slice(body);
    octets
}
