//! The GMSC's decision: whether, when and by which domain a push goes to the terminal.
//!
//! A pure function of what the HLR answered, the XPID's service instruction values and the push's
//! class, taken anew at every attempt and for the whole push. It is a table of fifteen rows of
//! which the first that matches wins; the row's number stays with the decision for logs and tests.
//!
//! Never here: a look at the segments, a retry timer, a state kept between two decisions.
//!
//! Invariants, proved by enumeration of every flag, state and class:
//! - rows 3 to 6 refuse exactly when the flag of a state that holds is 0;
//! - a push never goes by CS with pscs=0 while the packet registration is in a visited network;
//! - `11111` never yields 5001, 5002, 5003 or 5005;
//! - turning a flag on never turns a delivery into a refusal.

use crate::network::subscriber::{HlrAnswer, LineState, Location, OperatorRule, OperatorTable};
use crate::smsc::outcome::HoldReason;
use wire::terms::code::Code;
use wire::terms::domain::Domain;
use wire::terms::ids::Class;
use wire::terms::svcinst::Svcinst;

/// Rows of the decision table.
pub const ROWS: u8 = 15;

/// What a decision needs to know of the push.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Terms {
    /// The XPID's five service instruction values.
    pub svcinst: Svcinst,
    /// The push's class: emergency tries once where others wait (rows 8 and 9).
    pub class: Class,
    /// Attempts made before this one. An emergency push has its one try despite rows 8 and 9 when
    /// this is 0.
    pub attempts_before: u16,
}

/// The verdict on one attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Never deliver; the push ends with `code`.
    Reject {
        /// The push's final result code.
        code: Code,
        /// The row that decided.
        row: u8,
    },
    /// Not now.
    Hold {
        /// Why, and so which retry schedule.
        reason: HoldReason,
        /// The push's final code if its lifetime ends while it waits.
        code_at_expiry: Code,
        /// The row that decided.
        row: u8,
    },
    /// Deliver now.
    Deliver {
        /// The domains to try, in order.
        route: Route,
        /// The row that decided.
        row: u8,
    },
}

impl Decision {
    /// The row that decided, 1 to [`ROWS`].
    pub fn row(&self) -> u8 {
        match *self {
            Self::Reject { row, .. } | Self::Hold { row, .. } | Self::Deliver { row, .. } => row,
        }
    }
}

/// The domains that one attempt tries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Route {
    /// Circuit-switched only.
    Cs,
    /// Packet only.
    PsOnly,
    /// Packet; on failure circuit-switched in the same attempt.
    PsThenCs,
}

impl Route {
    /// The domain tried first.
    pub fn first(self) -> Domain {
        match self {
            Self::Cs => Domain::Cs,
            Self::PsOnly | Self::PsThenCs => Domain::Ps,
        }
    }

    /// The domain tried when the first fails, if any.
    pub fn fallback(self) -> Option<Domain> {
        match self {
            Self::PsThenCs => Some(Domain::Cs),
            Self::Cs | Self::PsOnly => None,
        }
    }
}

/// Decides one attempt: the first row that matches.
//= delivery first row
pub fn decide(answer: HlrAnswer, terms: &Terms, operators: &OperatorTable) -> Decision {
    let line = match answer {
        //= delivery row 1
        HlrAnswer::UnknownSubscriber => return reject(Code::UNKNOWN_SUBSCRIBER, 1),
        // Row 7 needs no line state and rows 2 to 6 cannot match without one, so it may stand here.
        //= delivery row 7
        HlrAnswer::Failure => return hold(HoldReason::NetworkFailure, Code::EXPIRED_BUSY, 7),
        HlrAnswer::Known(line) => line,
    };
    if let Some(rejection) = reject_by_service(&line, terms.svcinst) {
        return rejection;
    }
    let tries_anyway = terms.class == Class::Emergency && terms.attempts_before == 0;
    //= delivery row 8
    if line.is_absent() && !tries_anyway {
        return hold(HoldReason::Absent, Code::EXPIRED_ABSENT, 8);
    }
    //= delivery row 9
    if line.memory_full && !tries_anyway {
        return hold(HoldReason::MemoryFull, Code::EXPIRED_MEMORY_FULL, 9);
    }
    if line.ps == Location::Visited {
        return route_roaming_out(&line, terms.svcinst, operators);
    }
    route_at_home(&line)
}

/// Rows 2 to 6: what the line's services and the service instruction values refuse.
fn reject_by_service(line: &LineState, svcinst: Svcinst) -> Option<Decision> {
    //= delivery row 2
    if !line.provisioned || line.barred {
        return Some(reject(Code::BARRED, 2));
    }
    //= delivery row 3
    if line.suspended && !svcinst.suspended() {
        return Some(reject(Code::LINE_SUSPENDED, 3));
    }
    //= delivery row 4
    if line.spam_block && !svcinst.spam() {
        return Some(reject(Code::SPAM_BLOCK, 4));
    }
    //= delivery row 5
    if line.usage_limit && !svcinst.limit() {
        return Some(reject(Code::USAGE_LIMIT, 5));
    }
    //= delivery row 6
    if line.is_roaming() && !svcinst.roaming() {
        return Some(reject(Code::INTERNATIONAL_ROAMING, 6));
    }
    None
}

/// Rows 10 to 13: the packet registration is in a visited network.
//= delivery flags pscs
fn route_roaming_out(line: &LineState, svcinst: Svcinst, operators: &OperatorTable) -> Decision {
    //= delivery row 13
    if !svcinst.circuit_switched() {
        return deliver(Route::PsOnly, 13);
    }
    let rule = operators.rule(line.operator);
    if line.cs_available() {
        return match rule {
            //= delivery row 11
            OperatorRule::Ps => deliver(Route::PsThenCs, 11),
            //= delivery row 10
            OperatorRule::Cs | OperatorRule::PsForbidden => deliver(Route::Cs, 10),
        };
    }
    //= delivery row 12
    if rule.allows_ps() {
        return deliver(Route::PsOnly, 12);
    }
    hold(HoldReason::PacketRoamingOut, Code::PACKET_ROAMING_OUT, 12)
}

/// Rows 14 and 15: the packet registration is at home or there is none.
fn route_at_home(line: &LineState) -> Decision {
    //= delivery row 14
    if line.ps_available() {
        let route = if line.cs_available() { Route::PsThenCs } else { Route::PsOnly };
        return deliver(route, 14);
    }
    if line.cs_available() {
        //= delivery row 15
        return deliver(Route::Cs, 15);
    }
    // Absent in every domain: only an emergency push's one try despite row 8 comes here. It goes
    // where the line was last registered.
    let route = match (line.ps, line.cs) {
        (Location::None, _) => Route::Cs,
        (_, Location::None) => Route::PsOnly,
        _ => Route::PsThenCs,
    };
    deliver(route, 8)
}

fn reject(code: Code, row: u8) -> Decision {
    Decision::Reject { code, row }
}

fn hold(reason: HoldReason, code_at_expiry: Code, row: u8) -> Decision {
    Decision::Hold { reason, code_at_expiry, row }
}

fn deliver(route: Route, row: u8) -> Decision {
    Decision::Deliver { route, row }
}
