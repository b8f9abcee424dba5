//! Line states of the simulated network: which msn is suspended, roams, is absent, answers busy.
//!
//! A line-state file is CSV of two columns, `msn,state`; that header may stand on the first line.
//! Blank lines and lines that begin with `#` are skipped. The msn is eleven digits, or a range
//! `FIRST-LAST` of them, both included. Ranges may not overlap each other; a single msn inside a
//! range stands above it. The state is one or more words joined by `+`:
//!
//! | words | meaning |
//! |---|---|
//! | `home` | registered at home in both domains; what no word changes stays so |
//! | `roaming-cs`, `roaming-ps` | registered in a visited network, by CS, by PS |
//! | `no-cs`, `no-ps` | not registered by CS, by PS |
//! | `absent`, `absent-cs`, `absent-ps` | not reachable at all, by CS, by PS; the HLR knows it |
//! | `operator-0` … `operator-255` | the visited operator's place in the operator table |
//! | `suspended`, `spam`, `limit` | line suspended, SMS spam blocking set, usage limit exceeded |
//! | `barred`, `not-provisioned` | another barring, no short message service |
//! | `memory-full` | the terminal's memory is full; the HLR knows it |
//! | `unknown`, `hlr-failure` | the HLR does not know the line, does not answer; stands alone |
//! | `busy`, `illegal`, `not-equipped`, `protocol-error`, `system-failure`, `ps-failure`, `absent-after-accept`, `memory-full-after-accept`, `sim-full-after-accept` | how an attempt ends although the HLR lets it through; one of them at most. `ps-failure` fails by PS only |
//!
//! A word that contradicts another is refused, and so is a word that stands twice.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::network::limits::{BAD_LINES_NAMED_MAX, LINE_OCTETS_MAX};
use crate::network::subscriber::{HlrAnswer, LineState, Location};
use wire::terms::ids::Msn;

/// How a terminal, or the network that serves it, takes an SMS-DELIVER that the decision let
/// through.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Terminal {
    /// Acknowledges a right TPDU, refuses a wrong one.
    Accepts = 0,
    /// The subscriber is busy.
    Busy = 1,
    /// Illegal subscriber or equipment.
    Illegal = 2,
    /// Not equipped for SMS.
    NotEquipped = 3,
    /// Refuses every TPDU with a protocol cause.
    ProtocolError = 4,
    /// The serving network fails.
    SystemFailure = 5,
    /// The packet network fails, the circuit-switched one delivers.
    PsFailure = 6,
    /// Does not answer the page.
    Absent = 7,
    /// Memory capacity exceeded.
    MemoryFull = 8,
    /// (U)SIM SMS storage full.
    SimFull = 9,
}

impl Terminal {
    /// Every behaviour, in the order of its number.
    pub const ALL: [Self; 10] = [
        Self::Accepts,
        Self::Busy,
        Self::Illegal,
        Self::NotEquipped,
        Self::ProtocolError,
        Self::SystemFailure,
        Self::PsFailure,
        Self::Absent,
        Self::MemoryFull,
        Self::SimFull,
    ];
}

/// One line of the simulated network: what its HLR answers and how its terminal behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line {
    /// The HLR's answer.
    pub answer: HlrAnswer,
    /// The terminal's behaviour.
    pub terminal: Terminal,
}

impl Line {
    /// At home, reachable, accepts: delivers.
    pub const HOME: Self =
        Self { answer: HlrAnswer::Known(LineState::HOME), terminal: Terminal::Accepts };

    /// Reads a `+`-joined list of state words; the error is one sentence with the remedy.
    pub fn parse(state: &str) -> Result<Self, String> {
        parse(state)
    }

    /// Whether a waiting push may be tried again: known, not absent in every domain, memory free.
    pub fn is_ready(&self) -> bool {
        let HlrAnswer::Known(line) = self.answer else { return false };
        let terminal_ready =
            !matches!(self.terminal, Terminal::Absent | Terminal::MemoryFull | Terminal::SimFull);
        !line.is_absent() && !line.memory_full && terminal_ready
    }

    fn pack(self) -> PackedLine {
        let (kind, state) = match self.answer {
            HlrAnswer::Known(state) => (0, state.pack()),
            HlrAnswer::UnknownSubscriber => (1, 0),
            HlrAnswer::Failure => (2, 0),
        };
        PackedLine(state | (self.terminal as u32) << TERMINAL_SHIFT | kind << KIND_SHIFT)
    }
}

const TERMINAL_SHIFT: u32 = LineState::PACKED_BITS;
const KIND_SHIFT: u32 = TERMINAL_SHIFT + 4;
const _: () = assert!(KIND_SHIFT + 2 <= 32, "a line packs into four octets");

