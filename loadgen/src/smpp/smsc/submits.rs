//! What the SMSC does with binds, submits and receipts.

use super::super::faults::{AnswerFate, ReceiptFate};
use super::book::Book;
use super::messages::{Slot, Taken};
use super::peer::{Account, Desk, Peer};
use super::server::{Fate, Server};
use crate::limits::{RECEIPT_AGAIN_MS, SMSC_ACCOUNTS_MAX};
use crate::random::below;
use std::cmp::Reverse;
use wire::smpp::command::Command;
use wire::smpp::limits::CONTROL_OCTETS_MAX;
use wire::smpp::pdu::{Bind, BindKind, Body, Message, MessageResp, QueryResp};
use wire::smpp::receipt::MessageState;
use wire::smpp::session::{RequestId, Session};
use wire::smpp::status::Status;

/// What it calls itself.
const SYSTEM_ID: &[u8] = b"hayauma-load";
/// Bits of registered_delivery that say which receipts are wanted (SMPP 3.4, 5.2.17).
const WANTED: u8 = 0x03;
/// Bit of a token whose receipt is a double: nothing waits for its answer.
const DOUBLE: u64 = 1 << 63;
/// Octets that every answer fits.
const ANSWER_OCTETS_MAX: usize = 2 * CONTROL_OCTETS_MAX + 64;

/// An answer that is held back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Late {
    pub(super) due_ms: u64,
    at: usize,
    serial: u64,
    request: RequestId,
    number: u64,
}

impl Ord for Late {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due_ms, self.number).cmp(&(other.due_ms, other.number))
    }
}

impl PartialOrd for Late {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Desk<'_> {
    /// Answers a request.
    fn answer(
        &mut self,
        request: RequestId,
        status: Status,
        body: &Body<'_>,
        book: &mut Book,
        now_ms: u64,
    ) {
        // A body of ours always fits the space that is kept.
        if let Ok(octets) = self.session.answer(self.output.space(), request, status, body, now_ms)
        {
            self.output.wrote(octets);
            book.note_answer(status);
        }
    }
}

/// Gives up answering a request: its place is free, and nothing is sent.
fn leave_unanswered(session: &mut Session, request: RequestId, now_ms: u64) {
    let mut nowhere = [0; ANSWER_OCTETS_MAX];
    let _ = session.answer(&mut nowhere, request, Status::OK, &Body::Empty, now_ms);
}

impl Server {
    /// Takes a bind or refuses it.
    pub(super) fn decide(
        &mut self,
        bind: &Bind<'_>,
        desk: &mut Desk<'_>,
        book: &mut Book,
        now_ms: u64,
    ) {
        let account = self.account_of(bind);
        let status = match account {
            Ok(account) if self.is_full(account) => Status::ALREADY_BOUND,
            Ok(_) => Status::OK,
            Err(status) => status,
        };
        let written = desk.session.answer_bind(desk.output.space(), status, SYSTEM_ID, now_ms);
        desk.output.wrote(written.unwrap_or_default());
        let Some(account) = account.ok().filter(|_| status == Status::OK) else {
            book.counts.binds_refused += 1;
            return;
        };
        *desk.account = Some(account);
        let account = &mut self.accounts[account];
        account.sessions += 1;
        if bind.kind != BindKind::Transmitter {
            account.receivers.push(desk.at);
        }
        book.counts.binds += 1;
        book.counts.sessions += 1;
    }

    fn is_full(&self, account: usize) -> bool {
        let max = self.settings.binds_max;
        max > 0 && self.accounts[account].sessions >= max
    }

    /// The account that a bind names; one of its own where everybody may bind.
    fn account_of(&mut self, bind: &Bind<'_>) -> Result<usize, Status> {
        let known = self.accounts.iter().position(|account| account.system_id == bind.system_id);
        match known {
            Some(at) => {
                let right =
                    self.accounts[at].password.as_ref().is_none_or(|word| word == bind.password);
                if right { Ok(at) } else { Err(Status::INVALID_PASSWORD) }
            }
            None if self.settings.accounts.is_empty()
                && self.accounts.len() < SMSC_ACCOUNTS_MAX =>
            {
                self.accounts.push(Account::new(bind.system_id, None, self.settings.rate_per_s));
                Ok(self.accounts.len() - 1)
            }
            None => Err(Status::INVALID_SYSTEM_ID),
        }
    }

