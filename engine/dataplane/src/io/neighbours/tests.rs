use super::*;
use host::clock;
use wire::submission::{CancelTarget, Cancellation};
use wire::terms::ids::{Msn, Reqid, Xpid};
use wire::terms::ownership::Holders;

/// One engine with one thread, which is the test, and its link.
struct Side {
    mesh: Mesh,
    link: Option<RunningLink>,
}

fn addresses() -> Vec<SocketAddr> {
    let free = || TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    vec![free(), free()]
}

fn side(me: usize, addresses: &[SocketAddr], secret: u8, holder: Holder) -> Side {
    let neighbours =
        Neighbourhood { me, addresses: addresses.to_vec(), secret: [secret; 32], partitions: 1 };
    let ports = Ports::of_nobody(1, 1);
    ports.holders.set(0, holder);
    let lanes = Lanes::new(2);
    let link = PeerLink::open(&neighbours).expect("its port");
    let wakers = vec![Waker::into_the_void().expect("an eventfd"), link.waker()];
    let holders: &Arc<Holders> = &ports.holders;
    let mesh =
        Mesh::new(0, Arc::clone(&lanes), Arc::clone(holders), wakers.clone()).with_link(Some(1));
    let link = link.start(&ports, &lanes, wakers, Vec::new()).expect("a thread");
    Side { mesh, link: Some(link) }
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
