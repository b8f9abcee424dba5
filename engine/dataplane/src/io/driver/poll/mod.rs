//! Sockets by epoll, commits by a thread beside the shard: the driver for hosts without io_uring,
//! from Linux 5.4 on.
//!
//! A socket is told to epoll once, edge-triggered, and what epoll says of it is kept here as flags:
//! most turns cost one `epoll_wait`, and a `recv` and a `send` for each connection that has
//! something. A socket is empty when a receive says so, not when one filled less than its buffer.
//! What cannot be had at once stays asked for until the kernel says that it can. A send is tried
//! when it is asked for. Every bound of a turn is kept here as in the ring: so many completions, so
//! many octets, and what is left waits for the next turn in a line of ready sockets, where a commit
//! that is done does not wait.
//!
//! The table of sockets goes by the connection's place, not by descriptor: many shards share the
//! descriptors of one process.
//!
//! Never here: `io_uring`, or a wait but in [`Poller::wait`].

mod committing;
mod socket;

use super::token::{Completion, Operation, Owner, Token};
use super::wake::Bed;
use crate::io::limits::{
    COMPLETIONS_PER_TURN_MAX, RECEIVE_BUFFER_OCTETS, RECEIVE_BUFFERS, RECEIVED_PER_TURN_OCTETS_MAX,
};
use crate::journal::Write;
use committing::Committing;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use socket::{Read, Socket};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;

/// What epoll says of a call of another thread.
const CALL: EventData = EventData::new_u64(0);
const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// The driver.
pub(crate) struct Poller {
    epoll: OwnedFd,
    bed: Arc<Bed>,
    events: Vec<Event>,
    /// By place: of the push clients' side, of the notifier and of carriers.
    sockets: [Vec<Socket>; 4],
    /// Sockets that are being received from and have something, each once.
    ready: VecDeque<(Owner, u32)>,
    done: VecDeque<Completion>,
    buffers: Vec<u8>,
    free_buffers: Vec<u16>,
    committing: Committing,
}