/// A [`Line`] in four octets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct PackedLine(u32);

impl PackedLine {
    fn unpack(self) -> Line {
        let answer = match self.0 >> KIND_SHIFT & 0b11 {
            0 => HlrAnswer::Known(LineState::unpack(self.0)),
            1 => HlrAnswer::UnknownSubscriber,
            _ => HlrAnswer::Failure,
        };
        Line { answer, terminal: Terminal::ALL[(self.0 >> TERMINAL_SHIFT & 0b1111) as usize] }
    }
}

/// Lines by single msn, in hash tables of which each holds a part: one that grows keeps a shard for
/// a millisecond, where ten million lines in one table would keep it for a second.
#[derive(Clone, Debug, Default)]
pub(crate) struct LineMap {
    /// As many as [`LINE_PARTS`], or none while no line is known.
    parts: Vec<HashMap<u64, PackedLine, BuildHasherDefault<MsnHasher>>>,
    count: usize,
}

/// Parts of a map of lines, a power of two.
const LINE_PARTS: usize = 1024;

const _: () = assert!(LINE_PARTS.is_power_of_two());

/// The part in which an msn's line is. The tables choose their places by other bits of another
/// hash.
fn part_of(msn: Msn) -> usize {
    (msn.value().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - LINE_PARTS.ilog2())) as usize
}

impl LineMap {
    pub(crate) fn find(&self, msn: Msn) -> Option<Line> {
        if self.parts.is_empty() {
            return None;
        }
        self.parts[part_of(msn)].get(&msn.value()).map(|packed| packed.unpack())
    }

    pub(crate) fn insert(&mut self, msn: Msn, line: Line) {
        if self.parts.is_empty() {
            self.parts = vec![HashMap::default(); LINE_PARTS];
        }
        self.count +=
            usize::from(self.parts[part_of(msn)].insert(msn.value(), line.pack()).is_none());
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }
}

/// Hash of an msn's number: one multiplication. Msns come from the operator's own file and
/// contracts, so nobody gains by crowding a table with chosen ones.
#[derive(Clone, Default)]
pub(crate) struct MsnHasher(u64);

impl Hasher for MsnHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, octets: &[u8]) {
        for &octet in octets {
            self.write_u64(self.0 ^ u64::from(octet));
        }
    }

    fn write_u64(&mut self, number: u64) {
        let product = u128::from(number ^ 0x2545_f491_4f6c_dd1d) * 0x9e37_79b9_7f4a_7c15;
        self.0 = product as u64 ^ (product >> 64) as u64;
    }
}

struct LineRange {
    first: u64,
    last: u64,
    line: PackedLine,
    line_number: u32,
}

/// The line states that a file gives, and the default for all other msns. Never changes once
/// loaded.
pub struct LineStates {
    default: Line,
    singles: LineMap,
    /// Ascending, without overlap.
    ranges: Vec<LineRange>,
}

impl LineStates {
    /// No lines: every msn is in the state `default`.
    pub fn uniform(default: Line) -> Self {
        Self { default, singles: LineMap::default(), ranges: Vec::new() }
    }

    /// Reads a whole line-state file.
    ///
    /// # Errors
    /// Every bad line, by number and with its remedy; then no line of the file counts.
    pub fn parse(text: &str, default: Line) -> Result<Self, BadLines> {
        let mut loader = Loader {
            states: Self::uniform(default),
            seen: HashMap::default(),
            bad: BadLines::default(),
        };
        for (index, row) in text.lines().enumerate() {
            loader.read_row(index as u32 + 1, row.trim());
        }
        loader.finish()
    }

    /// The state of `msn`.
    pub fn find(&self, msn: Msn) -> Line {
        if let Some(line) = self.singles.find(msn) {
            return line;
        }
        if !self.ranges.is_empty() {
            let after = self.ranges.partition_point(|range| range.first <= msn.value());
            if let Some(range) = after.checked_sub(1).map(|at| &self.ranges[at])
                && msn.value() <= range.last
            {
                return range.line.unpack();
            }
        }
        self.default
    }

    /// Single msns and ranges that the file names.
    pub fn len(&self) -> usize {
        self.singles.len() + self.ranges.len()
    }

    /// The file names none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Default for LineStates {
    fn default() -> Self {
        Self::uniform(Line::HOME)
    }
}

/// One line of a line-state file that cannot be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadLine {
    /// Counted from 1.
    pub line_number: u32,
    /// One sentence: what is wrong and what to write instead.
    pub reason: String,
}

