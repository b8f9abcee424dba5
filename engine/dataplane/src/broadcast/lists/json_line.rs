//! A recipient as an object of JSON.

use std::collections::BTreeMap;

use serde::Deserialize;
use wire::json;

/// One line of NDJSON; fields of other names are passed over.
#[derive(Deserialize)]
pub(super) struct JsonLine {
    #[serde(default)]
    op: Option<String>,
    #[serde(alias = "phone", alias = "tel", alias = "電話番号", alias = "携帯番号")]
    pub(super) msn: String,
    #[serde(default, alias = "市区町村コード")]
    pub(super) area: Option<String>,
    #[serde(default, alias = "言語")]
    pub(super) lang: Option<String>,
    #[serde(default)]
    pub(super) params: Option<BTreeMap<String, String>>,
}

impl JsonLine {
    /// Reads a line; the error is that it is none.
    pub(super) fn read(line: &[u8]) -> Option<Self> {
        let line: Self = json::read(&mut line.to_vec()).ok()?;
        matches!(line.op.as_deref(), None | Some("put" | "delete")).then_some(line)
    }

    pub(super) fn is_deletion(&self) -> bool {
        self.op.as_deref() == Some("delete")
    }
}
