use super::*;
use crate::io::tls::PeerFiles;
use host::clock;
use wire::submission::{CancelTarget, Cancellation};
use wire::terms::ids::{Msn, Reqid, Xpid};
use wire::terms::ownership::Holders;

/// One engine with one thread, which is the test, and its link.
struct Side {
    mesh: Mesh,
    holders: Arc<Holders>,
    link: Option<RunningLink>,
}

fn addresses() -> Vec<SocketAddr> {
    let free = || TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    vec![free(), free()]
}

fn side(me: usize, addresses: &[SocketAddr], secret: u8, holder: Holder) -> Side {
    secured_side(me, addresses, secret, holder, None)
}

fn secured_side(
    me: usize,
    addresses: &[SocketAddr],
    secret: u8,
    holder: Holder,
    tls: Option<PeerTls>,
) -> Side {
    patient_side(me, addresses, secret, holder, (tls, Duration::from_nanos(PATIENCE_NS)))
}

fn patient_side(
    me: usize,
    addresses: &[SocketAddr],
    secret: u8,
    holder: Holder,
    (tls, patience): (Option<PeerTls>, Duration),
) -> Side {
    let (addresses, secret) = (addresses.to_vec(), [secret; 32]);
    let neighbours = Neighbourhood { me, addresses, secret, partitions: 1, tls };
    let ports = Ports::of_nobody(1, 1);
    ports.holders.set(0, holder);
    let lanes = Lanes::new(2);
    let link = PeerLink::open(&neighbours).expect("its port");
    let wakers = vec![Waker::into_the_void().expect("an eventfd"), link.waker()];
    let holders: Arc<Holders> = Arc::clone(&ports.holders);
    let mesh =
        Mesh::new(0, Arc::clone(&lanes), Arc::clone(&holders), wakers.clone()).with_link(Some(1));
    let link = PeerLink { patience_ns: patience.as_nanos() as u64, ..link };
    let link = link.start(&ports, &lanes, wakers, Vec::new()).expect("a thread");
    Side { mesh, holders, link: Some(link) }
}

impl Side {
    /// Asks for the partition of the other one.
    fn ask(&mut self, number: u64) {
        let to = self.mesh.addressee(0).expect("the link has it");
        let origin = Origin {
            thread: 0,
            connection: 7,
            generation: 8,
            answer: number,
            gathering: None,
            is_customer: false,
        };
        let sender = Sender { client: 3, is_urgent: false };
        let cancellation = Cancellation {
            xpid: Xpid::from_value(100_000_001).expect("an XPID"),
            target: CancelTarget::Push {
                msn: Msn::from_value(9_012_345_678).expect("an msn"),
                reqid: Reqid::parse(b"reqid").expect("a reqid"),
            },
        };
        let write = |form: &mut Vec<u8>| form::write_cancellation(&cancellation, form);
        assert_eq!(self.mesh.send_request(to, origin, sender, true, write), Portion::Free);
        self.mesh.wake_peers();
    }

    /// The code of the next answer; the other one, if there, is served meanwhile.
    fn answer(&mut self, mut meanwhile: impl FnMut()) -> (u64, Code) {
        let begun = clock::instant();
        loop {
            meanwhile();
            if let Some((peer, parcel)) = self.mesh.next_answer() {
                let answer = parcel.answer.expect("an answer");
                assert_eq!((parcel.origin.connection, parcel.origin.generation), (7, 8));
                let number = parcel.origin.answer;
                self.mesh.keep(peer, parcel);
                return (number, answer.code);
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "no answer comes");
            std::thread::yield_now();
        }
    }

    fn serve(&mut self) {
        while let Some(mut parcel) = self.mesh.next_request() {
            assert!(parcel.found_elsewhere && parcel.shard == 0);
            let order = form::read(&parcel.form).expect("a form");
            assert!(matches!(order, FormOrder::Cancel(_)));
            parcel.answer = Some(Answer { segments: 2, ..Answer::bare(Code::ACCEPTED) });
            parcel.count = 5;
            self.mesh.send_answer(parcel);
            self.mesh.wake_peers();
        }
    }

    /// Asks until the other one has answered: the first questions come before the connection.
    fn reach(&mut self, other: &mut Self) {
        for number in 0.. {
            self.ask(number);
            if self.answer(|| other.serve()) == (number, Code::ACCEPTED) {
                return;
            }
        }
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        if let Some(link) = self.link.take() {
            link.end();
        }
    }
}

