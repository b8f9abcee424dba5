//! The `[smpp]` table of a plan: the target is an SMSC, and this is the account.

use crate::smpp::account::Account;
use serde::Deserialize;
use wire::smpp::id::{IdForm, IdForms};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    system_id: String,
    password: Option<String>,
    source: Option<String>,
    receipts: Option<bool>,
    references: Option<bool>,
    response_ids: Option<Form>,
    receipt_ids: Option<Form>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Form {
    Text,
    Hex,
    Decimal,
}

impl Form {
    fn of(form: Option<Self>) -> IdForm {
        match form {
            None | Some(Self::Text) => IdForm::Text,
            Some(Self::Hex) => IdForm::Hex,
            Some(Self::Decimal) => IdForm::Decimal,
        }
    }
}

impl Table {
    /// Whether receipts are asked for.
    pub(super) fn receipts(&self) -> bool {
        self.receipts.unwrap_or(true)
    }

    pub(super) fn account(self) -> Account {
        let (response, receipt) = (Form::of(self.response_ids), Form::of(self.receipt_ids));
        Account {
            source: self.source,
            references: self.references.unwrap_or(true),
            ids: IdForms { response, receipt },
            ..Account::new(&self.system_id, &self.password.unwrap_or_default())
        }
    }
}
