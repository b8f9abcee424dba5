//! What keeps a sender going: connections lost and made again, time-outs, the caller's orders.

use super::Sender;
use super::connection::State;
use crate::format::grouped;
use crate::limits::{CONNECT_WITHIN, HOUSEKEEPING_NS};
use crate::tls::TargetStream;
use mio::net::TcpStream;
use mio::{Interest, Token};
use std::io;
use std::sync::atomic::Ordering::Relaxed;

impl Sender {
    /// Connection `at` was lost: what it owed is sent again on whichever comes first.
    pub(super) fn lose(&mut self, at: usize, why: &str) {
        self.sent.last_fault = Some(why.to_owned());
        if self.take_down(at) {
            self.sent.connections_lost += 1;
            self.shared.connections_lost.fetch_add(1, Relaxed);
        }
        self.send_again(at, true);
    }

    /// The target has closed connection `at` as HTTP allows: it said so in an answer, or owed none.
    /// What was behind that answer it has not looked at (RFC 9112 9.6).
    pub(super) fn part(&mut self, at: usize) {
        if self.take_down(at) {
            self.sent.connections_closed += 1;
        }
        self.send_again(at, false);
    }

    /// Drops the socket; whether there was one.
    fn take_down(&mut self, at: usize) -> bool {
        let now_ns = self.now_ns();
        let connection = &mut self.connections[at];
        let was_up = matches!(connection.state, State::Up(_));
        if was_up {
            self.up -= 1;
            self.last_up_ns = now_ns;
            self.fruitless += u64::from(connection.answered_here == 0);
        }
        connection.close(now_ns);
        was_up
    }

    /// Puts what connection `at` owed before everything else that is to be sent.
    fn send_again(&mut self, at: usize, lost: bool) {
        let mut oldest = lost;
        while let Some(request) = self.connections[at].in_flight.pop_front() {
            self.in_flight -= 1;
            if self.work.again_now(request.job, oldest) {
                self.sent.resent += 1;
            } else {
                self.shared.ledger.note_abandoned();
            }
            oldest = false;
        }
    }

    /// What came on connection `at` cannot be an answer to what was sent. From a target that has
    /// never given a proper one it ends the run: it is another service. Later it costs the
    /// connection.
    pub(super) fn distrust(&mut self, at: usize, why: &str) {
        self.sent.malformed += 1;
        if !self.heard {
            let (target, said) = (self.shared.plan.target, quoted(self.connections[at].unread()));
            self.refusal.get_or_insert_with(|| {
                format!(
                    "{target} is no push gateway: {why}{said}; name the engine's port for push \
                     clients."
                )
            });
        }
        self.lose(at, why);
    }

    /// What must happen without an event: connections made again, time-outs, the caller's stop.
    pub(super) fn keep_house(&mut self) -> Result<(), String> {
        if let Some(sentence) = self.refusal.take() {
            return Err(sentence);
        }
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
        self.mind_silence(now_ns)
    }

    /// A target that takes connections and gives no answer, closing them or not, ends the run.
    fn mind_silence(&mut self, now_ns: u64) -> Result<(), String> {
        let patience = &self.shared.plan.patience;
        if self.in_flight == 0 && !self.work.has_lost() {
            (self.silent_since_ns, self.fruitless) = (now_ns, 0);
        }
        let silent_ns = now_ns.saturating_sub(self.silent_since_ns);
        // An engine that is killed ends each connection once; only one that takes them again and
        // again goes on.
        let closing = self.fruitless > 2 * self.connections.len() as u64;
        let patience_ns = match (closing, self.heard) {
            // Like one that refuses the very first connections.
            (true, false) => patience.reconnect_for.min(CONNECT_WITHIN).as_nanos() as u64,
            (true, true) => patience.reconnect_for.as_nanos() as u64,
            (false, _) => (patience.reconnect_for + patience.answer_within).as_nanos() as u64,
        };
        if silent_ns <= patience_ns {
            return Ok(());
        }
        let (target, seconds) = (self.shared.plan.target, silent_ns as f64 / 1e9);
        let (closed, fault) =
            (grouped(self.fruitless), self.sent.last_fault.as_deref().unwrap_or("no answer"));
        Err(format!(
            "{target} takes connections and has answered nothing for {seconds:.1} s ({closed} of \
             them ended, the last by: {fault}): is this the engine's port for push clients?"
        ))
    }

    fn reconnect(&mut self, now_ns: u64) -> Result<(), String> {
        let plan = &self.shared.plan;
        if self.up == 0
            && now_ns.saturating_sub(self.last_up_ns)
                > plan.patience.reconnect_for.as_nanos() as u64
        {
            let (target, seconds) = (plan.target, plan.patience.reconnect_for.as_secs_f64());
            return Err(format!(
                "{target} has taken no connection for {seconds} s: is the engine still running?"
            ));
        }
        for at in 0..self.connections.len() {
            let state = &self.connections[at].state;
            if !matches!(state, State::Down { retry_at_ns } if *retry_at_ns <= now_ns) {
                continue;
            }
            let made = TcpStream::connect(plan.target).and_then(|mut socket| {
                let interest = Interest::READABLE | Interest::WRITABLE;
                self.poll.registry().register(&mut socket, Token(at), interest)?;
                TargetStream::over(socket, plan.tls.as_ref())
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
        if !matches!(stream.socket.take_error(), Ok(None)) {
            return connection.close(now_ns);
        }
        match stream.socket.peer_addr() {
            Ok(_) => {
                // Without it requests would only be slower.
                let _ = stream.socket.set_nodelay(true);
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

/// The beginning of what a target said, for a sentence; nothing where it said nothing.
fn quoted(octets: &[u8]) -> String {
    const QUOTED_OCTETS_MAX: usize = 40;
    let line = octets.split(|&octet| octet == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let shown = line[..line.len().min(QUOTED_OCTETS_MAX)].escape_ascii();
    match octets {
        [] => String::new(),
        // An alert or a handshake record.
        [0x15 | 0x16, 3, ..] => " (it speaks TLS: add --tls, or name it https://)".to_owned(),
        // A frame of settings, which begins every connection.
        [_, _, _, 4, 0, 0, 0, 0, 0, ..] => " (it speaks HTTP/2)".to_owned(),
        _ => format!(" (it began with \"{shown}\")"),
    }
}
