use super::*;
use crate::gateway::fingerprint::{FingerprintKeys, Fingerprints};
use crate::gateway::registration::Registration;
use crate::gateway::registry::{Credential, Registry};
use crate::io::driver::DriverKind;
use crate::io::limits::TROUBLE_TOLD_EVERY_MS;
use crate::io::shard_status::ShardStatus;
use crate::journal::{JournalConfig, SegmentFactory};
use crate::network::line_states::{Line, LineStates};
use crate::network::simulated::SimulatedNetwork;
use crate::network::simulation_config::SimulationConfig;
use crate::network::smpp::exchange::CarrierPlan;
use crate::network::smpp::port::CarrierPort;
use crate::shard::figures::NAMES;
use crate::shard::{Durability, Origin, Reply, Shard, ShardConfig, TurnBudget};
use crate::smsc::core::CoreLimits;
use std::sync::Arc;
use wire::push::notify_url::NotifyUrl;
use wire::terms::code::Code;
use wire::terms::ids::{Msn, Xpid};
use wire::terms::time::WallMs;

const CLIENT: u64 = 100_000_001;
const FIRST_MSN: u64 = 9_000_000_000;

fn now() -> Now {
    let ms = 1_795_000_000_000;
    Now { wall_ms: WallMs::new(ms), steady_ms: SteadyMs::new(1_000), steady_ns: 1_000_000_000 }
}

fn plan(xpid: u64, url: &str, address: &str) -> EndpointPlan {
    EndpointPlan {
        xpid: Xpid::from_value(xpid).expect("an XPID"),
        url: NotifyUrl::parse(url).expect("a URL"),
        addresses: vec![address.parse().expect("an address")],
        connections: 1,
        depth: 1,
        secrets: Vec::new(),
    }
}

/// A shard with so many notifications for its client, each of another phone's push.
struct Due {
    parts: Parts,
    _factory: SegmentFactory,
    _place: tempfile::TempDir,
}

impl Due {
    fn new(notifications: u64) -> Self {
        let place = tempfile::tempdir().expect("a directory");
        let factory = SegmentFactory::start().expect("a thread");
        let mut journal = JournalConfig::new(0, 256 << 20);
        (journal.segment_octets, journal.without_syncs) = (4 << 20, true);
        let keyed = Fingerprints::new([7; 16]);
        let places = 4 * notifications as usize;
        let config = ShardConfig {
            number: 0,
            shards: 1,
            durability: Durability::Process,
            limits: CoreLimits {
                pushes_max: places,
                waiting_per_msn_max: 10,
                ended_keys_max: 4 * places,
            },
            journal,
            seed: 7,
            time_scale: 1,
            routes: Arc::default(),
            fingerprints: FingerprintKeys { keyed, older_until_ms: None },
            injections: Vec::new(),
            progress: Arc::default(),
        };
        let xpid = Xpid::from_value(CLIENT).expect("an XPID");
        let mut registration = Registration::new(xpid, "client");
        registration.notify_url = NotifyUrl::parse("http://192.0.2.1/").ok();
        let registry = Arc::new(Registry::new(vec![registration]));
        let opened = Shard::open(place.path(), &config, &factory, registry, now().wall_ms);
        let mut shard = opened.expect("a shard").0;
        for number in 0..notifications {
            let msn = Msn::from_value(FIRST_MSN + number).expect("an msn");
            shard.contracts_mut().insert(msn, xpid).expect("a contract more");
        }
        let mut parts = Parts::new(1, Arc::clone(shard.registry()));
        let carriers = CarrierPort::new(0, &CarrierPlan::default());
        parts.open(shard, carriers, ShardStatus::new(), None).expect("a place");
        let mut due = Self { parts, _factory: factory, _place: place };
        (0..notifications).for_each(|number| due.push_and_cancel(number));
        due.end();
        due
    }

    /// What was cancelled has ended, and its end is durable: its client is due to be told.
    fn end(&mut self) {
        let lines = LineStates::parse("", Line::HOME).expect("a good file");
        let network = SimulatedNetwork::new(SimulationConfig::default(), Arc::new(lines));
        let mut network = network.expect("a network");
        let (attempts, counted) = (0, 0);
        let (outcomes, records, looks) = (512, 512, 1_024);
        let budget = TurnBudget { timers: 1_024, attempts, outcomes, records, looks, counted };
        for _ in 0..64 {
            self.shard().turn(&mut network, now().wall_ms, &budget);
            self.shard().commit_blocking().expect("a device that writes");
        }
    }

