//! The decision table, row by row and by enumeration.

use crate::network::gmsc::{Decision, Route, Terms, decide};
use crate::network::subscriber::{HlrAnswer, LineState, Location, OperatorRule, OperatorTable};
use crate::smsc::outcome::HoldReason;
use wire::terms::code::Code;
use wire::terms::ids::Class;
use wire::terms::svcinst::Svcinst;

const CLASSES: [Class; 4] = [Class::Standard, Class::Urgent, Class::Emergency, Class::Exercise];
const OPERATOR_CS: u8 = 0;
const OPERATOR_PS: u8 = 1;
const OPERATOR_PS_FORBIDDEN: u8 = 2;

fn svcinst(flags: &str) -> Svcinst {
    Svcinst::parse(flags).expect("five binary digits")
}

fn terms(flags: &str, class: Class) -> Terms {
    Terms { svcinst: svcinst(flags), class, attempts_before: 0 }
}

fn decide_for(line: LineState, flags: &str, class: Class) -> Decision {
    decide(HlrAnswer::Known(line), &terms(flags, class), &OperatorTable::default())
}

/// A standard push with the default svcinst but for `flags`.
fn decide_standard(line: LineState, flags: &str) -> Decision {
    decide_for(line, flags, Class::Standard)
}

fn hold(reason: HoldReason, code_at_expiry: Code, row: u8) -> Decision {
    Decision::Hold { reason, code_at_expiry, row }
}

fn deliver(route: Route, row: u8) -> Decision {
    Decision::Deliver { route, row }
}

fn reject(code: Code, row: u8) -> Decision {
    Decision::Reject { code, row }
}

const HOME: LineState = LineState::HOME;

fn roaming(operator: u8) -> LineState {
    LineState { cs: Location::Visited, ps: Location::Visited, operator, ..HOME }
}

//= delivery row 1
#[test]
fn row_1_rejects_an_unknown_subscriber() {
    for class in CLASSES {
        let decision =
            decide(HlrAnswer::UnknownSubscriber, &terms("11111", class), &OperatorTable::default());
        assert_eq!(decision, reject(Code::UNKNOWN_SUBSCRIBER, 1));
    }
}

//= delivery row 2
#[test]
fn row_2_rejects_what_is_not_provisioned_or_barred() {
    for line in [LineState { provisioned: false, ..HOME }, LineState { barred: true, ..HOME }] {
        assert_eq!(decide_for(line, "11111", Class::Emergency), reject(Code::BARRED, 2));
    }
}

//= delivery row 3
#[test]
fn row_3_rejects_a_suspended_line_unless_susp_is_1() {
    let line = LineState { suspended: true, ..HOME };
    assert_eq!(decide_standard(line, "00011"), reject(Code::LINE_SUSPENDED, 3));
    assert_eq!(decide_standard(line, "10011"), deliver(Route::PsThenCs, 14));
}

//= delivery row 4
#[test]
fn row_4_rejects_a_spam_blocking_line_unless_spam_is_1() {
    let line = LineState { spam_block: true, ..HOME };
    assert_eq!(decide_standard(line, "00011"), reject(Code::SPAM_BLOCK, 4));
    assert_eq!(decide_standard(line, "01011"), deliver(Route::PsThenCs, 14));
}

//= delivery row 5
#[test]
fn row_5_rejects_a_line_over_its_limit_unless_limit_is_1() {
    let line = LineState { usage_limit: true, ..HOME };
    assert_eq!(decide_standard(line, "00011"), reject(Code::USAGE_LIMIT, 5));
    assert_eq!(decide_standard(line, "00111"), deliver(Route::PsThenCs, 14));
}

//= delivery row 6
#[test]
fn row_6_rejects_a_roaming_line_unless_roam_is_1() {
    for line in [
        LineState { cs: Location::Visited, ..HOME },
        LineState { ps: Location::Visited, ..HOME },
        roaming(OPERATOR_PS),
    ] {
        assert_eq!(decide_standard(line, "00010"), reject(Code::INTERNATIONAL_ROAMING, 6));
        assert!(matches!(decide_standard(line, "00011"), Decision::Deliver { .. }));
    }
}

