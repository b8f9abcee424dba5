//! What a turn may rely on, of either driver.

use super::*;
use crate::io::limits::{BURST_OCTETS_MAX, RECEIVE_BUFFER_OCTETS, RECEIVED_PER_TURN_OCTETS_MAX};
use crossbeam::queue::ArrayQueue;
use std::io::{Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;

const LONG_NS: u64 = 20_000_000_000;

/// The drivers that this host has.
fn kinds() -> impl Iterator<Item = DriverKind> {
    [DriverKind::Uring, DriverKind::Poll].into_iter().filter(|&kind| has(kind))
}

fn has(kind: DriverKind) -> bool {
    let refusal = if kind == DriverKind::Uring { ring_refusal() } else { None };
    refusal
        .inspect(|refusal| eprintln!("nothing of {kind} is tested here: {}", refusal.message))
        .is_none()
}

fn driver(kind: DriverKind) -> Driver {
    Driver::new(kind, 0, None).expect("a driver")
}

fn token(operation: Operation) -> Token {
    Token::new(Owner::Front, operation, 3, 9)
}

/// The next completion, for which the driver waits as long as it takes.
fn next(driver: &mut Driver, completions: &mut VecDeque<Completion>) -> Completion {
    let began = host::clock::instant();
    loop {
        if let Some(completion) = completions.pop_front() {
            return completion;
        }
        assert!(began.elapsed().as_nanos() < u128::from(LONG_NS), "nothing completes");
        driver.wait(1, LONG_NS).expect("a wait");
        driver.turn(completions).expect("a turn");
    }
}

/// Receives until there is no more to come; what came, and how it ended.
fn receive_all(
    driver: &mut Driver,
    server: &UnixStream,
    completions: &mut VecDeque<Completion>,
) -> (Vec<u8>, i32) {
    let mut all = Vec::new();
    driver.receive(server.as_fd(), true, token(Operation::Receive));
    loop {
        let completion = next(driver, completions);
        if completion.token.operation != Operation::Receive {
            continue;
        }
        if let Some(buffer) = completion.buffer {
            all.extend_from_slice(driver.received(buffer, completion.result as usize));
            driver.recycle(buffer);
        }
        if !completion.more
            && (completion.buffer.is_some() || completion.result == -libc::ECANCELED)
        {
            driver.receive(server.as_fd(), true, token(Operation::Receive));
        } else if !completion.more {
            return (all, completion.result);
        }
    }
}

/// Takes one thing after the other that another thread puts before it, and sleeps for long whenever
/// there is none. The other puts nothing more while one is left: a single wake-up that got lost is
/// slept through.
#[test]
fn no_wake_up_gets_lost_between_the_last_look_and_the_rest() {
    for kind in kinds() {
        const THINGS: u32 = 20_000;
        let queue = Arc::new(ArrayQueue::new(1));
        let began = host::clock::instant();
        let mut driver = driver(kind);
        let (waker, things) = (driver.waker(), Arc::clone(&queue));
        let putter = std::thread::spawn(move || {
            for thing in 0..THINGS {
                while things.push(thing).is_err() {
                    std::thread::yield_now();
                }
                waker.wake();
            }
        });
        let (mut taken, mut completions) = (0, VecDeque::new());
        while taken < THINGS {
            while let Some(thing) = queue.pop() {
                assert_eq!(thing, taken);
                taken += 1;
            }
            driver.begin_rest();
            if queue.is_empty() && taken < THINGS {
                driver.wait(1, LONG_NS).expect("a wait");
            }
            assert!(
                began.elapsed().as_nanos() < u128::from(LONG_NS),
                "a wake-up got lost under {kind}"
            );
            driver.wake_up();
            driver.turn(&mut completions).expect("a turn");
            if completions.drain(..).any(|completion| completion.token.operation == Operation::Call)
            {
                driver.listen();
            }
        }
        putter.join().expect("the other thread ends");
    }
}

#[test]
fn others_call_a_shard_only_while_it_sleeps_and_only_once() {
    for kind in kinds() {
        let mut driver = driver(kind);
        let waker = driver.waker();
        waker.wake();
        assert!(!driver.bed().is_called(), "it is awake");
        driver.begin_rest();
        waker.wake();
        assert!(driver.bed().is_called(), "it rests");
        driver.wait(1, LONG_NS).expect("a wait");
        driver.wake_up();
        driver.turn(&mut VecDeque::new()).expect("a turn");
        assert!(!driver.bed().is_called(), "the driver has taken the call");
        waker.wake();
        assert!(!driver.bed().is_called(), "it is awake");
        waker.rouse();
        assert!(driver.bed().is_called(), "an alarm asks nothing");
    }
}

#[test]
fn what_comes_together_with_the_end_is_received_and_then_the_end() {
    for kind in kinds() {
        let mut driver = driver(kind);
        let (mut client, server) = UnixStream::pair().expect("a pair");
        let sent: Vec<u8> = (0..100_000_u32).map(|at| at as u8).collect();
        client.write_all(&sent).expect("room in the socket");
        drop(client);
        let mut completions = VecDeque::new();
        assert_eq!(receive_all(&mut driver, &server, &mut completions), (sent, 0), "{kind}");
    }
}

#[test]
fn a_receive_that_does_not_go_on_brings_one_buffer_however_much_the_peer_sends() {
    if !has(DriverKind::Uring) {
        return;
    }
    let mut driver = driver(DriverKind::Uring);
    let (mut client, server) = UnixStream::pair().expect("a pair");
    client.set_nonblocking(true).expect("a socket");
    while client.write(&[7; 4096]).is_ok() {}
    let mut completions = VecDeque::new();
    for _ in 0..3 {
        driver.receive(server.as_fd(), false, token(Operation::Receive));
        let completion = next(&mut driver, &mut completions);
        assert_eq!((completion.result as usize, completion.more), (RECEIVE_BUFFER_OCTETS, false));
        completion.buffer.inspect(|&buffer| driver.recycle(buffer));
        driver.turn(&mut completions).expect("a turn");
        assert!(completions.is_empty(), "once");
    }
}

#[test]
fn a_receive_that_fills_a_buffer_ends_before_it_has_brought_everything() {
    for kind in kinds() {
        let mut driver = driver(kind);
        let (mut client, server) = UnixStream::pair().expect("a pair");
        client.set_nonblocking(true).expect("a socket");
        let mut completions = VecDeque::new();
        driver.receive(server.as_fd(), true, token(Operation::Receive));
        let mut taken = 0;
        loop {
            // The peer sends on and on.
            while client.write(&[7; 4096]).is_ok() {}
            let completion = next(&mut driver, &mut completions);
            taken += completion.result.max(0) as usize;
            completion.buffer.inspect(|&buffer| driver.recycle(buffer));
            if !completion.more && completion.token.operation == Operation::Receive {
                break;
            }
        }
        assert!((RECEIVE_BUFFER_OCTETS..=BURST_OCTETS_MAX).contains(&taken), "{kind}: {taken}");
    }
}

#[test]
fn a_send_that_the_peer_does_not_take_at_once_completes_when_it_has_taken_all() {
    for kind in kinds() {
        let mut driver = driver(kind);
        let (mut client, server) = UnixStream::pair().expect("a pair");
        let sent: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
        // SAFETY: the octets live until the completion.
        unsafe { driver.send(server.as_fd(), &sent, token(Operation::Send)) };
        let mut completions = VecDeque::new();
        driver.turn(&mut completions).expect("a turn");
        assert!(completions.is_empty(), "{kind}: the socket holds less");
        let length = sent.len();
        let reader = std::thread::spawn(move || {
            let mut taken = vec![0; length];
            client.read_exact(&mut taken).map(|()| taken)
        });
        let completion = next(&mut driver, &mut completions);
        assert_eq!(
            (completion.token, completion.result),
            (token(Operation::Send), length as i32),
            "{kind}"
        );
        assert!(reader.join().expect("no panic").expect("all of it") == sent, "{kind}");
    }
}

#[test]
fn a_receive_that_is_stopped_ends_and_another_one_goes_on_where_it_was() {
    for kind in kinds() {
        let mut driver = driver(kind);
        let (mut client, server) = UnixStream::pair().expect("a pair");
        let mut completions = VecDeque::new();
        driver.receive(server.as_fd(), true, token(Operation::Receive));
        driver.turn(&mut completions).expect("a turn");
        driver.stop_receiving(token(Operation::Receive));
        loop {
            let completion = next(&mut driver, &mut completions);
            if completion.token.operation == Operation::Receive {
                assert_eq!(
                    (completion.result, completion.more),
                    (-libc::ECANCELED, false),
                    "{kind}"
                );
                break;
            }
        }
        client.write_all(b"said meanwhile").expect("room in the socket");
        driver.turn(&mut completions).expect("a turn");
        assert!(
            completions.iter().all(|c| c.token.operation == Operation::Cancel),
            "{kind}: nobody asks"
        );
        completions.clear();
        drop(client);
        let said = receive_all(&mut driver, &server, &mut completions);
        assert_eq!(said, (b"said meanwhile".to_vec(), 0), "{kind}");
    }
}

#[test]
fn a_peer_that_hangs_up_is_noticed_where_nothing_is_being_received() {
    for kind in kinds() {
        let mut driver = driver(kind);
        let (client, server) = UnixStream::pair().expect("a pair");
        driver.watch(server.as_fd(), token(Operation::HangUp));
        drop(client);
        let completion = next(&mut driver, &mut VecDeque::new());
        assert_eq!(completion.token, token(Operation::HangUp), "{kind}");
        assert!(completion.result & i32::from(libc::POLLHUP) != 0, "{kind}: {completion:?}");
    }
}

#[test]
fn a_reused_place_hears_nothing_of_the_socket_before() {
    for kind in kinds() {
        let mut driver = driver(kind);
        let mut completions = VecDeque::new();
        for generation in 1..=3 {
            let (mut client, server) = UnixStream::pair().expect("a pair");
            let token = Token::new(Owner::Front, Operation::Receive, 0, generation);
            driver.receive(server.as_fd(), true, token);
            client.write_all(&[generation as u8; 5]).expect("room in the socket");
            drop(client);
            let mut heard = Vec::new();
            loop {
                let completion = next(&mut driver, &mut completions);
                assert_eq!(completion.token, token, "{kind}");
                if let Some(buffer) = completion.buffer {
                    heard.extend_from_slice(driver.received(buffer, completion.result as usize));
                    driver.recycle(buffer);
                }
                if !completion.more {
                    break;
                }
            }
            assert_eq!(heard, [generation as u8; 5], "{kind}");
        }
    }
}

#[test]
fn a_send_that_is_done_is_told_before_a_commit_that_is_done() {
    let mut driver = driver(DriverKind::Poll);
    let (_client, server) = UnixStream::pair().expect("a pair");
    let sync = Token::of_turn(Operation::BillingSync, 0);
    driver.sync(server.as_raw_fd(), sync);
    driver.wait(1, LONG_NS).expect("a wait");
    // SAFETY: the octets live until the completion.
    unsafe { driver.send(server.as_fd(), b"taken at once", token(Operation::Send)) };
    let mut completions = VecDeque::new();
    driver.turn(&mut completions).expect("a turn");
    let told: Vec<Token> = completions.iter().map(|completion| completion.token).collect();
    assert_eq!(told, [token(Operation::Send), sync]);
}

/// The ring's turn is as long as what the kernel completes in one go.
#[test]
fn a_turn_under_poll_receives_a_turns_worth_and_the_next_ones_the_rest() {
    const SOCKETS: u32 = 96;
    let mut driver = driver(DriverKind::Poll);
    let pairs: Vec<_> = (0..SOCKETS).map(|_| UnixStream::pair().expect("a pair")).collect();
    for (place, (client, server)) in (0..).zip(&pairs) {
        (&*client).write_all(&[7; RECEIVE_BUFFER_OCTETS]).expect("room in the socket");
        driver.receive(
            server.as_fd(),
            false,
            Token::new(Owner::Front, Operation::Receive, place, 1),
        );
    }
    let mut completions = VecDeque::new();
    for received in [RECEIVED_PER_TURN_OCTETS_MAX; 3] {
        driver.turn(&mut completions).expect("a turn");
        let octets: i32 = completions.iter().map(|completion| completion.result).sum();
        assert_eq!(octets as usize, received);
        completions
            .drain(..)
            .filter_map(|done| done.buffer)
            .for_each(|buffer| driver.recycle(buffer));
    }
}

#[test]
fn what_lies_behind_an_urgent_octet_is_received_without_more_coming() {
    for kind in kinds() {
        let mut driver = driver(kind);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut client =
            TcpStream::connect(listener.local_addr().expect("an address")).expect("a peer");
        let (server, _) = listener.accept().expect("a peer");
        client.write_all(b"before").expect("room in the socket");
        rustix::net::send(&client, b"!", rustix::net::SendFlags::OOB).expect("room in the socket");
        client.write_all(b"behind").expect("room in the socket");
        driver.receive(server.as_fd(), true, token(Operation::Receive));
        let (mut heard, mut completions) = (Vec::new(), VecDeque::new());
        while heard != b"beforebehind" {
            let completion = next(&mut driver, &mut completions);
            let Some(buffer) = completion.buffer else { continue };
            heard.extend_from_slice(driver.received(buffer, completion.result as usize));
            driver.recycle(buffer);
        }
    }
}