    fn push_and_cancel(&mut self, number: u64) {
        let named = |fncid, rest: &str| {
            format!(
                "<?xml version=\"1.0\"?>\r\n<fncid>{fncid}</fncid>\r\n<comway>1101</comway>\r\n\
                 <msn>{:011}</msn>\r\n<reqid>{number}</reqid>\r\n<svcid>{CLIENT:011}</svcid>\r\n\
                 {rest}",
                FIRST_MSN + number
            )
        };
        let content =
            "<lifetime>01</lifetime>\r\n<ctrlflg>0</ctrlflg>\r\n<data>FFFFFFFFFF</data>\r\n";
        for body in [named("0101", content), named("0201", "")] {
            while self.ask(&body) == Code::OVERLOAD {
                self.shard().commit_blocking().expect("a device that writes");
            }
        }
        self.shard().commit_blocking().expect("a device that writes");
    }

    fn ask(&mut self, body: &str) -> Code {
        let origin = Origin { authorization: None, credential: &mut Credential::default() };
        let reply = self.shard().handle_request(body.as_bytes(), origin, now().wall_ms);
        let (Reply::Now(answer) | Reply::WhenDurable(answer, _)) = reply else {
            panic!("{reply:?}");
        };
        assert!([Code::ACCEPTED, Code::OVERLOAD].contains(&answer.code), "{answer:?}");
        answer.code
    }

    fn shard(&mut self) -> &mut Shard {
        &mut self.parts.at(0).expect("there is one").shard
    }

    fn failed(&mut self) -> u64 {
        self.figure("notifications_failed")
    }

    fn figure(&mut self, name: &str) -> u64 {
        let at = NAMES.iter().position(|(known, ..)| *known == name);
        self.shard().figures().values()[at.expect("a figure")]
    }
}

#[test]
fn an_endpoint_that_stays_as_it_is_goes_on_resting_when_another_one_changes() {
    let mut notifier = Notifier::new(4, Budget::new());
    let stays = plan(1, "http://192.0.2.1/", "192.0.2.1:80");
    notifier.set_plans(&[stays.clone(), plan(2, "http://192.0.2.2/", "192.0.2.2:80")]);
    notifier.ready.clear();
    for endpoint in notifier.endpoints.values_mut() {
        endpoint.rest(now());
        endpoint.has_trouble("nobody answers there".to_owned());
    }
    notifier.set_plans(&[stays, plan(2, "http://192.0.2.3/", "192.0.2.3:80")]);
    assert_eq!(notifier.ready, [2], "only what changed is looked at");
    let rests = |key| notifier.endpoints[&key].resting_until_ms > now().steady_ms;
    assert_eq!((rests(1), rests(2)), (true, false));
    let is_troubled = |key| notifier.endpoints[&key].trouble.is_some();
    assert_eq!((is_troubled(1), is_troubled(2)), (true, false), "of another URL it is not true");
}

#[test]
fn what_a_server_does_not_take_has_its_cause_and_a_line_a_minute() {
    let mut notifier = Notifier::new(4, Budget::new());
    notifier.set_plans(&[plan(1, "http://192.0.2.1/", "192.0.2.1:80")]);
    let begun = now();
    let later = |ms: u64| Now { steady_ms: begun.steady_ms + ms, ..begun };
    let endpoint = notifier.endpoints.get_mut(&1).expect("an endpoint");
    endpoint.has_answered(Some(401), begun);
    assert!(endpoint.is_told && endpoint.trouble.as_deref() == Some("192.0.2.1 answers 401"));
    endpoint.has_answered(None, later(1));
    assert_eq!((endpoint.trouble.as_deref(), endpoint.is_told), (None, false));
    // A server that takes every other one fills no log.
    endpoint.has_answered(Some(200), later(2));
    assert!(endpoint.trouble.as_deref().is_some_and(|why| why.contains("without the body")));
    assert!(!endpoint.is_told);
    endpoint.has_answered(Some(200), later(TROUBLE_TOLD_EVERY_MS));
    assert!(endpoint.is_told, "what lasts is told");
    let client = Xpid::from_value(1).expect("an XPID");
    assert!(notifier.trouble_of(client).is_some_and(|why| why.contains("answers 200")));
}

