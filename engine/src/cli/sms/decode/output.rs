//! A decoded TPDU as it is printed: lines for people, JSON for programs.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::super::{hex_of, shown};
use super::Reading;
use wire::sms::describe::{DescribedField, FieldValue, describe};
use wire::sms::tpdu::Direction;

/// What is printed.
#[derive(Serialize)]
pub(super) struct Output {
    #[serde(rename = "type")]
    kind: &'static str,
    direction: &'static str,
    octets: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_centre: Option<String>,
    fields: Vec<OutputField>,
    #[serde(skip_serializing_if = "String::is_empty")]
    trailing: String,
}

#[derive(Serialize)]
struct OutputField {
    name: String,
    value: OutputValue,
    #[serde(skip_serializing_if = "String::is_empty")]
    meaning: String,
    #[serde(skip_serializing_if = "Details::is_empty")]
    details: Details,
}

#[derive(Serialize)]
#[serde(untagged)]
enum OutputValue {
    Number(u32),
    Text(String),
    Flag(bool),
}

struct Details(Vec<(&'static str, OutputValue)>);

impl Details {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Details {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl Output {
    pub(super) fn new(reading: &Reading<'_>) -> Self {
        let direction = match reading.tpdu.direction() {
            Direction::FromTerminal => "mo",
            Direction::ToTerminal => "mt",
        };
        Self {
            kind: reading.tpdu.name(),
            direction,
            octets: reading.octets.len(),
            service_centre: reading.service_centre.map(|address| address.text()),
            fields: describe(&reading.tpdu).into_iter().map(OutputField::from).collect(),
            trailing: hex_of(reading.trailing),
        }
    }

    pub(super) fn text(&self) -> String {
        let direction = if self.direction == "mo" { "from" } else { "to" };
        let mut text = format!("{} {direction} the terminal, {} octets\n", self.kind, self.octets);
        match self.service_centre.as_deref() {
            None => {}
            Some("") => text.push_str("service centre: none is named\n"),
            Some(address) => text.push_str(&format!("service centre {address}\n")),
        }
        let rendered: Vec<(&str, String, &str)> = self
            .fields
            .iter()
            .map(|field| {
                let value = match &field.value {
                    OutputValue::Number(number) => format!("{number} ({number:02X})"),
                    OutputValue::Text(text) => shown(text),
                    OutputValue::Flag(flag) => flag.to_string(),
                };
                (field.name.as_str(), value, field.meaning.as_str())
            })
            .collect();
        let name_width = rendered.iter().map(|(name, ..)| name.len()).max().unwrap_or_default();
        for (name, value, meaning) in rendered {
            let line = format!("  {name:name_width$}  {value:<28}  {meaning}");
            text.push_str(line.trim_end());
            text.push('\n');
        }
        if !self.trailing.is_empty() {
            text.push_str(&format!("trailing octets {}\n", self.trailing));
        }
        text
    }
}

impl From<DescribedField> for OutputField {
    fn from(field: DescribedField) -> Self {
        let details = field.details.into_iter().map(|(name, value)| (name, value.into())).collect();
        Self {
            name: field.name,
            value: field.value.into(),
            meaning: field.meaning,
            details: Details(details),
        }
    }
}

impl From<FieldValue> for OutputValue {
    fn from(value: FieldValue) -> Self {
        match value {
            FieldValue::Number(number) => Self::Number(number),
            FieldValue::Flag(flag) => Self::Flag(flag),
            FieldValue::Text(_) | FieldValue::Octets(_) => Self::Text(value.to_string()),
        }
    }
}
