//! The line-state file.

use crate::network::limits::BAD_LINES_NAMED_MAX;
use crate::network::line_states::{BadLines, Line, LineStates, Terminal};
use crate::network::subscriber::{HlrAnswer, LineState, Location};
use wire::terms::ids::Msn;

fn msn(digits: &str) -> Msn {
    Msn::parse(digits.as_bytes()).expect("an msn")
}

fn load(text: &str) -> LineStates {
    LineStates::parse(text, Line::HOME).expect("a good file")
}

fn refuse(text: &str) -> BadLines {
    LineStates::parse(text, Line::HOME).err().expect("a bad file")
}

fn known(state: LineState, terminal: Terminal) -> Line {
    Line { answer: HlrAnswer::Known(state), terminal }
}

#[test]
fn every_word_sets_what_it_names() {
    let home = LineState::HOME;
    for (word, state) in [
        ("home", home),
        ("roaming-cs", LineState { cs: Location::Visited, ..home }),
        ("roaming-ps", LineState { ps: Location::Visited, ..home }),
        ("no-cs", LineState { cs: Location::None, ..home }),
        ("no-ps", LineState { ps: Location::None, ..home }),
        ("absent", LineState { not_reachable_cs: true, not_reachable_ps: true, ..home }),
        ("absent-cs", LineState { not_reachable_cs: true, ..home }),
        ("absent-ps", LineState { not_reachable_ps: true, ..home }),
        ("operator-7", LineState { operator: 7, ..home }),
        ("suspended", LineState { suspended: true, ..home }),
        ("spam", LineState { spam_block: true, ..home }),
        ("limit", LineState { usage_limit: true, ..home }),
        ("barred", LineState { barred: true, ..home }),
        ("not-provisioned", LineState { provisioned: false, ..home }),
        ("memory-full", LineState { memory_full: true, ..home }),
    ] {
        assert_eq!(Line::parse(word), Ok(known(state, Terminal::Accepts)), "{word}");
    }
    for (word, terminal) in [
        ("busy", Terminal::Busy),
        ("illegal", Terminal::Illegal),
        ("not-equipped", Terminal::NotEquipped),
        ("protocol-error", Terminal::ProtocolError),
        ("system-failure", Terminal::SystemFailure),
        ("ps-failure", Terminal::PsFailure),
        ("absent-after-accept", Terminal::Absent),
        ("memory-full-after-accept", Terminal::MemoryFull),
        ("sim-full-after-accept", Terminal::SimFull),
    ] {
        assert_eq!(Line::parse(word), Ok(known(home, terminal)), "{word}");
    }
    let unknown = Line { answer: HlrAnswer::UnknownSubscriber, terminal: Terminal::Accepts };
    let failing = Line { answer: HlrAnswer::Failure, terminal: Terminal::Accepts };
    assert_eq!(Line::parse("unknown"), Ok(unknown));
    assert_eq!(Line::parse("hlr-failure"), Ok(failing));
}

#[test]
fn words_join_and_a_stored_line_comes_back_whole() {
    let states =
        load("09012345678,roaming-cs+roaming-ps+operator-255+suspended+sim-full-after-accept\n");
    let line = LineState {
        cs: Location::Visited,
        ps: Location::Visited,
        operator: 255,
        suspended: true,
        ..LineState::HOME
    };
    assert_eq!(states.find(msn("09012345678")), known(line, Terminal::SimFull));
}

#[test]
fn singles_stand_above_ranges_and_the_default_fills_the_rest() {
    let states = load(
        "msn,state\n# two ranges, one single\n\n09000000000-09000099999,absent\n\
         09000100000-09000100000,busy\n09000050000 , home\r\n08000000000,unknown",
    );
    let absent = Line::parse("absent").expect("a word");
    for inside in ["09000000000", "09000049999", "09000050001", "09000099999"] {
        assert_eq!(states.find(msn(inside)), absent, "{inside}");
    }
    assert_eq!(states.find(msn("09000050000")), Line::HOME);
    assert_eq!(states.find(msn("09000100000")), Line::parse("busy").expect("a word"));
    assert_eq!(states.find(msn("08000000000")), Line::parse("unknown").expect("a word"));
    for outside in ["09000100001", "08999999999", "00000000000", "09999999999"] {
        assert_eq!(states.find(msn(outside)), Line::HOME, "{outside}");
    }
    assert_eq!(states.len(), 4);
}

#[test]
fn the_default_state_is_the_callers() {
    let unknown = Line::parse("unknown").expect("a word");
    let states = LineStates::parse("", unknown).expect("an empty file");
    assert!(states.is_empty());
    assert_eq!(states.find(msn("09012345678")), unknown);
}

#[test]
fn each_bad_line_is_named_with_its_number_and_a_remedy() {
    for (text, says) in [
        ("0901234567,home", "`0901234567` is no msn; write eleven digits"),
        ("09012345678;home", "there is no comma; write msn,state"),
        ("09012345678,", "`` is no state word; write words such as"),
        ("09012345678,hoome", "`hoome` is no state word"),
        ("09012345678,operator-256", "`operator-256` is no state word"),
        ("09012345678,spam+spam", "`spam` stands twice; write it once"),
        ("09012345678,busy+illegal", "`illegal` is a second outcome"),
        ("09012345678,unknown+home", "`unknown` stands alone"),
        ("09012345678,home+roaming-ps", "`home` and `roaming-ps` contradict each other"),
        ("09000000009-09000000000,home", "runs backwards; write the lower msn first"),
        ("09000000000-0900000000,home", "`0900000000` is no msn"),
    ] {
        let bad = refuse(&format!("msn,state\n09000000001,home\n{text}\n"));
        assert_eq!(bad.count, 1, "{text}");
        assert_eq!(bad.named[0].line_number, 3, "{text}");
        assert!(bad.named[0].reason.contains(says), "{text}: {}", bad.named[0].reason);
        assert!(bad.to_string().contains("\n  line 3: "), "{bad}");
    }
}

#[test]
fn what_stands_twice_names_both_lines() {
    let bad = refuse("09000000001,home\n09000000001,busy\n");
    assert!(bad.to_string().contains("line 2: 09000000001 already stands on line 1"), "{bad}");
    let bad = refuse("09000000005-09000000009,home\n\n09000000000-09000000005,busy\n");
    assert!(bad.to_string().contains("line 3: its range overlaps that of line 1"), "{bad}");
}

#[test]
fn a_wholly_bad_file_is_counted_not_listed() {
    let text: String = (0..100).map(|number| format!("{number},home\n")).collect();
    let bad = refuse(&text);
    assert_eq!(bad.count, 100);
    assert_eq!(bad.named.len(), BAD_LINES_NAMED_MAX);
    assert!(bad.to_string().ends_with("and 80 more"), "{bad}");
    assert!(
        refuse(&format!("09000000001,{}", "+".repeat(600))).to_string().contains("longer than 512")
    );
}

#[test]
fn a_line_is_ready_only_when_a_waiting_push_could_arrive() {
    for (state, ready) in [
        ("home", true),
        ("absent-cs", true),
        ("roaming-ps+no-cs", true),
        ("absent", false),
        ("no-cs+no-ps", false),
        ("memory-full", false),
        ("absent-after-accept", false),
        ("sim-full-after-accept", false),
        ("unknown", false),
        ("hlr-failure", false),
    ] {
        assert_eq!(Line::parse(state).expect("a state").is_ready(), ready, "{state}");
    }
}