    pub(super) fn take_request(
        &mut self,
        request: RequestId,
        body: &Body<'_>,
        desk: &mut Desk<'_>,
        book: &mut Book,
        now_ms: u64,
    ) -> Fate {
        match body {
            Body::Message(message) => {
                return self.take_submit(request, message, desk, book, now_ms);
            }
            Body::Data(data) => {
                let message = Message {
                    source: data.source,
                    destination: data.destination,
                    esm_class: data.esm_class,
                    registered_delivery: data.registered_delivery,
                    data_coding: data.data_coding,
                    tlvs: data.tlvs,
                    ..Message::default()
                };
                return self.take_submit(request, &message, desk, book, now_ms);
            }
            Body::Query(query) => {
                book.counts.queries += 1;
                self.answer_query(request, query.message_id, desk, book, now_ms);
            }
            Body::Cancel(cancel) => {
                let slot = self.kept(cancel.message_id, *desk.account);
                let status = if slot.is_some() { Status::OK } else { Status::CANCEL_FAILED };
                if let Some((slot, taken)) =
                    slot.and_then(|slot| Some((slot, self.messages.get(slot)?)))
                {
                    taken.state = MessageState::Deleted;
                    book.counts.cancelled += 1;
                    self.messages.schedule(slot, now_ms);
                }
                desk.answer(request, status, &Body::Empty, book, now_ms);
            }
            Body::Multi(_) => {
                desk.answer(request, Status::INVALID_COMMAND, &Body::Empty, book, now_ms);
            }
            _ => desk.answer(request, Status::SYSTEM_ERROR, &Body::Empty, book, now_ms),
        }
        Fate::Keep
    }

    /// Where the message of this id is kept, if it is this account's.
    fn kept(&mut self, id: &[u8], account: Option<usize>) -> Option<Slot> {
        let slot = self.settings.ids.number_of(id).and_then(|number| self.messages.find(number))?;
        let own = self.messages.get(slot).is_some_and(|taken| Some(taken.account) == account);
        own.then_some(slot)
    }

    fn answer_query(
        &mut self,
        request: RequestId,
        id: &[u8],
        desk: &mut Desk<'_>,
        book: &mut Book,
        now_ms: u64,
    ) {
        let ids = self.settings.ids;
        let known = |number: u64| (ids.first..ids.first + self.submits).contains(&number);
        let Some(number) = ids.number_of(id).filter(|&number| known(number)) else {
            return desk.answer(request, Status::QUERY_FAILED, &Body::Empty, book, now_ms);
        };
        let is_kept = self.kept(id, *desk.account).is_some();
        let delivered = self.settings.faults.is_delivered(self.settings.seed, number - ids.first);
        let state = match (is_kept, delivered) {
            (true, _) => MessageState::Enroute,
            (false, true) => MessageState::Delivered,
            (false, false) => MessageState::Undeliverable,
        };
        let ended = wire::smpp::time::absolute(self.origin_unix_ms + now_ms);
        let final_date = if is_kept { &[][..] } else { &ended[..] };
        let answer =
            QueryResp { message_id: id, final_date, message_state: state.number(), error_code: 0 };
        desk.answer(request, Status::OK, &Body::QueryResp(answer), book, now_ms);
    }

    fn take_submit(
        &mut self,
        request: RequestId,
        message: &Message<'_>,
        desk: &mut Desk<'_>,
        book: &mut Book,
        now_ms: u64,
    ) -> Fate {
        let index = self.submits;
        self.submits += 1;
        book.counts.submits += 1;
        self.mind_script();
        let Some(account) = *desk.account else { return Fate::Keep };
        let (queue, seed) = (self.settings.queue, self.settings.seed);
        let fate = self.settings.faults.answer(seed, index);
        let own = &mut self.accounts[account];
        let status = match fate {
            AnswerFate::Refused(status) => status,
            _ if !own.limit.takes(now_ms) => Status::THROTTLED,
            _ if queue > 0 && own.kept >= queue => Status::QUEUE_FULL,
            _ => Status::OK,
        };
        if status != Status::OK {
            desk.answer(request, status, &Body::Empty, book, now_ms);
            return Fate::Keep;
        }
        book.note_taken(message);
        let number = self.settings.ids.first + index;
        self.keep(message, number, index, account, desk, book, now_ms);
        match fate {
            AnswerFate::Never | AnswerFate::Cut => {
                book.counts.in_doubt += 1;
                leave_unanswered(desk.session, request, now_ms);
                if fate == AnswerFate::Cut {
                    book.counts.cut += 1;
                    return Fate::Cut;
                }
            }
            AnswerFate::Late => {
                let due_ms = now_ms + self.settings.faults.late_by.as_millis() as u64;
                let (at, serial) = (desk.at, desk.serial);
                self.late.push(Reverse(Late { due_ms, at, serial, request, number }));
            }
            AnswerFate::Bodyless => {
                book.counts.bodyless += 1;
                desk.answer(request, Status::OK, &Body::Empty, book, now_ms);
            }
            AnswerFate::Taken | AnswerFate::Refused(_) => {
                self.answer_taken(request, number, desk, book, now_ms);
            }
        }
        Fate::Keep
    }