#[test]
fn a_request_for_another_nodes_partition_goes_there_and_its_answer_comes_home() {
    let addresses = addresses();
    let mut home = side(0, &addresses, 9, Holder::Node(1));
    home.ask(1);
    assert_eq!(home.answer(|| {}), (1, Code::OVERLOAD), "nobody is there: it was not sent");
    let mut owner = side(1, &addresses, 9, Holder::Thread(0));
    home.reach(&mut owner);

    home.ask(2);
    while !owner.mesh.has_arrivals() {
        std::thread::yield_now();
    }
    drop(owner);
    assert_eq!(home.answer(|| {}), (2, Code::NOT_DURABLE), "nobody knows what became of it");
}

#[test]
fn nobody_waits_for_a_node_that_stands_still_once_its_partition_is_anothers() {
    let addresses = addresses();
    let mut home = side(0, &addresses, 9, Holder::Node(1));
    let mut owner = side(1, &addresses, 9, Holder::Thread(0));
    home.reach(&mut owner);

    let begun = clock::instant();
    home.ask(1_000);
    while !owner.mesh.has_arrivals() {
        std::thread::yield_now();
    }
    home.holders.set(0, Holder::Nobody);
    assert_eq!(home.answer(|| {}), (1_000, Code::NOT_DURABLE), "nobody knows what became of it");
    let took = begun.elapsed();
    assert!(took < Duration::from_nanos(PATIENCE_NS) * 4 / 5, "{took:?}");
    // What it says when it goes on is nobody's any more, and the next one is asked.
    owner.serve();
    home.holders.set(0, Holder::Node(1));
    home.ask(1_001);
    assert_eq!(home.answer(|| owner.serve()), (1_001, Code::ACCEPTED));
}

#[test]
fn one_request_that_is_not_answered_in_time_takes_no_other_with_it() {
    let addresses = addresses();
    let patience = Duration::from_secs(2);
    let mut home = patient_side(0, &addresses, 9, Holder::Node(1), (None, patience));
    let mut owner = side(1, &addresses, 9, Holder::Thread(0));
    home.reach(&mut owner);

    home.ask(1_000);
    let unanswered = until_asked(&mut owner);
    let (begun, mut number) = (clock::instant(), 1_001);
    loop {
        home.ask(number);
        let (answered, code) = home.answer(|| owner.serve());
        if answered == 1_000 {
            assert_eq!(code, Code::NOT_DURABLE);
            break;
        }
        assert_eq!((answered, code), (number, Code::ACCEPTED), "after {:?}", begun.elapsed());
        number += 1;
    }
    assert!(begun.elapsed() >= patience * 9 / 10);
    for number in [number, number + 1] {
        assert_eq!(home.answer(|| owner.serve()), (number, Code::ACCEPTED), "it goes on");
        home.ask(number + 1);
    }
    drop(unanswered);
}

/// The next request that comes here, which is not answered.
fn until_asked(owner: &mut Side) -> Box<Parcel> {
    let begun = clock::instant();
    loop {
        if let Some(parcel) = owner.mesh.next_request() {
            return parcel;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "nothing comes");
        std::thread::yield_now();
    }
}

#[test]
fn a_request_is_handed_on_once_and_whoever_has_another_secret_is_not_heard() {
    let addresses = addresses();
    let mut home = side(0, &addresses, 9, Holder::Node(1));
    let owner = side(1, &addresses, 9, Holder::Node(0));
    for number in 0..200 {
        home.ask(number);
        assert_eq!(home.answer(|| {}), (number, Code::OVERLOAD), "it does not have it either");
    }
    drop(owner);
    let stranger = side(1, &addresses, 8, Holder::Thread(0));
    let begun = clock::instant();
    let mut refused = 0;
    while refused < 20 && begun.elapsed() < Duration::from_secs(20) {
        home.ask(1_000);
        let (_, code) = home.answer(|| {
            assert!(!stranger.mesh.has_arrivals(), "nothing of it is read");
        });
        assert!([Code::OVERLOAD, Code::NOT_DURABLE].contains(&code));
        refused += 1;
    }
}