//= delivery row 7
#[test]
fn row_7_holds_when_the_hlr_fails_whatever_the_class() {
    for class in CLASSES {
        let decision =
            decide(HlrAnswer::Failure, &terms("11111", class), &OperatorTable::default());
        assert_eq!(decision, hold(HoldReason::NetworkFailure, Code::EXPIRED_BUSY, 7));
    }
}

//= delivery row 8
#[test]
fn row_8_holds_a_line_that_is_absent_in_every_domain() {
    for line in [
        LineState { not_reachable_cs: true, not_reachable_ps: true, ..HOME },
        LineState { cs: Location::None, ps: Location::None, ..HOME },
        LineState { cs: Location::None, not_reachable_ps: true, ..HOME },
        LineState { ps: Location::None, not_reachable_cs: true, ..HOME },
    ] {
        let held = hold(HoldReason::Absent, Code::EXPIRED_ABSENT, 8);
        assert_eq!(decide_standard(line, "00011"), held);
        assert!(matches!(decide_for(line, "11111", Class::Emergency), Decision::Deliver { .. }));
        let tried = Terms { attempts_before: 1, ..terms("11111", Class::Emergency) };
        assert_eq!(
            decide(HlrAnswer::Known(line), &tried, &OperatorTable::default()),
            held,
            "once only"
        );
    }
}

#[test]
fn an_emergency_push_to_an_absent_line_goes_where_the_line_was_last_registered() {
    let unreachable = LineState { not_reachable_cs: true, not_reachable_ps: true, ..HOME };
    for (cs, ps, decision) in [
        (Location::Home, Location::Home, deliver(Route::PsThenCs, 8)),
        (Location::Home, Location::None, deliver(Route::Cs, 8)),
        (Location::None, Location::Home, deliver(Route::PsOnly, 8)),
        (Location::None, Location::None, deliver(Route::Cs, 8)),
        (Location::Visited, Location::Visited, deliver(Route::PsOnly, 12)),
    ] {
        let line = LineState { cs, ps, ..unreachable };
        assert_eq!(decide_for(line, "11111", Class::Emergency), decision, "{cs:?} {ps:?}");
    }
}

//= delivery row 9
#[test]
fn row_9_holds_a_line_whose_memory_is_full() {
    let line = LineState { memory_full: true, ..HOME };
    let held = hold(HoldReason::MemoryFull, Code::EXPIRED_MEMORY_FULL, 9);
    assert_eq!(decide_standard(line, "00011"), held);
    assert_eq!(decide_for(line, "11111", Class::Emergency), deliver(Route::PsThenCs, 14));
    let tried = Terms { attempts_before: 1, ..terms("11111", Class::Emergency) };
    assert_eq!(
        decide(HlrAnswer::Known(line), &tried, &OperatorTable::default()),
        held,
        "once only"
    );
}

//= delivery row 10
#[test]
fn row_10_sends_a_roaming_line_by_cs_where_the_operator_table_says_so() {
    for operator in [OPERATOR_CS, OPERATOR_PS_FORBIDDEN] {
        assert_eq!(decide_standard(roaming(operator), "00011"), deliver(Route::Cs, 10));
    }
}

//= delivery row 11
#[test]
fn row_11_sends_a_roaming_line_by_ps_first_where_the_operator_table_says_so() {
    assert_eq!(decide_standard(roaming(OPERATOR_PS), "00011"), deliver(Route::PsThenCs, 11));
}

//= delivery row 12
#[test]
fn row_12_sends_a_roaming_line_without_cs_by_ps_if_the_operator_allows() {
    for (cs, not_reachable_cs) in [(Location::None, false), (Location::Visited, true)] {
        let line = |operator| LineState { cs, not_reachable_cs, ..roaming(operator) };
        for operator in [OPERATOR_CS, OPERATOR_PS] {
            assert_eq!(decide_standard(line(operator), "00011"), deliver(Route::PsOnly, 12));
        }
        assert_eq!(
            decide_standard(line(OPERATOR_PS_FORBIDDEN), "00011"),
            hold(HoldReason::PacketRoamingOut, Code::PACKET_ROAMING_OUT, 12)
        );
    }
}

