//! The grammar of a line-state file's state column: words joined by `+`.

use crate::network::line_states::{Line, Terminal};
use crate::network::subscriber::{HlrAnswer, LineState, Registered};

const TERMINALS: [(&str, Terminal); 9] = [
    ("busy", Terminal::Busy),
    ("illegal", Terminal::Illegal),
    ("not-equipped", Terminal::NotEquipped),
    ("protocol-error", Terminal::ProtocolError),
    ("system-failure", Terminal::SystemFailure),
    ("ps-failure", Terminal::PsFailure),
    ("absent-after-accept", Terminal::Absent),
    ("memory-full-after-accept", Terminal::MemoryFull),
    ("sim-full-after-accept", Terminal::SimFull),
];

/// Pairs that say two things of one matter.
const CONTRADICTIONS: [(&str, &str); 12] = [
    ("home", "roaming-cs"),
    ("home", "roaming-ps"),
    ("home", "no-cs"),
    ("home", "no-ps"),
    ("roaming-cs", "no-cs"),
    ("roaming-ps", "no-ps"),
    ("absent", "absent-cs"),
    ("absent", "absent-ps"),
    ("absent-cs", "no-cs"),
    ("absent-ps", "no-ps"),
    ("memory-full", "memory-full-after-accept"),
    ("memory-full", "sim-full-after-accept"),
];

pub(crate) fn parse(state: &str) -> Result<Line, String> {
    match state {
        "unknown" => {
            return Ok(Line { answer: HlrAnswer::UnknownSubscriber, terminal: Terminal::Accepts });
        }
        "hlr-failure" => return Ok(Line { answer: HlrAnswer::Failure, terminal: Terminal::Accepts }),
        _ => {}
    }
    refuse_contradictions(state)?;
    let mut line = LineState::HOME;
    let mut terminal = Terminal::Accepts;
    for word in state.split('+') {
        if let Some(&(_, behaviour)) = TERMINALS.iter().find(|(name, _)| *name == word) {
            if terminal != Terminal::Accepts {
                return Err(format!("`{word}` is a second outcome; an attempt has one, keep one of them"));
            }
            terminal = behaviour;
        } else {
            apply(word, &mut line)?;
        }
    }
    Ok(Line { answer: HlrAnswer::Known(line), terminal })
}

fn refuse_contradictions(state: &str) -> Result<(), String> {
    for (index, word) in state.split('+').enumerate() {
        if state.split('+').skip(index + 1).any(|other| other == word) {
            return Err(format!("`{word}` stands twice; write it once"));
        }
    }
    let says = |word: &str| state.split('+').any(|said| said == word);
    for (one, other) in CONTRADICTIONS {
        if says(one) && says(other) {
            return Err(format!("`{one}` and `{other}` contradict each other; keep one of them"));
        }
    }
    Ok(())
}

fn apply(word: &str, line: &mut LineState) -> Result<(), String> {
    match word {
        "home" => {}
        "roaming-cs" => line.cs = Registered::Visited,
        "roaming-ps" => line.ps = Registered::Visited,
        "no-cs" => line.cs = Registered::None,
        "no-ps" => line.ps = Registered::None,
        "absent" => (line.not_reachable_cs, line.not_reachable_ps) = (true, true),
        "absent-cs" => line.not_reachable_cs = true,
        "absent-ps" => line.not_reachable_ps = true,
        "suspended" => line.suspended = true,
        "spam" => line.spam_block = true,
        "limit" => line.usage_limit = true,
        "barred" => line.barred = true,
        "not-provisioned" => line.provisioned = false,
        "memory-full" => line.memory_full = true,
        "unknown" | "hlr-failure" => {
            return Err(format!("`{word}` stands alone; drop the other words"));
        }
        _ => line.operator = operator(word)?,
    }
    Ok(())
}

fn operator(word: &str) -> Result<u8, String> {
    let number = word.strip_prefix("operator-").and_then(|number| number.parse().ok());
    number.ok_or_else(|| {
        format!(
            "`{word}` is no state word; write words such as home, roaming-ps, operator-1, absent, \
             memory-full, suspended, spam, limit, barred, unknown or busy, joined by +"
        )
    })
}
