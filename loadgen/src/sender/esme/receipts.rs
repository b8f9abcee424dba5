//! Receipts, and the pushes they are about.

use super::Esme;
use crate::ledger::Noted;
use crate::smpp::matching::Told;
use wire::smpp::address::Country;
use wire::smpp::pdu::Body;
use wire::smpp::receipt::Receipt;
use wire::smpp::status::Status;

impl Esme {
    /// A push was answered with this id; its receipt may have come before.
    pub(super) fn note_id(&mut self, id: &[u8], index: u64) {
        let early = self.submitting.matching().answered(id, index);
        if let Some(told) = early {
            self.note_receipt(index, &told);
        }
    }

    /// A deliver_sm or data_sm has come; gives what it is answered with.
    pub(super) fn take_delivery(&mut self, body: &Body<'_>) -> Status {
        let (receipt, msn) = match body {
            Body::Message(message) => (Receipt::of_message(message), message.source.digits),
            Body::Data(data) => (Receipt::of_data(data), data.source.digits),
            _ => return Status::INVALID_COMMAND,
        };
        let Some((receipt, id, state)) =
            receipt.and_then(|receipt| Some((receipt, receipt.id?, receipt.state?)))
        else {
            // A message of a phone, or a receipt that nobody can read.
            self.shared.ledger.note_strangers(1);
            return Status::OK;
        };
        if !state.is_final() {
            return Status::OK;
        }
        let at_ns = self.now_ns();
        let mut matching = self.submitting.matching();
        let told = Told { id: matching.hash(id), state, at_ns };
        let by_reference = || {
            let msn = msn.strip_prefix(Country::JAPAN.digits())?;
            self.shared.ledger.nameless_push(receipt.user_message_reference?, msn)
        };
        match matching.push_of(told.id).or_else(by_reference) {
            Some(index) => {
                drop(matching);
                self.note_receipt(index, &told);
            }
            None => matching.keep(told),
        }
        Status::OK
    }

    fn note_receipt(&mut self, index: u64, told: &Told) {
        let ledger = &self.shared.ledger;
        let Noted::First(times) = ledger.note_receipt(index, told) else { return };
        let since_start_ns = told.at_ns.saturating_sub(self.start_ns);
        let stages = self.sent.phases.of(times.warm_up);
        stages.notification.record(since_start_ns, times.notification_ns);
        if ledger.schedule().is_some() {
            let service_ns = times.notification_ns.saturating_sub(times.late_ns);
            stages.notification_service.record(since_start_ns, service_ns);
        }
    }
}
