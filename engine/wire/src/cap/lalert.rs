//! L-Alert (Lアラート) as its receivers hand it on: an object of JSON for each message.
//!
//! A document keeps its `docid` through all its revisions; mode and municipality belong to its
//! name, so that an exercise never meets the real thing.

use serde::Deserialize;

use super::area::{Area, AreaSystem, shown};
use super::limits::{DOCUMENT_OCTETS_MAX, TEXT_CHARACTERS_MAX};
use super::message::{Format, Gravity, Info, Kind, Message, Scope, Status, Warnings};
use super::refusal::WarningRefusal;
use crate::json;
use crate::terms::ids::Class;
use crate::terms::rfc3339::parse_rfc3339;
use crate::terms::time::WallMs;

/// The fields that are read; others are passed over.
#[derive(Deserialize)]
struct Document {
    docid: String,
    revision: Number,
    mode: String,
    citycode: String,
    status: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    level: Option<Number>,
    #[serde(default)]
    text: String,
    #[serde(default)]
    sender: String,
    #[serde(default)]
    sent: Option<String>,
    #[serde(default)]
    expires: Option<String>,
}

/// A number, as one or as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Number(u32),
    Text(String),
}

impl Number {
    fn value(&self, element: &str) -> Result<u32, WarningRefusal> {
        let text = match self {
            Self::Number(number) => return Ok(*number),
            Self::Text(text) => text,
        };
        let number =
            text.bytes().all(|octet| octet.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        number.ok_or_else(|| {
            WarningRefusal::alert(element, format!("{:?} is no number: correct it", shown(text)))
        })
    }
}

/// Reads one message that came at `received`, which is when it counts as sent where it does not
/// say.
pub(super) fn read(octets: &[u8], received: WallMs) -> Result<Message, WarningRefusal> {
    if octets.len() > DOCUMENT_OCTETS_MAX {
        return Err(WarningRefusal::document(format!(
            "it is longer than {} MiB",
            DOCUMENT_OCTETS_MAX >> 20
        )));
    }
    let document: Document = json::read(&mut octets.to_vec()).map_err(|error| {
        WarningRefusal::document(format!(
            "it is no message of L-Alert in JSON ({error}): correct it"
        ))
    })?;
    let (kind, status) = (kind(&document.status)?, status(&document.mode)?);
    let instant = |element: &str, text: &Option<String>| match text {
        Some(text) => parse_rfc3339(text).map(Some).ok_or_else(|| {
            WarningRefusal::alert(
                element,
                format!("{:?} is no date and time with an offset", shown(text)),
            )
        }),
        None => Ok(None),
    };
    let mut area = Area::default();
    area.add_code(AreaSystem::JisX0402, &document.citycode)
        .map_err(|why| WarningRefusal::area("citycode", why))?;
    let code = area.codes.first().map(|area| area.code.clone()).unwrap_or_default();
    if document.docid.is_empty() || document.text.chars().nth(TEXT_CHARACTERS_MAX).is_some() {
        return Err(WarningRefusal::alert(
            "docid",
            "it is empty, or the text is too long: correct it",
        ));
    }
    let revision = document.revision.value("revision")?;
    let chain = format!("{}-{code}-{}", document.docid, document.mode);
    let level = document.level.as_ref().map(|level| level.value("level")).transpose()?;
    let info = Info {
        language: "ja".to_owned(),
        gravity: gravity(level),
        effective: None,
        expires: instant("expires", &document.expires)?,
        event: document.kind,
        sender_name: String::new(),
        headline: document.text,
        instruction: String::new(),
        web: String::new(),
        parameters: Vec::new(),
        area,
    };
    Ok(Message {
        format: Format::Lalert,
        sender: if document.sender.is_empty() { "L-Alert".to_owned() } else { document.sender },
        identifier: format!("{chain}-{revision}"),
        sent: instant("sent", &document.sent)?.unwrap_or(received),
        status,
        kind,
        scope: Scope::Public,
        addresses: Vec::new(),
        references: Vec::new(),
        chain: Some(chain),
        revision: Some(revision),
        infos: if kind == Kind::Cancel { Vec::new() } else { vec![info] },
        is_signed: false,
        warnings: Warnings::default(),
    })
}

fn kind(word: &str) -> Result<Kind, WarningRefusal> {
    match word {
        "新規" => Ok(Kind::Alert),
        "更新" => Ok(Kind::Update),
        "取消" | "無効化" => Ok(Kind::Cancel),
        other => {
            let sentence =
                format!("{:?} is none of 新規, 更新, 取消, 無効化: correct it", shown(other));
            Err(WarningRefusal::alert("status", sentence))
        }
    }
}

fn status(word: &str) -> Result<Status, WarningRefusal> {
    match word {
        "本番" => Ok(Status::Actual),
        "訓練" => Ok(Status::Exercise),
        "テスト" => Ok(Status::Test),
        other => {
            let sentence = format!("{:?} is none of 本番, 訓練, テスト: correct it", shown(other));
            Err(WarningRefusal::alert("mode", sentence))
        }
    }
}

fn gravity(level: Option<u32>) -> Gravity {
    match level {
        Some(4 | 5) => Gravity::Class(Class::Emergency),
        Some(3) => Gravity::Class(Class::Urgent),
        Some(1 | 2) => Gravity::Class(Class::Standard),
        _ => Gravity::Unknown,
    }
}
