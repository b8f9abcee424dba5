//! What a source's own rules add to CAP.

/// The rules that a source is known to keep.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Profile {
    /// Those of the standard alone.
    #[default]
    Cap,
    /// The United States' IPAWS.
    Ipaws,
    /// Canada's CAP-CP.
    CapCp,
    /// Australia's CAP-AU.
    CapAu,
    /// MeteoAlarm.
    Meteoalarm,
}

impl Profile {
    /// The profile of this name, as a source is registered with.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, profile)| profile)
    }

    /// Every profile with its name.
    pub const ALL: [(&str, Self); 5] = [
        ("cap", Self::Cap),
        ("ipaws", Self::Ipaws),
        ("cap-cp", Self::CapCp),
        ("cap-au", Self::CapAu),
        ("meteoalarm", Self::Meteoalarm),
    ];

    /// The ends of the names of parameters that hold a text for short messages, best first.
    pub(super) fn text_parameters(self) -> &'static [&'static str] {
        match self {
            Self::Ipaws => &["CMAMtext", "CMAMlongtext"],
            Self::CapCp => &["Broadcast_Text"],
            Self::Cap | Self::CapAu | Self::Meteoalarm => &[],
        }
    }

    /// Whether every info has to say when it expires.
    pub(super) fn requires_expires(self) -> bool {
        matches!(self, Self::Ipaws | Self::CapAu)
    }
}
