//! Cancels: of one push, and of a whole alert.

use crate::smsc::closed_alerts::ClosedAlert;
use crate::smsc::core::Core;
use crate::smsc::pushes::{PushIndex, flag};
use crate::smsc::state::State;
use wire::terms::code::Code;
use wire::terms::time::CenterMs;

impl Core {
    /// Withdraws the push with this key. `Ok`: the cancel is accepted for a push of so many
    /// segments, and an E7 will follow if the client is to be `told`; `Err`: 3002–3005.
    pub fn cancel(
        &mut self,
        key: u64,
        told: bool,
        now_ms: CenterMs,
    ) -> Result<(PushIndex, u8), (Code, u8)> {
        self.time.see(now_ms);
        let live = self.keys.find_live(&self.pushes, key);
        let (state, segments) = match (live, self.keys.find_ended(key)) {
            (Some(index), _) => (self.pushes[index].state, self.pushes[index].segments),
            (None, Some(ended)) => (ended.state(), ended.segments()),
            (None, None) => return Err((Code::PUSH_NOT_FOUND, 0)),
        };
        let refusal = match state {
            //= push cancel refused
            State::Delivered => Some(Code::ALREADY_DELIVERED),
            State::Cancelled => Some(Code::ALREADY_CANCELLED),
            state if state.is_final() => Some(Code::ALREADY_ENDED),
            _ => None,
        };
        if let Some(code) = refusal {
            return Err((code, segments));
        }
        let Some(index) = live else { unreachable!("what is not final lives") };
        if self.pushes[index].has(flag::CANCEL_ACCEPTED) {
            return Err((Code::ALREADY_CANCELLED, segments));
        }
        self.request_cancel(index, told, now_ms);
        Ok((index, segments))
    }

    /// Cancels a whole alert: from now on no push of it is accepted or attempted, and those that
    /// wait are withdrawn by [`Core::handle_time`]. The cancel's record must be durable before it
    /// is answered; its time is now. Returns how many pushes of the alert have not ended. Costs the
    /// same however many there are.
    pub fn cancel_alert(&mut self, alert_fingerprint: u64, cancel: ClosedAlert) -> u32 {
        self.time.see(cancel.at_ms);
        let members = self.alerts.member_count(alert_fingerprint);
        self.closed_alerts.close(alert_fingerprint, cancel);
        self.closed_alerts.begin_withdrawing(alert_fingerprint, members, cancel.at_ms);
        members as u32
    }
}