    fn answer_taken(
        &self,
        request: RequestId,
        number: u64,
        desk: &mut Desk<'_>,
        book: &mut Book,
        now_ms: u64,
    ) {
        let id = self.settings.ids.in_answer(number);
        let answer = MessageResp { message_id: id.octets(), ..MessageResp::default() };
        desk.answer(request, Status::OK, &Body::MessageResp(answer), book, now_ms);
    }

    /// Keeps a message that was taken until its receipt is acknowledged, if it wants one.
    #[expect(clippy::too_many_arguments, reason = "what a submit is, and where it came")]
    fn keep(
        &mut self,
        message: &Message<'_>,
        number: u64,
        index: u64,
        account: usize,
        desk: &mut Desk<'_>,
        book: &mut Book,
        now_ms: u64,
    ) {
        let (seed, faults) = (self.settings.seed, &self.settings.faults);
        let delivered = faults.is_delivered(seed, index);
        let wanted = match message.registered_delivery & WANTED {
            0 => false,
            1 => true,
            2 => !delivered,
            _ => delivered,
        };
        if !wanted {
            return;
        }
        book.counts.receipts_due += 1;
        let fate = faults.receipt(seed, index);
        if fate == ReceiptFate::Lost {
            book.counts.receipts_lost += 1;
            return;
        }
        let mut taken = Taken::of(message, number, account, self.origin_unix_ms + now_ms);
        taken.doubled = fate == ReceiptFate::Twice;
        if !delivered {
            taken.state = MessageState::Undeliverable;
        }
        let slot = self.messages.insert(taken);
        self.accounts[account].kept += 1;
        let is_early = fate == ReceiptFate::Early && desk.session.room() > 0;
        if is_early && self.accounts[account].receivers.contains(&desk.at) {
            book.counts.receipts_early += 1;
            let Desk { session, output, .. } = desk;
            let space = output.space();
            let octets = self.write_receipt(slot, session, space, book, now_ms);
            output.wrote(octets);
            return;
        }
        let spread_ms = self.settings.receipt_spread.as_millis() as u64;
        let delay_ms =
            self.settings.receipt_delay.as_millis() as u64 + below(seed, index, spread_ms + 1);
        self.messages.schedule(slot, now_ms + delay_ms);
    }

    /// Writes the receipt of the message in `slot`, twice where that is its fate; gives the octets.
    fn write_receipt(
        &mut self,
        slot: Slot,
        session: &mut Session,
        out: &mut [u8],
        book: &mut Book,
        now_ms: u64,
    ) -> usize {
        let (ids, form) = (self.settings.ids, self.settings.receipt_form);
        let unix_ms = self.origin_unix_ms + now_ms;
        let Some(taken) = self.messages.get(slot) else { return 0 };
        let was_sent = std::mem::replace(&mut taken.was_sent, true);
        taken.in_line = true;
        let taken = *taken;
        let written = taken.with_receipt(&ids, form, unix_ms, |receipt| {
            let mut send = |out: &mut [u8], token: u64| {
                let body = Body::Message(*receipt);
                session.request(out, Command::DELIVER_SM, &body, token, now_ms).unwrap_or_default()
            };
            let once = send(out, u64::from(slot));
            // Where the window is full by now there is no second one.
            let twice = once > 0 && taken.doubled && !was_sent;
            let again = if twice { send(&mut out[once..], u64::from(slot) | DOUBLE) } else { 0 };
            (once, again)
        });
        let (once, again) = written;
        book.counts.receipts_sent += u64::from(once > 0) + u64::from(again > 0);
        book.counts.receipts_again += u64::from(was_sent && once > 0);
        book.counts.receipts_doubled += u64::from(again > 0);
        if once == 0 {
            self.send_again(slot, now_ms + RECEIPT_AGAIN_MS);
        }
        once + again
    }