//= delivery row 13
#[test]
fn row_13_sends_a_roaming_line_by_ps_only_when_pscs_is_0() {
    for operator in [OPERATOR_CS, OPERATOR_PS, OPERATOR_PS_FORBIDDEN] {
        assert_eq!(decide_standard(roaming(operator), "00001"), deliver(Route::PsOnly, 13));
    }
}

//= delivery row 14
#[test]
fn row_14_sends_by_ps_at_home_and_falls_back_to_a_reachable_cs() {
    assert_eq!(decide_standard(HOME, "00011"), deliver(Route::PsThenCs, 14));
    for line in
        [LineState { not_reachable_cs: true, ..HOME }, LineState { cs: Location::None, ..HOME }]
    {
        assert_eq!(decide_standard(line, "00011"), deliver(Route::PsOnly, 14));
    }
}

//= delivery row 15
#[test]
fn row_15_sends_by_cs_when_there_is_nothing_else() {
    for line in
        [LineState { ps: Location::None, ..HOME }, LineState { not_reachable_ps: true, ..HOME }]
    {
        assert_eq!(decide_standard(line, "00011"), deliver(Route::Cs, 15));
    }
}

//= delivery first row
#[test]
fn the_first_matching_row_wins() {
    let everything = LineState {
        suspended: true,
        spam_block: true,
        usage_limit: true,
        not_reachable_cs: true,
        not_reachable_ps: true,
        memory_full: true,
        ..roaming(OPERATOR_CS)
    };
    let barred = LineState { barred: true, ..everything };
    assert_eq!(decide_standard(barred, "00000").row(), 2);
    for (flags, row) in [("00000", 3), ("10000", 4), ("11000", 5), ("11100", 6), ("11101", 8)] {
        assert_eq!(decide_standard(everything, flags).row(), row, "{flags}");
    }
    let present = LineState { not_reachable_cs: false, ..everything };
    assert_eq!(decide_standard(present, "11111").row(), 9);
    let with_memory = LineState { memory_full: false, ..present };
    assert_eq!(decide_standard(with_memory, "11111").row(), 10);
}

/// Every state of a line and of the visited operator.
fn line_states() -> impl Iterator<Item = LineState> {
    let bits = 0u32..1 << 8;
    bits.flat_map(|bits| {
        let flag = move |position: u32| bits >> position & 1 == 1;
        let operators = [OPERATOR_CS, OPERATOR_PS, OPERATOR_PS_FORBIDDEN];
        let domains = Location::ALL.into_iter().flat_map(|cs| Location::ALL.map(|ps| (cs, ps)));
        domains.flat_map(move |(cs, ps)| {
            operators.map(|operator| LineState {
                provisioned: flag(0),
                barred: flag(1),
                suspended: flag(2),
                spam_block: flag(3),
                usage_limit: flag(4),
                not_reachable_cs: flag(5),
                not_reachable_ps: flag(6),
                memory_full: flag(7),
                cs,
                ps,
                operator,
            })
        })
    })
}

/// Every push that a decision can tell apart: five flags, four classes, first attempt or later.
fn all_terms() -> impl Iterator<Item = Terms> {
    (0..32).flat_map(|bits: u8| {
        CLASSES.into_iter().flat_map(move |class| {
            [0, 1].map(|attempts_before| Terms { svcinst: from_bits(bits), class, attempts_before })
        })
    })
}

fn from_bits(bits: u8) -> Svcinst {
    svcinst(&format!("{bits:05b}"))
}

/// Calls `check` with every known line, every push and what is decided; how many there were.
fn enumerate(mut check: impl FnMut(&LineState, &Terms, Decision)) -> usize {
    let operators = OperatorTable::default();
    let all_terms: Vec<Terms> = all_terms().collect();
    let mut count = 0;
    for line in line_states() {
        for terms in &all_terms {
            check(&line, terms, decide(HlrAnswer::Known(line), terms, &operators));
            count += 1;
        }
    }
    count
}