#[test]
fn whoever_connects_and_says_nothing_keeps_no_node_out() {
    let addresses = addresses();
    let mut home = side(0, &addresses, 9, Holder::Node(1));
    let mut owner = side(1, &addresses, 9, Holder::Thread(0));
    let silent = || TcpStream::connect(addresses[1]).expect("it listens");
    let mut strangers: Vec<TcpStream> = (0..NEIGHBOUR_CONNECTIONS_MAX).map(|_| silent()).collect();
    home.reach(&mut owner);
    // The node that is known stays, however many come: strangers go for strangers.
    strangers.extend((0..NEIGHBOUR_CONNECTIONS_MAX).map(|_| silent()));
    home.reach(&mut owner);
    for (at, stranger) in strangers.iter_mut().enumerate() {
        let begun = clock::instant();
        let ended = std::io::Read::read(stranger, &mut [0; 1]);
        assert!(!matches!(ended, Ok(1..)), "{at}: nothing is said to it");
        assert!(begun.elapsed() < Duration::from_secs(20), "{at}: it is let go");
    }
}

/// What a node of this authority speaks with.
fn certified(place: &std::path::Path, authority: &str) -> PeerTls {
    PeerTls::read(&certificates(place, authority)).expect("certificates")
}

/// An authority, and a certificate of it.
fn certificates(place: &std::path::Path, authority: &str) -> PeerFiles {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let made = params.self_signed(&key).expect("an authority");
    let issuer = Issuer::new(params, key);
    let own_key = KeyPair::generate().expect("a key");
    let own = CertificateParams::new(["127.0.0.1".to_owned()]).expect("parameters");
    let own = own.signed_by(&own_key, &issuer).expect("a certificate");
    let write = |name: &str, text: String| {
        let path = place.join(format!("{authority}-{name}"));
        std::fs::write(&path, text).expect("a file");
        path
    };
    PeerFiles {
        authority: write("ca.pem", made.pem()),
        certificate: write("own.pem", own.pem()),
        key: write("own.key", own_key.serialize_pem()),
    }
}

#[test]
fn within_tls_a_request_goes_to_a_node_of_the_same_authority_and_to_nobody_else() {
    let place = tempfile::tempdir().expect("a directory");
    let addresses = addresses();
    let tls = certified(place.path(), "nodes");
    let mut home = secured_side(0, &addresses, 9, Holder::Node(1), Some(tls.clone()));
    let mut owner = secured_side(1, &addresses, 9, Holder::Thread(0), Some(tls));
    home.reach(&mut owner);
    drop(owner);
    // One that speaks plain text, and one whose certificate is of another authority.
    for tls in [None, Some(certified(place.path(), "others"))] {
        let stranger = secured_side(1, &addresses, 9, Holder::Thread(0), tls);
        let begun = clock::instant();
        for number in 0..10 {
            home.ask(number);
            let (_, code) = home.answer(|| {
                assert!(!stranger.mesh.has_arrivals(), "nothing of it is read");
            });
            assert!([Code::OVERLOAD, Code::NOT_DURABLE].contains(&code));
        }
        assert!(begun.elapsed() < Duration::from_secs(60));
    }
}

/// Whether a node takes a request of whoever speaks with this, and why not.
fn taken(node: &PeerTls, stranger: Option<&PeerTls>) -> Result<(), String> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let connected = TcpStream::connect(address).expect("a connection");
    let (accepted, _) = listener.accept().expect("it");
    let security = stranger.and_then(|tls| tls.call(address.ip()));
    let mut from = Wire::new(connected, security).expect("a wire");
    let mut to = Wire::new(accepted, node.accept()).expect("a wire");
    RequestFrame { number: 1, shard: 3, client: 1, found_elsewhere: false, form: b"form" }
        .write(&mut from.output);
    loop {
        // A stranger goes on whatever it is told.
        let _ = from.send() && from.receive();
        let goes_on = to.receive();
        let _ = to.send();
        if to.next_frame().is_some() {
            return Ok(());
        }
        if !goes_on {
            return Err(to.refusal.take().expect("a reason"));
        }
    }
}

