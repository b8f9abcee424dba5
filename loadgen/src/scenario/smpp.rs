//! The `[smpp]` table of a plan: the target is an SMSC, and this is the account.

use crate::plan::Plan;
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

/// What the table makes of a plan that so far asks for notifications where it has a sink.
pub(super) fn apply(table: Option<Table>, plan: &mut Plan) -> Result<(), String> {
    let Some(table) = table else { return Ok(()) };
    if plan.notify {
        return Err("an SMSC sends receipts to its own sessions: leave the sink out.".to_owned());
    }
    plan.notify = table.receipts.unwrap_or(true);
    plan.smpp = Some(table.account());
    Ok(())
}

impl Table {
    fn account(self) -> Account {
        let (response, receipt) = (Form::of(self.response_ids), Form::of(self.receipt_ids));
        Account {
            source: self.source,
            references: self.references.unwrap_or(true),
            ids: IdForms { response, receipt },
            ..Account::new(&self.system_id, &self.password.unwrap_or_default())
        }
    }
}