#[test]
fn the_enumeration_covers_the_whole_state_space_and_every_row_with_a_line() {
    let mut rows = [0u32; 16];
    let count = enumerate(|_, _, decision| rows[usize::from(decision.row())] += 1);
    assert_eq!(count, (1 << 8) * 9 * 3 * 32 * 4 * 2);
    let without_a_line = [0, 1, 7];
    for (row, &decisions) in rows.iter().enumerate() {
        assert_eq!(
            decisions == 0,
            without_a_line.contains(&row),
            "row {row}: {decisions} decisions"
        );
    }
}

#[test]
fn rows_3_to_6_refuse_exactly_when_the_flag_of_a_state_that_holds_is_0() {
    enumerate(|line, terms, decision| {
        if !line.provisioned || line.barred {
            return assert_eq!(decision, reject(Code::BARRED, 2));
        }
        let flags = terms.svcinst;
        let due = (line.suspended && !flags.suspended())
            || (line.spam_block && !flags.spam())
            || (line.usage_limit && !flags.limit())
            || (line.is_roaming() && !flags.roaming());
        let is_refused = matches!(decision, Decision::Reject { row: 3..=6, .. });
        assert_eq!(is_refused, due, "{line:?} {terms:?}");
        assert!(
            is_refused || !matches!(decision, Decision::Reject { .. }),
            "no other refusal of a known line"
        );
    });
}

//= delivery flags pscs
#[test]
fn a_push_never_goes_by_cs_with_pscs_0_and_a_visited_packet_network() {
    enumerate(|line, terms, decision| {
        if let Decision::Deliver { route, .. } = decision
            && line.ps == Location::Visited
            && !terms.svcinst.circuit_switched()
        {
            assert_eq!(route, Route::PsOnly, "{line:?} {terms:?}");
        }
    });
}

//= delivery flags preset
#[test]
fn the_emergency_preset_is_never_refused_for_a_service() {
    let services =
        [Code::LINE_SUSPENDED, Code::SPAM_BLOCK, Code::USAGE_LIMIT, Code::INTERNATIONAL_ROAMING];
    enumerate(|line, terms, decision| {
        if terms.svcinst == Svcinst::EMERGENCY
            && let Decision::Reject { code, .. } = decision
        {
            assert!(!services.contains(&code), "{line:?} {terms:?}");
        }
    });
}

//= delivery flags
#[test]
fn turning_a_flag_on_never_turns_a_delivery_into_a_refusal() {
    let operators = OperatorTable::default();
    for line in line_states() {
        let decision = |bits, class, attempts_before| {
            let terms = Terms { svcinst: from_bits(bits), class, attempts_before };
            decide(HlrAnswer::Known(line), &terms, &operators)
        };
        for class in CLASSES {
            for attempts_before in [0, 1] {
                let decisions: Vec<_> =
                    (0..32).map(|bits| decision(bits, class, attempts_before)).collect();
                for bits in 0..32usize {
                    for flag in (0..5).map(|position| 1 << position).filter(|flag| bits & flag == 0)
                    {
                        let delivers = matches!(decisions[bits], Decision::Deliver { .. });
                        let refuses = matches!(decisions[bits | flag], Decision::Reject { .. });
                        assert!(!(delivers && refuses), "{line:?} {bits:05b} + {flag:05b}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_route_only_names_domains_in_which_the_line_can_be_reached_unless_an_emergency_tries_anyway() {
    enumerate(|line, terms, decision| {
        let Decision::Deliver { route, row } = decision else { return };
        let tries_anyway = terms.class == Class::Emergency && terms.attempts_before == 0;
        if line.is_absent() || line.memory_full {
            return assert!(tries_anyway, "{line:?} {terms:?} row {row}");
        }
        if route.first() == wire::terms::domain::Domain::Cs || route.fallback().is_some() {
            assert!(line.cs_available(), "{line:?} {terms:?} row {row}");
        }
    });
}

#[test]
fn the_operator_table_decides_by_the_visited_operator() {
    let mut operators = OperatorTable::default();
    operators.set(200, OperatorRule::Ps);
    let decision = |operator| {
        decide(HlrAnswer::Known(roaming(operator)), &terms("00011", Class::Standard), &operators)
    };
    assert_eq!(decision(200), deliver(Route::PsThenCs, 11));
    assert_eq!(decision(201), deliver(Route::Cs, 10));
}
