//! What a session does when time goes by.

use super::super::command::Command;
use super::super::limits::{
    ENQUIRE_ANSWER_MS, PARTIAL_PDU_MS, SILENCE_DOWN_MS, SILENCE_PROBE_MS, UNANSWERED_REQUESTS_MAX,
};
use super::super::status::Status;
use super::event::CloseReason;
use super::mutation::SessionMutation;
use super::state::{Role, State};
use super::{Session, UnbindUnderWay};

impl Session {
    /// The time that [`Session::handle_time`] is to be called at, in milliseconds of the owner's
    /// clock; `None` once the session is over. It changes with every other call.
    pub fn poll_deadline(&self) -> Option<u64> {
        if self.state == State::Closed {
            return None;
        }
        let all = [
            self.init_due(),
            self.partial_due(),
            self.unbind_due(),
            self.response_due(),
            self.silence_due(),
            self.enquire_due().filter(|_| self.controls.has_room()),
            self.inactivity_due().filter(|_| self.controls.has_room()),
        ];
        all.into_iter().flatten().min()
    }

    /// Does what is due at `now_ms`. [`Session::poll_output`] and [`Session::poll_event`] tell what
    /// that was.
    pub fn handle_time(&mut self, now_ms: u64) {
        self.now_ms = self.now_ms.max(now_ms);
        if self.state == State::Closed {
            return;
        }
        let is_due = |due: Option<u64>| due.is_some_and(|due| now_ms >= due);
        if is_due(self.init_due()) {
            self.end(CloseReason::NotBound);
        } else if is_due(self.partial_due()) {
            self.end(CloseReason::Partial);
        } else if is_due(self.unbind_due()) {
            self.end(CloseReason::Unbound);
        } else if is_due(self.silence_due()) {
            self.end(CloseReason::Silent);
        } else if is_due(self.inactivity_due()) && self.controls.has_room() {
            self.unbind(now_ms);
        } else if is_due(self.enquire_due()) && self.controls.has_room() {
            let sequence = self.take_sequence();
            self.push(Command::ENQUIRE_LINK, Status::OK, sequence);
            self.enquiry = Some((sequence, self.now_ms));
        }
        // While nothing is read no answer can come, and that is not the peer's doing.
        if !self.is_reading() {
            self.partial_since_ms = None;
            if let Some((_, since_ms)) = &mut self.enquiry {
                *since_ms = self.now_ms;
            }
        }
    }

    /// Whether requests are outstanding and nothing has been received for ten seconds: as good as
    /// down, until an octet comes.
    pub fn is_silent(&self, now_ms: u64) -> bool {
        let since_ms = self.received_ms.max(self.waiting_since_ms);
        self.window.len() > 0
            && self.state.is_bound()
            && self.is_reading()
            && now_ms >= since_ms + SILENCE_DOWN_MS
    }

    fn init_due(&self) -> Option<u64> {
        let is_unbound = matches!(self.state, State::Open | State::Binding);
        let forgotten = self.mutation == SessionMutation::NeverBound;
        (is_unbound && !forgotten).then_some(self.opened_ms + self.config.session_init_ms)
    }

    fn partial_due(&self) -> Option<u64> {
        let since_ms = self.partial_since_ms.filter(|_| self.is_reading())?;
        (self.mutation != SessionMutation::PartialForEver).then_some(since_ms + PARTIAL_PDU_MS)
    }

    fn unbind_due(&self) -> Option<u64> {
        let UnbindUnderWay { until_ms, .. } = self.unbind?;
        (self.mutation != SessionMutation::UnbindForEver).then_some(until_ms)
    }

    fn response_due(&self) -> Option<u64> {
        let oldest =
            self.window.oldest().filter(|_| self.mutation != SessionMutation::WaitForEver)?;
        Some(oldest.sent_ms + self.config.response_ms)
    }

    fn silence_due(&self) -> Option<u64> {
        let (_, since_ms) = self.enquiry.filter(|_| self.state.is_bound())?;
        let forgotten = self.mutation == SessionMutation::EnquireUnanswered;
        (!forgotten && self.is_reading()).then_some(since_ms + ENQUIRE_ANSWER_MS)
    }

    fn enquire_due(&self) -> Option<u64> {
        let wanted =
            self.config.enquire_link_ms > 0 && self.mutation != SessionMutation::NeverEnquire;
        if !wanted || self.enquiry.is_some() || !self.state.is_bound() {
            return None;
        }
        let due = self.received_ms + self.config.enquire_link_ms;
        if self.window.len() == 0 {
            return Some(due);
        }
        // Who waits for answers wants to know soon whether there is somebody to give them.
        Some(due.min(self.received_ms.max(self.waiting_since_ms) + SILENCE_PROBE_MS))
    }

    fn inactivity_due(&self) -> Option<u64> {
        let wanted = self.config.inactivity_ms > 0 && self.config.role == Role::Server;
        let idle = wanted && self.state.is_bound() && self.inbound == 0 && self.window.len() == 0;
        idle.then_some(self.busy_ms + self.config.inactivity_ms)
    }

    /// The token of a request whose answer is overdue. The third of them in a row ends the session.
    pub(super) fn take_expired(&mut self) -> Option<u64> {
        if self.state == State::Closed || self.response_due().is_none_or(|due| self.now_ms < due) {
            return None;
        }
        let request = self.window.remove_oldest()?;
        self.unanswered_in_a_row += 1;
        if self.overdue.len() >= usize::from(self.config.window) {
            self.overdue.pop_front();
        }
        self.overdue.push_back(request);
        let too_many = self.unanswered_in_a_row >= UNANSWERED_REQUESTS_MAX;
        if too_many && self.mutation != SessionMutation::GoOnUnanswered {
            self.end(CloseReason::Unanswered);
        }
        Some(request.token)
    }
}
