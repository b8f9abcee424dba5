//! What the HLR knows of a line: barring, services, registration in each domain, and the visited
//! operator.
//!
//! A line's state is plain data. It packs into 20 bits, so a million lines cost what their msns
//! cost.

/// Where a line is registered in one domain.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Location {
    /// Not registered.
    None = 0,
    /// In the home network.
    Home = 1,
    /// In another operator's network.
    Visited = 2,
}

impl Location {
    /// The three states.
    pub const ALL: [Self; 3] = [Self::None, Self::Home, Self::Visited];

    fn from_bits(bits: u32) -> Self {
        match bits & 0b11 {
            0 => Self::None,
            1 => Self::Home,
            _ => Self::Visited,
        }
    }
}

/// A line as the HLR answers it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LineState {
    /// The line has the short message service.
    pub provisioned: bool,
    /// Barred for another reason than the three below.
    pub barred: bool,
    /// Suspended by the operator.
    pub suspended: bool,
    /// SMS spam blocking is set.
    pub spam_block: bool,
    /// The limit plan's usage is exceeded.
    pub usage_limit: bool,
    /// Registration in the circuit-switched network.
    pub cs: Location,
    /// Registration in the packet network.
    pub ps: Location,
    /// Not reachable by the MSC (mnrf).
    pub not_reachable_cs: bool,
    /// Not reachable by the SGSN (mnrg).
    pub not_reachable_ps: bool,
    /// The terminal's memory is full (mcef).
    pub memory_full: bool,
    /// The visited operator's place in the operator table; meaningless while `ps` is not `Visited`.
    pub operator: u8,
}

impl LineState {
    /// A line in its home network, reachable in both domains, nothing set: delivers.
    pub const HOME: Self = Self {
        provisioned: true,
        barred: false,
        suspended: false,
        spam_block: false,
        usage_limit: false,
        cs: Location::Home,
        ps: Location::Home,
        not_reachable_cs: false,
        not_reachable_ps: false,
        memory_full: false,
        operator: 0,
    };

    /// Bits that [`pack`](Self::pack) uses.
    pub const PACKED_BITS: u32 = 20;

    /// The circuit-switched domain can be used: registered and reachable.
    pub fn cs_available(&self) -> bool {
        self.cs != Location::None && !self.not_reachable_cs
    }

    /// The packet domain can be used: registered and reachable.
    pub fn ps_available(&self) -> bool {
        self.ps != Location::None && !self.not_reachable_ps
    }

    /// Absent in every domain.
    pub fn is_absent(&self) -> bool {
        !self.cs_available() && !self.ps_available()
    }

    /// Roaming internationally, in whichever domain.
    pub fn is_roaming(&self) -> bool {
        self.cs == Location::Visited || self.ps == Location::Visited
    }

    /// The state in the low [`PACKED_BITS`](Self::PACKED_BITS) bits.
    pub fn pack(self) -> u32 {
        u32::from(self.provisioned)
            | u32::from(self.barred) << 1
            | u32::from(self.suspended) << 2
            | u32::from(self.spam_block) << 3
            | u32::from(self.usage_limit) << 4
            | (self.cs as u32) << 5
            | (self.ps as u32) << 7
            | u32::from(self.not_reachable_cs) << 9
            | u32::from(self.not_reachable_ps) << 10
            | u32::from(self.memory_full) << 11
            | u32::from(self.operator) << 12
    }

    /// The state that [`pack`](Self::pack) packed; higher bits are not looked at.
    pub fn unpack(bits: u32) -> Self {
        let flag = |position: u32| bits >> position & 1 == 1;
        Self {
            provisioned: flag(0),
            barred: flag(1),
            suspended: flag(2),
            spam_block: flag(3),
            usage_limit: flag(4),
            cs: Location::from_bits(bits >> 5),
            ps: Location::from_bits(bits >> 7),
            not_reachable_cs: flag(9),
            not_reachable_ps: flag(10),
            memory_full: flag(11),
            operator: (bits >> 12) as u8,
        }
    }
}

/// What the HLR says when the GMSC asks for a subscriber's routing information.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HlrAnswer {
    /// The line and its state.
    Known(LineState),
    /// No such subscriber.
    UnknownSubscriber,
    /// No answer in time, or an answer that says the HLR failed.
    Failure,
}

/// How pushes reach subscribers who roam in one operator's packet network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OperatorRule {
    /// By the circuit-switched network where there is one; else by the packet network.
    Cs,
    /// By the packet network first.
    Ps,
    /// By the circuit-switched network only: the operator lets no SMS through its packet network.
    PsForbidden,
}

impl OperatorRule {
    /// The three rules.
    pub const ALL: [Self; 3] = [Self::Cs, Self::Ps, Self::PsForbidden];

    /// SMS may go through the operator's packet network.
    pub fn allows_ps(self) -> bool {
        self != Self::PsForbidden
    }
}

/// The operator table: a rule for each of the visited operators 0 to 255.
#[derive(Clone, Debug)]
pub struct OperatorTable {
    rules: [OperatorRule; 256],
}

impl OperatorTable {
    /// The rule of operator `index`.
    pub fn rule(&self, index: u8) -> OperatorRule {
        self.rules[usize::from(index)]
    }

    /// Sets the rule of operator `index`.
    pub fn set(&mut self, index: u8, rule: OperatorRule) {
        self.rules[usize::from(index)] = rule;
    }
}

impl Default for OperatorTable {
    /// Operator 0 and all not named here: CS; operator 1: PS; operator 2: packet network forbidden.
    fn default() -> Self {
        let mut table = Self { rules: [OperatorRule::Cs; 256] };
        table.set(1, OperatorRule::Ps);
        table.set(2, OperatorRule::PsForbidden);
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_line_unpacks_to_itself() {
        let full = LineState {
            provisioned: true,
            barred: true,
            suspended: true,
            spam_block: true,
            usage_limit: true,
            cs: Location::Visited,
            ps: Location::Visited,
            not_reachable_cs: true,
            not_reachable_ps: true,
            memory_full: true,
            operator: 255,
        };
        for line in [LineState::HOME, full, LineState { cs: Location::None, operator: 7, ..full }] {
            assert!(line.pack() < 1 << LineState::PACKED_BITS);
            assert_eq!(LineState::unpack(line.pack()), line);
        }
    }

    #[test]
    fn every_single_field_survives_packing_alone() {
        for bit in 0..LineState::PACKED_BITS {
            // 0b11 is no registration; the fields' other patterns are all legal.
            let bits = 1 << bit;
            assert_eq!(LineState::unpack(bits).pack(), bits, "bit {bit}");
        }
    }
}