/// The bad lines of a line-state file: the first by name, the rest by count.
#[derive(Clone, PartialEq, Eq, Debug, Default, thiserror::Error)]
pub struct BadLines {
    /// The first [`BAD_LINES_NAMED_MAX`].
    pub named: Vec<BadLine>,
    /// All of them.
    pub count: u64,
}

impl BadLines {
    fn add(&mut self, line_number: u32, reason: String) {
        self.count += 1;
        if self.named.len() < BAD_LINES_NAMED_MAX {
            self.named.push(BadLine { line_number, reason });
        }
    }
}

impl std::fmt::Display for BadLines {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} bad lines in the line-state file", self.count)?;
        for bad in &self.named {
            write!(formatter, "\n  line {}: {}", bad.line_number, bad.reason)?;
        }
        let unnamed = self.count - self.named.len() as u64;
        if unnamed > 0 {
            write!(formatter, "\n  and {unnamed} more")?;
        }
        Ok(())
    }
}

struct Loader {
    states: LineStates,
    /// Line number of each single msn.
    seen: HashMap<u64, u32, BuildHasherDefault<MsnHasher>>,
    bad: BadLines,
}

impl Loader {
    fn read_row(&mut self, line_number: u32, row: &str) {
        if row.is_empty() || row.starts_with('#') || (line_number == 1 && row == "msn,state") {
            return;
        }
        if let Err(reason) = self.try_row(line_number, row) {
            self.bad.add(line_number, reason);
        }
    }

    fn try_row(&mut self, line_number: u32, row: &str) -> Result<(), String> {
        if row.len() > LINE_OCTETS_MAX {
            return Err(format!(
                "it is longer than {LINE_OCTETS_MAX} octets; write one msn,state a line"
            ));
        }
        let (msn, state) = row.split_once(',').ok_or("there is no comma; write msn,state")?;
        let line = Line::parse(state.trim())?;
        let msn = msn.trim();
        match msn.split_once('-') {
            None => self.add_single(line_number, parse_msn(msn)?, line),
            Some((first, last)) => {
                self.add_range(line_number, parse_msn(first)?, parse_msn(last)?, line)
            }
        }
    }

    fn add_single(&mut self, line_number: u32, msn: Msn, line: Line) -> Result<(), String> {
        if let Some(earlier) = self.seen.insert(msn.value(), line_number) {
            return Err(format!("{msn} already stands on line {earlier}; keep one of the two"));
        }
        self.states.singles.insert(msn, line);
        Ok(())
    }

    fn add_range(
        &mut self,
        line_number: u32,
        first: Msn,
        last: Msn,
        line: Line,
    ) -> Result<(), String> {
        if first > last {
            return Err(format!(
                "the range {first}-{last} runs backwards; write the lower msn first"
            ));
        }
        let (first, last) = (first.value(), last.value());
        self.states.ranges.push(LineRange { first, last, line: line.pack(), line_number });
        Ok(())
    }

    fn finish(mut self) -> Result<LineStates, BadLines> {
        self.states.ranges.sort_by_key(|range| range.first);
        for pair in self.states.ranges.windows(2) {
            if pair[1].first <= pair[0].last {
                let (one, other) = (pair[0].line_number, pair[1].line_number);
                let (earlier, later) = (one.min(other), one.max(other));
                self.bad.add(
                    later,
                    format!("its range overlaps that of line {earlier}; make them disjoint"),
                );
            }
        }
        if self.bad.count > 0 {
            self.bad.named.sort_by_key(|bad| bad.line_number);
            return Err(self.bad);
        }
        self.states.ranges.shrink_to_fit();
        Ok(self.states)
    }
}

fn parse_msn(text: &str) -> Result<Msn, String> {
    Msn::parse(text.as_bytes())
        .ok_or_else(|| format!("`{text}` is no msn; write eleven digits of which the first is 0"))
}

/// What the terminal does, by its word.
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
        "hlr-failure" => {
            return Ok(Line { answer: HlrAnswer::Failure, terminal: Terminal::Accepts });
        }
        _ => {}
    }
    refuse_contradictions(state)?;
    let mut line = LineState::HOME;
    let mut terminal = Terminal::Accepts;
    for word in state.split('+') {
        if let Some(&(_, behaviour)) = TERMINALS.iter().find(|(name, _)| *name == word) {
            if terminal != Terminal::Accepts {
                return Err(format!(
                    "`{word}` is a second outcome; an attempt has one, keep one of them"
                ));
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
        "roaming-cs" => line.cs = Location::Visited,
        "roaming-ps" => line.ps = Location::Visited,
        "no-cs" => line.cs = Location::None,
        "no-ps" => line.ps = Location::None,
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