    /// Sends the answers that were held back for long enough.
    pub(super) fn send_late(&mut self, book: &mut Book) {
        let now_ms = self.now_ms();
        while self.late.peek().is_some_and(|Reverse(late)| late.due_ms <= now_ms) {
            let Some(Reverse(late)) = self.late.pop() else { return };
            let Some(mut peer) = self.peers[late.at].take() else {
                book.counts.in_doubt += 1;
                continue;
            };
            if peer.serial == late.serial {
                book.counts.late += 1;
                let Peer { link, serial, account } = &mut peer;
                let (session, output) = (&mut link.session, &mut link.output);
                let mut desk = Desk { session, output, at: late.at, serial: *serial, account };
                self.answer_taken(late.request, late.number, &mut desk, book, now_ms);
            } else {
                book.counts.in_doubt += 1;
            }
            self.peers[late.at] = Some(peer);
            self.serve(late.at, book);
        }
    }

    /// Sends the receipts that are due, as far as windows allow.
    pub(super) fn send_due(&mut self, book: &mut Book) {
        let now_ms = self.now_ms();
        while let Some(slot) = self.messages.next_due(now_ms) {
            if let Some(taken) = self.messages.get(slot) {
                taken.in_line = true;
                self.accounts[taken.account].line.push_back(slot);
            }
        }
        for account in 0..self.accounts.len() {
            if !self.accounts[account].line.is_empty() {
                self.send_line(account, book, now_ms);
            }
        }
    }

    fn send_line(&mut self, account: usize, book: &mut Book, now_ms: u64) {
        let mut touched = Vec::new();
        loop {
            while let Some(at) = self.next_receiver(account) {
                let Some(slot) = self.accounts[account].line.pop_front() else { break };
                let Some(mut peer) = self.peers[at].take() else { continue };
                let space = peer.link.output.space();
                let octets = self.write_receipt(slot, &mut peer.link.session, space, book, now_ms);
                peer.link.output.wrote(octets);
                self.peers[at] = Some(peer);
                if !touched.contains(&at) {
                    touched.push(at);
                }
            }
            if touched.is_empty() {
                return;
            }
            // They may acknowledge some at once, and have room again.
            touched.drain(..).for_each(|at| self.serve(at, book));
        }
    }

    /// The account's next receiver with room in its window, each in its turn.
    fn next_receiver(&mut self, account: usize) -> Option<usize> {
        let count = self.accounts[account].receivers.len();
        for _ in 0..count {
            let account = &mut self.accounts[account];
            account.turn = (account.turn + 1) % count;
            let at = account.receivers[account.turn];
            if self.can_receive(at) {
                return Some(at);
            }
        }
        None
    }

    /// The answer to a receipt.
    pub(super) fn receipt_answered(
        &mut self,
        token: u64,
        status: Status,
        book: &mut Book,
        now_ms: u64,
    ) {
        if token & DOUBLE != 0 {
            return;
        }
        let declined = matches!(status, Status::RECEIVER_PERMANENT | Status::RECEIVER_REJECTED);
        match status {
            Status::OK => book.counts.receipts_taken += 1,
            _ if declined => book.counts.receipts_declined += 1,
            _ => return self.send_again(token as Slot, now_ms + RECEIPT_AGAIN_MS),
        }
        if let Some(taken) = self.messages.remove(token as Slot) {
            self.accounts[taken.account].kept -= 1;
        }
    }

    /// A receipt got no answer.
    pub(super) fn receipt_in_doubt(&mut self, token: u64, now_ms: u64) {
        if token & DOUBLE == 0 {
            self.send_again(token as Slot, now_ms);
        }
    }

    fn send_again(&mut self, slot: Slot, due_ms: u64) {
        if let Some(taken) = self.messages.get(slot) {
            taken.in_line = false;
            self.messages.schedule(slot, due_ms);
        }
    }
}
