//! The carriers of a thread, told of by a plan, without a connection that anybody answers.

use super::*;
use crate::io::driver::DriverKind;
use crate::network::smpp::exchange::{KnownCarrier, Spread};
use crate::network::smpp::port::CarrierPort;
use std::net::TcpListener;

fn plan(known: &[KnownCarrier]) -> CarrierPlan {
    CarrierPlan { carriers: known.into(), ..CarrierPlan::default() }
}

#[test]
fn a_carrier_that_has_the_number_of_one_that_is_gone_has_a_home_of_its_own() {
    let known = || KnownCarrier::new(Carrier::of_tests(), Spread::even(1));
    let (old, new) = (known(), known());
    let (budget, now) = (Budget::new(), Now::read());
    let mut carriers = Carriers::new(0, &plan(std::slice::from_ref(&old)), 100, budget, now);
    carriers.change(&plan(&[]), now);
    assert!(carriers.callers[0].gone, "what shards have of it comes back");
    carriers.change(&plan(std::slice::from_ref(&new)), now);
    let homes: Vec<bool> =
        carriers.callers.iter().map(|caller| caller.home.is_of(&new.exchange)).collect();
    assert_eq!(homes, [false, true]);
    // No shard has anything of the old one any more.
    assert_eq!(Arc::strong_count(&old.exchange), 2);
    drop(old);
    carriers.change(&plan(std::slice::from_ref(&new)), now);
    assert_eq!(carriers.callers.len(), 1, "nothing is kept of it");
    assert!(carriers.callers[0].home.is_of(&new.exchange) && !carriers.callers[0].gone);
}

#[test]
fn an_engine_that_looks_on_calls_no_carrier() {
    let smsc = TcpListener::bind("127.0.0.1:0").expect("a port");
    let hosts = vec![smsc.local_addr().expect("an address")];
    for looks_on in [false, true] {
        let carrier = Carrier { hosts: hosts.clone(), ..Carrier::of_tests() };
        let known = KnownCarrier::new(carrier, Spread::even(1));
        let plan = plan(std::slice::from_ref(&known));
        let (budget, now) = (Budget::new(), Now::read());
        let carriers = Carriers::new(0, &plan, 100, budget, now);
        let mut carriers = carriers.looking_on(looks_on);
        // The shard has said what it awaits: nothing.
        CarrierPort::new(0, &plan).all_awaited();
        let mut driver = Driver::new(DriverKind::Poll, 0, None).expect("a driver");
        carriers.work(&mut driver, now);
        assert_eq!(carriers.outgoing.len(), usize::from(!looks_on));
        assert_eq!(carriers.next_due_ms(now).is_none(), looks_on, "it rests meanwhile");
    }
}
