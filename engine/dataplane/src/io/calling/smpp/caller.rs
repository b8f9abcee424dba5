//! One carrier as its home's thread keeps it: its sessions, how many there are to be, and what a
//! change of its settings does to them.
//!
//! Never here: octets, or a connection.

use crate::network::smpp::carrier::Carrier;
use crate::network::smpp::home::Home;
use std::sync::Arc;
use wire::smpp::dial::Dialler;
use wire::terms::time::SteadyMs;

/// How long a session that is to be unbound waits for its last answers.
const RETIRING_MS: u64 = 10_000;

/// One session of a carrier.
pub(super) struct Line {
    pub(super) dialler: Dialler,
    pub(super) connection: Option<u32>,
    /// It is to be unbound when its last answers are there, or at this time at the latest.
    pub(super) retiring_until_ms: Option<SteadyMs>,
}

/// One carrier.
pub(super) struct Caller {
    pub(super) home: Home,
    pub(super) lines: Vec<Line>,
    /// It is there no more: its sessions end, and no others begin.
    pub(super) gone: bool,
}

impl Caller {
    /// Sessions that there are to be.
    pub(super) fn sessions(&self) -> usize {
        if self.gone { 0 } else { self.home.carrier().lines() }
    }

    pub(super) fn new_line(&self, now_ms: SteadyMs) -> Line {
        let hosts = self.home.carrier().hosts.len().max(1);
        Line {
            dialler: Dialler::new(hosts, now_ms.ms()),
            connection: None,
            retiring_until_ms: None,
        }
    }

    /// These sessions end when their last answers are there.
    pub(super) fn retire(&mut self, lines: std::ops::Range<usize>, now_ms: SteadyMs) {
        for line in lines {
            self.home.retire(line);
            self.lines[line].retiring_until_ms.get_or_insert(now_ms + RETIRING_MS);
        }
    }
}

/// The carrier has these settings from now on.
pub(super) fn change_caller(caller: &mut Caller, carrier: &Arc<Carrier>, now_ms: SteadyMs) {
    let rebinds = caller.home.carrier().rebinds_for(carrier) || caller.gone;
    let (before, after) = (caller.lines.len(), carrier.lines());
    caller.gone = false;
    caller.home.change(Arc::clone(carrier), now_ms);
    while caller.lines.len() < after {
        caller.lines.push(caller.new_line(now_ms));
    }
    let hosts = carrier.hosts.len();
    caller.lines.iter_mut().for_each(|line| line.dialler.set_hosts(hosts));
    if rebinds {
        caller.retire(0..before, now_ms);
    } else if after < before {
        caller.retire(after..before, now_ms);
    }
}