impl Poller {
    /// Sets up the epoll, the buffers and the committing thread.
    ///
    /// # Errors
    /// What the kernel answered.
    pub(super) fn new(shard: usize) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let bed = Arc::new(Bed::new()?);
        epoll::add(&epoll, bed.call(), CALL, EventFlags::IN)?;
        let committing = Committing::start(shard, &bed)?;
        Ok(Self {
            epoll,
            bed,
            events: Vec::with_capacity(COMPLETIONS_PER_TURN_MAX),
            sockets: [const { Vec::new() }; 4],
            ready: VecDeque::new(),
            done: VecDeque::new(),
            buffers: vec![0; usize::from(RECEIVE_BUFFERS) * RECEIVE_BUFFER_OCTETS],
            free_buffers: (0..RECEIVE_BUFFERS).rev().collect(),
            committing,
        })
    }

    pub(super) fn bed(&self) -> &Arc<Bed> {
        &self.bed
    }

    pub(super) fn received(&self, buffer: u16, octets: usize) -> &[u8] {
        let start = usize::from(buffer) * RECEIVE_BUFFER_OCTETS;
        &self.buffers[start..start + octets]
    }

    pub(super) fn recycle(&mut self, buffer: u16) {
        self.free_buffers.push(buffer);
    }

    pub(super) fn watch(&mut self, socket: BorrowedFd<'_>, token: Token) {
        self.registered(socket, token).watching = true;
        self.go_on(token.owner, token.index);
    }

    pub(super) fn receive(&mut self, socket: BorrowedFd<'_>, token: Token) {
        self.registered(socket, token).receiving = true;
        self.go_on(token.owner, token.index);
    }

    pub(super) fn stop_receiving(&mut self, token: Token) {
        let done = &mut self.done;
        let socket = table(&mut self.sockets, token.owner).get_mut(token.index as usize);
        if let Some(socket) = socket.filter(|socket| socket.is(token))
            && std::mem::replace(&mut socket.receiving, false)
        {
            done.push_back(Completion::last(token, -libc::ECANCELED));
        }
    }

    /// # Safety
    /// `octets` must stay where it is, unchanged, until the operation's completion was reaped.
    pub(super) unsafe fn send(&mut self, socket: BorrowedFd<'_>, octets: &[u8], token: Token) {
        // SAFETY: the caller's promise, handed on.
        unsafe { self.registered(socket, token).begin_to_send(octets) };
        self.go_on(token.owner, token.index);
    }

    /// # Safety
    /// `address` must be a socket address of so many octets.
    pub(super) unsafe fn connect(
        &mut self,
        socket: BorrowedFd<'_>,
        address: *const libc::sockaddr,
        octets: u32,
        token: Token,
    ) {
        // SAFETY: the caller's promise, handed on.
        match unsafe { socket::begin_to_connect(socket, address, octets) } {
            Ok(true) => self.done.push_back(Completion::last(token, 0)),
            Ok(false) => {
                let socket = self.registered(socket, token);
                (socket.connecting, socket.writable) = (true, false);
                self.go_on(token.owner, token.index);
            }
            Err(error) => {
                let result = -error.raw_os_error().unwrap_or(libc::EIO);
                self.done.push_back(Completion::last(token, result));
            }
        }
    }

    /// # Safety
    /// The octets must stay where they are, unchanged, until the operation's completion was reaped.
    pub(super) unsafe fn write(&mut self, write: &Write, with_sync: bool, token: Token) {
        // SAFETY: the caller's promise, handed on.
        unsafe { self.committing.write(write, with_sync, token) };
    }

    pub(super) fn sync(&mut self, file: RawFd, token: Token) {
        self.committing.sync(file, token);
    }

    /// Collects what has completed; never waits.
    pub(super) fn turn(&mut self, completions: &mut VecDeque<Completion>) -> io::Result<()> {
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&AT_ONCE)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut events = std::mem::take(&mut self.events);
        events.drain(..).for_each(|event| self.take_event(event));
        self.events = events;
        // What was sent comes first: whoever is told that a commit failed gets its last words only
        // behind sends that have completed.
        completions.append(&mut self.done);
        while let Some(done) = self.committing.next_done() {
            completions.push_back(done);
        }
        self.read(completions);
        Ok(())
    }

    /// Sleeps until there is something for a turn or `wait_ns` have passed. Where several
    /// completions are to be waited for it is a commit or a call of another thread that ends it
    /// early: what sockets have is taken together.
    pub(super) fn wait(&mut self, completions: usize, wait_ns: u64) -> io::Result<()> {
        // In one order with the committing thread's words: either it sees that the shard rests, or
        // this sees its own.
        self.bed.lie_down();
        let is_awaited =
            self.done.is_empty() && self.ready.is_empty() && !self.committing.has_done();
        if is_awaited {
            let time = Timespec {
                tv_sec: (wait_ns / 1_000_000_000) as i64,
                tv_nsec: (wait_ns % 1_000_000_000) as i64,
            };
            // Not `epoll_wait`, which counts in milliseconds before Linux 5.11.
            let waited = if completions > 1 {
                PollFd::from_borrowed_fd(self.bed.call(), PollFlags::IN)
            } else {
                PollFd::new(&self.epoll, PollFlags::IN)
            };
            match poll(&mut [waited], Some(&time)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.bed.get_up();
        Ok(())
    }

    /// What is kept of the token's socket, which epoll knows from now on.
    fn registered(&mut self, descriptor: BorrowedFd<'_>, token: Token) -> &mut Socket {
        let table = table(&mut self.sockets, token.owner);
        let place = token.index as usize;
        if place >= table.len() {
            table.resize_with(place + 1, Socket::default);
        }
        if !table[place].is(token) {
            table[place] = Socket::of(descriptor, token, &table[place]);
            let data = EventData::new_u64(token.pack());
            let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
            if let Err(error) = epoll::add(&self.epoll, descriptor, data, flags) {
                table[place].broken = error.raw_os_error();
            }
        }
        &mut table[place]
    }

    fn take_event(&mut self, event: Event) {
        let data = event.data;
        let Some(token) = Token::unpack(data.u64()) else {
            // A call. The shard looks of itself at what it was called for.
            let _ = rustix::io::read(self.bed.call(), &mut [0; 8]);
            return;
        };
        let flags = event.flags;
        let table = table(&mut self.sockets, token.owner);
        if let Some(socket) = table.get_mut(token.index as usize).filter(|socket| socket.is(token))
        {
            socket.note(flags.bits());
            self.go_on(token.owner, token.index);
        }
    }

    /// Does what was asked of a socket and can be done now; what is to be received stands in line
    /// for the turn.
    fn go_on(&mut self, owner: Owner, index: u32) {
        let socket = &mut table(&mut self.sockets, owner)[index as usize];
        for (operation, result) in [
            (Operation::Connect, socket.connected()),
            (Operation::Send, socket.send_on()),
            (Operation::HangUp, socket.hung_up()),
        ] {
            if let Some(result) = result {
                let token = Token::new(owner, operation, index, socket.generation());
                self.done.push_back(Completion::last(token, result));
            }
        }
        if socket.wants_a_read() {
            self.ready.push_back((owner, index));
        }
    }

    /// Receives from the sockets in line, one buffer each and then in turns, as far as a turn goes.
    fn read(&mut self, completions: &mut VecDeque<Completion>) {
        let mut received = 0;
        while completions.len() < COMPLETIONS_PER_TURN_MAX
            && received < RECEIVED_PER_TURN_OCTETS_MAX
            && let Some(&buffer) = self.free_buffers.last()
            && let Some((owner, index)) = self.ready.pop_front()
        {
            let socket = &mut table(&mut self.sockets, owner)[index as usize];
            let start = usize::from(buffer) * RECEIVE_BUFFER_OCTETS;
            let token = Token::new(owner, Operation::Receive, index, socket.generation());
            match socket.read(&mut self.buffers[start..start + RECEIVE_BUFFER_OCTETS]) {
                Read::Nothing => {}
                Read::Octets(octets) => {
                    self.free_buffers.pop();
                    received += octets;
                    let (buffer, result) = (Some(buffer), octets as i32);
                    completions.push_back(Completion {
                        token,
                        result,
                        buffer,
                        more: socket.receiving,
                    });
                }
                Read::Ended(result) => completions.push_back(Completion::last(token, result)),
            }
            if socket.wants_a_read() {
                self.ready.push_back((owner, index));
            }
        }
    }
}

fn table(tables: &mut [Vec<Socket>; 4], owner: Owner) -> &mut Vec<Socket> {
    match owner {
        Owner::Front => &mut tables[0],
        Owner::Notifier => &mut tables[1],
        Owner::Carrier => &mut tables[2],
        Owner::Customer => &mut tables[3],
        Owner::Turn => unreachable!("the shard itself has no socket"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_place_stands_in_line_once_however_often_its_socket_changes() {
        let mut poller = Poller::new(0).expect("a driver");
        let mut completions = VecDeque::new();
        let mut pairs = Vec::new();
        for generation in 1..=4 {
            let (mut client, server) = UnixStream::pair().expect("a pair");
            client.write_all(&[generation as u8; 5]).expect("room in the socket");
            let token = Token::new(Owner::Front, Operation::Receive, 0, generation);
            poller.receive(server.as_fd(), token);
            // As a turn that has no room left to read.
            let waited =
                epoll::wait(&poller.epoll, spare_capacity(&mut poller.events), Some(&AT_ONCE));
            assert!(waited.is_ok_and(|events| events > 0));
            let events: Vec<Event> = poller.events.drain(..).collect();
            events.into_iter().for_each(|event| poller.take_event(event));
            if generation < 4 {
                poller.stop_receiving(token);
            }
            pairs.push((client, server));
        }
        assert_eq!(poller.ready.len(), 1);
        poller.turn(&mut completions).expect("a turn");
        let received: Vec<i32> = completions.iter().map(|completion| completion.result).collect();
        assert_eq!(received, [-libc::ECANCELED, -libc::ECANCELED, -libc::ECANCELED, 5]);
    }
}
