//! Carriers over TLS: what a connection is secured with, and the steps of its handshake.

use super::{Desk, Outgoing};
use crate::io::driver::Driver;
use crate::io::link::Fate;
use crate::io::link::tls::Tls;
use crate::io::now::Now;
use crate::io::tls::Calling;
use crate::network::smpp::carrier::Carrier;
use crate::network::smpp::home::Home;

/// What a connection to this host of a carrier is secured with.
///
/// # Errors
/// Why it cannot be, as a clause.
pub(super) fn layer(carrier: &Carrier, host: usize) -> Result<Option<Tls>, String> {
    let Some(tls) = &carrier.tls else { return Ok(None) };
    let (Some(name), Some(calling)) =
        (tls.names.get(host), tls.spoken_with.downcast_ref::<Calling>())
    else {
        return Err("it is not set up".to_owned());
    };
    calling.call(name).map(|call| Some(Tls::calling(call)))
}

impl Outgoing {
    /// The carrier can hear: under TLS the first word of the handshake is due.
    pub(super) fn may_call(&mut self) {
        if let Some(tls) = self.link.tls() {
            tls.may_call();
        }
    }

    /// Whether a step of its handshake is due.
    pub(super) fn step_is_due(&mut self) -> bool {
        self.link.tls().is_some_and(|tls| tls.step_is_due()) && !self.link.stream.is_closing()
    }

    /// Takes it; a carrier that TLS fails with is left.
    pub(super) fn shake_hands(&mut self, home: &mut Home, driver: &mut Driver, now: Now) {
        if !self.link.begins_step() {
            return;
        }
        let fate = self.link.take_step(&mut Desk { home, now });
        self.link.flush(driver, now.steady_ms);
        if fate == Ok(Fate::Goes) {
            self.link.read_on(driver);
        } else {
            self.leave();
        }
    }

    /// The connection is no good any more: under TLS the log says why.
    pub(super) fn leave(&mut self) {
        let failure = self.link.tls().and_then(|tls| tls.failure().map(ToString::to_string));
        if let Some(failure) = failure.filter(|_| !self.link.stream.is_closing()) {
            tracing::warn!(address = %self.address(), failure, "TLS with a carrier failed");
        }
        self.link.session.hang_up();
        self.link.close();
    }
}
