use super::*;
use crate::gateway::registry::Credential;
use crate::io::budget::Share;
use crate::io::connection::Desk;
use crate::io::driver::{DriverKind, Waker};
use crate::io::gate::Gate;
use crate::io::limits::HELD_OCTETS_MAX;
use crate::io::link::Takes;
use crate::io::places::Places;
use std::os::unix::net::UnixStream;
use wire::terms::time::WallMs;

pub(super) fn at(steady_ms: u64) -> Now {
    Now {
        wall_ms: WallMs::new(steady_ms),
        steady_ms: SteadyMs::new(steady_ms),
        steady_ns: steady_ms * 1_000_000,
    }
}

/// A shard of four places, so many of them taken at 1,000 ms by clients that say nothing.
pub(super) fn visited(clients: usize) -> (Front, Driver, Vec<UnixStream>) {
    visited_over(clients, None)
}

/// The same over TLS.
pub(super) fn visited_over(
    clients: usize,
    acceptance: Option<crate::io::tls::Acceptance>,
) -> (Front, Driver, Vec<UnixStream>) {
    let mut driver = Driver::new(DriverKind::Poll, 0, None).expect("a driver");
    let places = Places::new(1, 4).expect("places");
    let wakers = [Waker::into_the_void().expect("a waker")];
    let patience = Patience { request_ms: 10_000, idle_ms: 600_000 };
    let limits = FrontLimits { connections_max: 4, patience };
    let mut front = Front::new(limits, places.door(0), Budget::new());
    acceptance.into_iter().for_each(|acceptance| front.accept_with(acceptance));
    let (clients, servers): (Vec<_>, Vec<_>) =
        (0..clients).map(|_| UnixStream::pair().expect("a pair")).unzip();
    servers.into_iter().for_each(|server| places.deal(server.into(), 0, &wakers));
    assert!(front.take_visitors(&mut driver, at(1_000)));
    (front, driver, clients)
}

/// What a session asks of its shard while no request is whole: the time.
struct At(SteadyMs);

impl Desk for At {
    type Foreseen<'body> = ();

    fn foresee(&self, _body: &[u8]) {}

    fn fetch(&self, _foreseen: &()) {}

    fn now_ms(&self) -> SteadyMs {
        self.0
    }

    fn request(
        &mut self,
        _foreseen: &(),
        _authorization: Option<&[u8]>,
        _credential: &mut Credential,
        _number: u64,
    ) -> Option<(Answer, Gate)> {
        unreachable!("no request is whole")
    }
}

#[test]
fn a_request_may_be_half_there_for_a_second_while_the_budget_is_overdrawn() {
    let (kept, long) = (HALF_REQUEST_OCTETS_KEPT, HALF_REQUEST_OCTETS_KEPT + 1);
    let cases = [
        (HELD_OCTETS_MAX, long, 11_000),
        (HELD_OCTETS_MAX + 1, kept, 11_000),
        (HELD_OCTETS_MAX + 1, long, 2_000),
    ];
    for (held, octets, ends_ms) in cases {
        let (mut front, mut driver, _clients) = visited(1);
        let mut others = Share::of(front.connections.budget());
        others.note(held);
        let half = b"POST /smsgw/ HTTP/1.1\r\n";
        let link = front.connections.get_mut(0).expect("the first place");
        assert_eq!(link.session.take(half, 1 << 20, &mut At(SteadyMs::new(1_000))), Some(0));
        link.leave_unconsumed(octets);
        let mut is_given_up = |now_ms| {
            front.sweep(&mut driver, at(now_ms), 256);
            let link = front.connections.get_mut(0).expect("the first place");
            link.session.output().starts_with(b"HTTP/1.1 408 ")
        };
        assert!(
            !is_given_up(ends_ms - 1) && is_given_up(ends_ms),
            "{held} octets held, {octets} by it"
        );
    }
}

#[test]
fn a_client_has_a_minute_for_its_first_request_and_ten_seconds_where_places_are_rare() {
    for (clients, ends_ms) in [(2, 61_000), (3, 11_000)] {
        let (mut front, mut driver, _clients) = visited(clients);
        front.sweep(&mut driver, at(ends_ms - 1), 256);
        assert_eq!(front.visits.silent, 0, "{clients} clients");
        front.sweep(&mut driver, at(ends_ms), 256);
        assert_eq!(front.visits.silent, clients as u64, "{clients} clients");
    }
}
