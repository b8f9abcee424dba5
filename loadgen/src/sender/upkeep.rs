//! What keeps a sender going: connections lost and made again, time-outs, the caller's orders.

use super::Sender;
use super::connection::State;
use crate::limits::HOUSEKEEPING_NS;
use mio::net::TcpStream;
use mio::{Interest, Token};
use std::io;
use std::sync::atomic::Ordering::Relaxed;

impl Sender {
    /// Connection `at` is gone: what it owed is sent again on whichever comes first.
    pub(super) fn lose(&mut self, at: usize, why: &str) {
        let now_ns = self.now_ns();
        self.sent.last_fault = Some(why.to_owned());
        let connection = &mut self.connections[at];
        if matches!(connection.state, State::Up(_)) {
            self.up -= 1;
            self.sent.connections_lost += 1;
            self.shared.connections_lost.fetch_add(1, Relaxed);
            self.last_up_ns = now_ns;
        }
        connection.close(now_ns);
        while let Some(request) = connection.in_flight.pop_front() {
            self.in_flight -= 1;
            if self.work.again_now(request.job) {
                self.sent.resent += 1;
            } else {
                self.shared.ledger.note_abandoned();
            }
        }
    }

    /// What must happen without an event: connections made again, time-outs, the caller's stop.
    pub(super) fn keep_house(&mut self) -> Result<(), String> {
        let now_ns = self.now_ns();
        if self.up < self.connections.len() {
            self.reconnect(now_ns)?;
        }
        if now_ns < self.housekeeping_ns {
            return Ok(());
        }
        self.housekeeping_ns = now_ns + HOUSEKEEPING_NS;
        let answers = &self.sent.phases.of(self.work.next() <= self.shared.plan.warm_up).answer;
        if let Some((number, counts)) = answers.ended(1).next()
            && self.shown != Some(number)
        {
            self.shared.board.add(number, counts);
            self.shown = Some(number);
        }
        if self.shared.give_up.load(Relaxed) {
            return Err("The run was given up.".to_owned());
        }
        if self.shared.stop.load(Relaxed) {
            self.work.stop();
        }
        let within_ns = self.shared.plan.patience.answer_within.as_nanos() as u64;
        for at in 0..self.connections.len() {
            let oldest = self.connections[at].in_flight.front();
            if oldest.is_some_and(|request| request.sent_ns + within_ns < now_ns) {
                self.lose(at, "no answer in time");
            }
        }
        Ok(())
    }

    fn reconnect(&mut self, now_ns: u64) -> Result<(), String> {
        let plan = &self.shared.plan;
        if self.up == 0
            && now_ns.saturating_sub(self.last_up_ns) > plan.patience.reconnect_for.as_nanos() as u64
        {
            let (target, seconds) = (plan.target, plan.patience.reconnect_for.as_secs_f64());
            return Err(format!(
                "{target} has taken no connection for {seconds} s: is the engine still running?"
            ));
        }
        for at in 0..self.connections.len() {
            if !matches!(self.connections[at].state, State::Down { retry_at_ns } if retry_at_ns <= now_ns) {
                continue;
            }
            let made = TcpStream::connect(plan.target).and_then(|mut stream| {
                let interest = Interest::READABLE | Interest::WRITABLE;
                self.poll.registry().register(&mut stream, Token(at), interest).map(|()| stream)
            });
            match made {
                Ok(stream) => self.connections[at].state = State::Connecting(stream),
                Err(_) => self.connections[at].close(now_ns),
            }
        }
        Ok(())
    }

    /// A connection under way is made, or has failed, or needs more time.
    pub(super) fn finish_connecting(&mut self, at: usize) {
        let now_ns = self.now_ns();
        let connection = &mut self.connections[at];
        let state = std::mem::replace(&mut connection.state, State::Down { retry_at_ns: now_ns });
        let State::Connecting(stream) = state else {
            connection.state = state;
            return;
        };
        if !matches!(stream.take_error(), Ok(None)) {
            return connection.close(now_ns);
        }
        match stream.peer_addr() {
            Ok(_) => {
                // Without it requests would only be slower.
                let _ = stream.set_nodelay(true);
                connection.state = State::Up(stream);
                self.up += 1;
            }
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                connection.state = State::Connecting(stream)
            }
            Err(_) => connection.close(now_ns),
        }
    }
}