#[test]
fn a_client_with_much_to_be_told_holds_up_no_turn_when_it_comes_nor_when_it_goes() {
    const NOTIFICATIONS: usize = QUEUED_FAILED_PER_SWEEP_MAX + 300;
    let mut due = Due::new(NOTIFICATIONS as u64);
    let mut driver = Driver::new(DriverKind::Poll, 0, None).expect("a driver");
    let mut notifier = Notifier::new(4, Budget::new());
    // Its name has no address yet: what is taken waits.
    let nowhere = EndpointPlan {
        addresses: Vec::new(),
        ..plan(CLIENT, "http://push.invalid/", "192.0.2.1:80")
    };
    notifier.set_plans(&[nowhere]);
    let mut turns = 0;
    while notifier.send_orders(&mut due.parts, &mut driver, now()) {
        turns += 1;
        let taken = notifier.endpoints[&CLIENT].queue.len();
        assert!(taken <= turns * ORDERS_PER_TURN_MAX, "{taken} in {turns} turns");
    }
    assert_eq!(notifier.endpoints[&CLIENT].queue.len(), NOTIFICATIONS);

    notifier.set_plans(&[]);
    assert_eq!(due.failed(), 0, "a change of registrations settles nothing by itself");
    let mut sweeps = 0;
    while due.failed() < NOTIFICATIONS as u64 {
        let before = due.failed();
        notifier.sweep(&mut due.parts, &mut driver, now(), 16);
        sweeps += 1;
        let settled = due.failed() - before;
        assert!((1..=QUEUED_FAILED_PER_SWEEP_MAX as u64).contains(&settled), "{settled}");
    }
    assert_eq!(sweeps, 2);
}

#[test]
fn no_turn_begins_more_connections_than_it_has_time_for() {
    const CONNECTIONS: u16 = CONNECTS_PER_TURN_MAX as u16 + 10;
    let mut due = Due::new(u64::from(CONNECTIONS));
    let mut driver = Driver::new(DriverKind::Poll, 0, None).expect("a driver");
    let mut notifier = Notifier::new(1_000, Budget::new());
    notifier.set_plans(&[EndpointPlan {
        connections: CONNECTIONS,
        ..plan(CLIENT, "http://192.0.2.1/", "192.0.2.1:80")
    }]);
    assert!(notifier.send_orders(&mut due.parts, &mut driver, now()));
    assert_eq!(notifier.outgoing.len(), CONNECTS_PER_TURN_MAX);
    notifier.send_orders(&mut due.parts, &mut driver, now());
    assert_eq!(notifier.outgoing.len(), usize::from(CONNECTIONS), "the rest in the next turn");
}

#[test]
fn what_is_parked_because_it_may_not_go_has_its_reason_after_a_start_too() {
    let mut notifier = Notifier::new(4, Budget::new());
    let (near, far) = ("http://127.0.0.1/", "http://192.0.2.1/");
    notifier.set_plans(&[plan(1, near, "127.0.0.1:80"), plan(2, far, "192.0.2.1:80")]);
    let why = |xpid| notifier.trouble_of(Xpid::from_value(xpid).expect("an XPID"));
    assert!(why(1).is_some_and(|why| why.contains("--notify-allow")), "{:?}", why(1));
    assert_eq!((why(2), why(3)), (None, None));
}

#[test]
fn a_name_that_leads_where_none_may_go_parks_nothing_and_an_address_parks_a_part_at_a_time() {
    const NOTIFICATIONS: usize = QUEUED_FAILED_PER_SWEEP_MAX + 300;
    for (url, parked) in
        [("http://push.invalid/", 0), ("http://127.0.0.1/", QUEUED_FAILED_PER_SWEEP_MAX)]
    {
        let mut due = Due::new(NOTIFICATIONS as u64);
        let mut driver = Driver::new(DriverKind::Poll, 0, None).expect("a driver");
        let mut notifier = Notifier::new(4, Budget::new());
        // Nothing is sought yet.
        let address = "127.0.0.1:80";
        notifier.set_plans(&[EndpointPlan { addresses: Vec::new(), ..plan(CLIENT, url, address) }]);
        while notifier.send_orders(&mut due.parts, &mut driver, now()) {}
        let client = Xpid::from_value(CLIENT).expect("an XPID");
        notifier.set_addresses(&[(client, vec![address.parse().expect("an address")])]);
        notifier.send_orders(&mut due.parts, &mut driver, now());
        assert_eq!(due.figure("notifications_parked"), parked as u64, "{url}");
        assert_eq!(notifier.endpoints[&CLIENT].queue.len(), NOTIFICATIONS - parked, "{url}");
        let why = notifier.trouble_of(client);
        assert!(why.is_some_and(|why| why.contains("no notification may go")), "{url}");
    }
}