#[test]
fn within_tls_nothing_is_taken_of_whoever_shows_no_certificate_of_the_nodes_authority() {
    let place = tempfile::tempdir().expect("a directory");
    let nodes = certificates(place.path(), "nodes");
    let tls = PeerTls::read(&nodes).expect("certificates");
    // One that would take the node for what it is, and shows a certificate of somebody else's.
    let others = certificates(place.path(), "others");
    let foreign = PeerFiles { authority: nodes.authority, ..others };
    let foreign = PeerTls::read(&foreign).expect("certificates");
    assert_eq!(taken(&tls, Some(&tls)), Ok(()), "one of its own");
    let of_another_authority = taken(&tls, Some(&foreign)).expect_err("nothing of it");
    assert!(of_another_authority.contains("certificate"), "{of_another_authority}");
    taken(&tls, None).expect_err("nothing of one that speaks plain text");
}

#[test]
fn much_that_waits_goes_through_tls_whole() {
    let place = tempfile::tempdir().expect("a directory");
    let tls = certified(place.path(), "nodes");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let connected = TcpStream::connect(address).expect("a connection");
    let (accepted, _) = listener.accept().expect("it");
    let mut from = Wire::new(connected, tls.call(address.ip())).expect("a wire");
    let mut to = Wire::new(accepted, tls.accept()).expect("a wire");
    let form: Vec<u8> = (0..200_000_u32).map(|octet| octet as u8).collect();
    let frames = 40;
    for number in 0..frames {
        RequestFrame { number, shard: 3, client: 1, found_elsewhere: false, form: &form }
            .write(&mut from.output);
    }
    let mut come = 0;
    while come < frames {
        assert!(from.send() && from.receive() && to.receive() && to.send());
        while let Some(frame) = to.next_frame() {
            let read = frame.and_then(RequestFrame::read).expect("a request");
            assert!(read.number == come && read.form == form);
            come += 1;
        }
    }
}

#[test]
fn what_came_before_the_end_of_a_connection_is_read_before_it_ends() {
    let place = tempfile::tempdir().expect("a directory");
    let tls = certified(place.path(), "nodes");
    for tls in [None, Some(tls)] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let connected = TcpStream::connect(address).expect("a connection");
        let (accepted, _) = listener.accept().expect("it");
        let secured = tls.as_ref().map(|tls| (tls.call(address.ip()), tls.accept()));
        let (calls, accepts) = secured.unwrap_or_default();
        let mut from = Wire::new(connected, calls).expect("a wire");
        let mut to = Wire::new(accepted, accepts).expect("a wire");
        let (begun, mut heard) = (clock::instant(), 0);
        let say = |from: &mut Wire| {
            let answer = Answer::bare(Code::ACCEPTED);
            AnswerFrame { number: 1, count: 0, answer }.write(&mut from.output);
        };
        let mut hear = |to: &mut Wire| {
            while let Some(frame) = to.next_frame() {
                assert!(frame.and_then(AnswerFrame::read).is_some());
                heard += 1;
            }
            assert!(begun.elapsed() < Duration::from_secs(60));
            heard
        };
        say(&mut from);
        loop {
            assert!(from.send() && from.receive() && to.receive() && to.send());
            if hear(&mut to) == 1 {
                break;
            }
        }
        say(&mut from);
        while from.has_output() {
            assert!(from.send());
        }
        drop(from);
        while to.receive() {
            hear(&mut to);
        }
        assert_eq!(heard, 2);
    }
}

#[test]
fn frames_read_back_and_what_is_cut_short_does_not() {
    let mut octets = Vec::new();
    let request =
        RequestFrame { number: 7, shard: 300, client: 9, found_elsewhere: true, form: b"form" };
    request.write(&mut octets);
    let read = RequestFrame::read(&octets[4..]).expect("a request");
    assert_eq!((read.number, read.shard, read.client, read.form), (7, 300, 9, &b"form"[..]));
    assert!(read.found_elsewhere && RequestFrame::read(&octets[4..18]).is_none());

    for (msn, reqid) in [(None, None), (Msn::from_value(9_012_345_678), Reqid::parse(b"abc"))] {
        let answer = Answer { code: Code::PAUSED, msn, reqid, xpid: None, segments: 3 };
        let mut octets = Vec::new();
        AnswerFrame { number: 1 << 40, count: 77, answer }.write(&mut octets);
        let read = AnswerFrame::read(&octets[4..]).expect("an answer");
        assert_eq!((read.number, read.count, read.answer), (1 << 40, 77, answer));
        assert!(AnswerFrame::read(&octets[4..30]).is_none());
    }
}
